/** Moves through all steps of all tokens, by hand or by itself. */

import { milliseconds, quoted } from '../lib/format.ts';
import { Scrubber } from '../panels/Scrubber.tsx';
import { play, playing, scrubTo, type View } from '../state/cursor.ts';

export function Player({ view }: { view: View }) {
  const { run, thought, step, index, total } = view;
  const what = thought.event ? quoted(thought.event.text) : 'a new token';
  const label = `${what}, token ${thought.place + 1} of ${run.thoughts.length}, step ${step + 1} of ${thought.steps.length}`;
  return (
    <Scrubber {...{ playing, play, scrubTo, index, total, label }} name="All steps of all tokens" labelId="step-label">
      <p class="muted">{run.status === 'running' ? 'live' : `replayed slowly; it really took ${milliseconds(run.ms)}`}</p>
    </Scrubber>
  );
}
