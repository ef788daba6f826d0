/** Moves through all cycles, by hand or by itself. */

import { play, playing, scrubTo, type View } from './state/cursor.ts';

export function PuzzlePlayer({ view: { solve, segment, cycle, index, total, changed } }: { view: View }) {
  const of = solve.config.hCycles > 1 ? `, cycle ${cycle} of ${solve.config.hCycles}` : '';
  const label = `Segment ${segment.segment} of ${solve.segments.length}${of}${index > 0 ? `: ${cells(changed.size)}` : ''}`;
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
        aria-label="All cycles of all segments"
        aria-valuetext={label}
        onInput={(event) => scrubTo(event.currentTarget.valueAsNumber)}
      />
      <p data-testid="cycle-label">{label}</p>
    </div>
  );
}

const cells = (n: number) => (n === 0 ? 'nothing changed' : n === 1 ? '1 cell changed' : `${n} cells changed`);
