/** Moves through all steps of all tokens, by hand or by itself. */

import { milliseconds, quoted } from '../lib/format.ts';
import { play, playing, scrubTo, type View } from '../state/cursor.ts';

export function Player({ view }: { view: View }) {
  const { run, thought, step, index, total } = view;
  const what = thought.event ? quoted(thought.event.text) : 'a new token';
  const label = `${what}, token ${thought.place + 1} of ${run.thoughts.length}, step ${step + 1} of ${thought.steps.length}`;
  return (
    <div class="player">
      <button
        type="button"
        class="play"
        data-testid="play"
        aria-label={playing.value ? 'Pause' : 'Replay slowly'}
        onClick={() => (playing.value ? (playing.value = false) : play())}
      >
        {playing.value ? '❚❚' : '▶'}
      </button>
      <input
        type="range"
        data-testid="scrub"
        min={0}
        max={total - 1}
        value={index}
        aria-label="All steps of all tokens"
        aria-valuetext={label}
        onInput={(event) => scrubTo(event.currentTarget.valueAsNumber)}
      />
      <p data-testid="step-label">{label}</p>
      <p class="muted">{run.status === 'running' ? 'live' : `replayed slowly; it really took ${milliseconds(run.ms)}`}</p>
    </div>
  );
}
