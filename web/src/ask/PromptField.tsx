/** The prompt, and under each of its tokens the depth to which the model would think if the text ended there. */

import { useRef } from 'preact/hooks';
import { tint } from '../lib/depth.ts';
import { quoted, steps } from '../lib/format.ts';
import { vars } from '../lib/vars.ts';
import { config } from '../state/model.ts';
import { prefixes, type Prefix } from '../state/prefixes.ts';
import { prompt } from '../state/prompt.ts';
import { ask } from '../state/run.ts';

export function PromptField() {
  const marks = useRef<HTMLDivElement>(null);
  const text = prompt.value;
  const askOnEnter = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    void ask(text);
  };
  return (
    <div class="prompt-field">
      <textarea
        id="prompt"
        data-testid="prompt"
        rows={1}
        value={text}
        spellcheck={false}
        autocomplete="off"
        autocapitalize="off"
        aria-describedby="prompt-depths"
        onInput={(event) => (prompt.value = event.currentTarget.value)}
        onScroll={(event) => marks.current && (marks.current.scrollTop = event.currentTarget.scrollTop)}
        onKeyDown={askOnEnter}
      />
      <div class="marks" ref={marks} aria-hidden="true"><Marks text={text} /></div>
      <p id="prompt-depths" class="sr-only">{spoken(prefixes.value)}</p>
    </div>
  );
}

/**
 * The same text once more, invisible and behind the field, so that it breaks into the same lines; its tokens carry
 * the marks. Behind the part that is still being read there are none.
 */
function Marks({ text }: { text: string }) {
  const deepest = config.value?.maxSteps ?? 1;
  const known: Prefix[] = [];
  let read = '';
  for (const prefix of prefixes.value) {
    if (!text.startsWith(read + prefix.text)) break;
    read += prefix.text;
    known.push(prefix);
  }
  return (
    <>
      {known.map((prefix, place) => {
        const { style, class: shade } = tint(prefix.depth, deepest);
        return (
          <span
            key={place}
            data-testid="prefix"
            data-depth={prefix.depth}
            title={`Up to here: ${steps(prefix.depth)}, then ${quoted(prefix.nextText)}`}
          >
            {prefix.text}
            <i class={shade} style={{ ...style, ...vars({ '--d': prefix.depth / deepest }) }}>{prefix.depth}</i>
          </span>
        );
      })}
      {text.slice(read.length)}
    </>
  );
}

function spoken(all: Prefix[]): string {
  return all.length === 0 ? '' : `Depth after each token: ${all.map(({ text, depth }) => `${text} ${depth}`).join(', ')}.`;
}
