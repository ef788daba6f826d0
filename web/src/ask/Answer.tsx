/** The answer as it comes, with its depths, whether it is right, and ways to take it along. */

import { quoted, steps } from '../lib/format.ts';
import { choose, view } from '../state/cursor.ts';
import { Offer } from '../panels/Offer.tsx';
import { language, model, SHIPPED } from '../state/model.ts';
import { answerText, run, type Run } from '../state/run.ts';
import { Share } from './Share.tsx';
import { Soundings, type Sounding } from './Soundings.tsx';
import { Verdict } from './Verdict.tsx';

export function Answer() {
  const now = run.value;
  if (!now) return <Waiting />;
  const soundings: Sounding[] = now.thoughts.map(({ event, steps }) => event
    ? { text: event.text, token: event.token, depth: event.depth }
    : { text: '', depth: steps.length, sinking: true });
  if (now.status === 'running' && soundings.length === 0) soundings.push({ text: '', depth: 0, sinking: true });
  const { thought, step } = view.value ?? {};
  return (
    <section class="answer" aria-label="Answer">
      <header>
        <h2>Its answer <span class="question">to <code>{now.prompt}</code></span></h2>
        <p>{summary(now)}</p>
      </header>
      <Soundings
        soundings={soundings}
        deepest={now.deepest}
        onChoose={choose}
        {...(thought && { chosen: { place: thought.place, step: step! + 1 } })}
        label="The answer, token by token. Choose one to see how it was thought."
        testId="answer"
      />
      <p class="caption">
        Each line drops to the number of steps the model chose to think before saying that token.
        Choose one to see how it thought.
      </p>
      <Verdict prompt={now.prompt} answer={answerText(now)} byShipped={now.byShipped} done={now.status === 'done'} explain />
      <Share />
      <p class="sr-only" role="status">{now.status === 'running' ? '' : `Answer: ${answerText(now)}. ${summary(now)}`}</p>
    </section>
  );
}

/** Before the first question: how far its model is, or whether it may be downloaded. */
function Waiting() {
  return (
    <section class="answer waiting" aria-label="Answer">
      {model.value ? null : language.busy.value || language.offer.value ? <Offer of={language} /> : <button type="button" class="primary" onClick={() => void language.open(SHIPPED)}>Load the shipped model</button>}
    </section>
  );
}

const ENDINGS = {
  end: 'it ended by itself',
  length: 'cut at the length limit',
  stop: 'ended at a stop text',
  context: 'its window is full',
};

function summary(now: Run): string {
  const events = now.thoughts.flatMap(({ event }) => event ?? []);
  if (now.status === 'running') return 'thinking …';
  if (now.status !== 'done') return now.status;
  const deepest = events.reduce((a, b) => (b.depth > a.depth ? b : a), events[0]!);
  const ending = events.at(-1)?.done;
  return `${events.length} tokens, deepest at ${quoted(deepest.text)} with ${steps(deepest.depth)}` +
    (ending && ending !== 'end' ? `, ${ENDINGS[ending]}` : '');
}
