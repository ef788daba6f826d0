/** The question: a field, examples from easy to hard, and what to press. */

import { BEADS_EXAMPLES, TEXT_EXAMPLES, randomPrompt, unfitFor } from '../lib/beads.ts';
import { isShipped, model } from '../state/model.ts';
import { prompt } from '../state/prompt.ts';
import { ask, running, stop } from '../state/run.ts';
import { valid } from '../state/settings.ts';
import { PromptField } from './PromptField.tsx';

export function Ask() {
  const text = prompt.value;
  const remark = !valid.value
    ? 'A setting is not valid; its line under Control says which.'
    : isShipped.value ? unfitFor(text) : undefined;
  const askFor = (example: string) => {
    prompt.value = example;
    void ask(example);
  };
  const submit = (event: Event) => {
    event.preventDefault();
    void ask(text);
  };
  return (
    <form class="ask" onSubmit={submit}>
      <div class="ask-head">
        <label for="prompt">{isShipped.value ? 'Ask it to calculate' : 'Give it a beginning'}</label>
        <p role="status">{remark}</p>
      </div>
      <div class="ask-row">
        <PromptField />
        {running.value
          ? <button type="button" class="primary" data-testid="stop" onClick={() => void stop()}>Stop</button>
          : <button type="submit" class="primary" data-testid="ask" disabled={!model.value || text === ''}>Ask</button>}
      </div>
      <div class="examples" role="group" aria-label="Examples, from easy to hard">
        <span>{isShipped.value ? 'Easy to hard' : 'Try'}</span>
        {(isShipped.value ? BEADS_EXAMPLES : TEXT_EXAMPLES).map((example) => (
          <button type="button" key={example.prompt} title={example.prompt} onClick={() => askFor(example.prompt)}>
            {example.label}
          </button>
        ))}
        {isShipped.value && <button type="button" onClick={() => askFor(randomPrompt())}>Surprise me</button>}
      </div>
    </form>
  );
}
