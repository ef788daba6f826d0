/** Moves through what there is to be seen, by hand or by itself. */

import type { ComponentChildren } from 'preact';
import type { Signal } from '@preact/signals';

interface Props {
  playing: Signal<boolean>;
  play: () => void;
  scrubTo: (index: number) => void;
  index: number;
  total: number;
  /** What all of it is, and what is seen now. */
  name: string;
  label: string;
  labelId: string;
  children?: ComponentChildren;
}

export function Scrubber({ playing, play, scrubTo, index, total, name, label, labelId, children }: Props) {
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
        aria-label={name}
        aria-valuetext={label}
        onInput={(event) => scrubTo(event.currentTarget.valueAsNumber)}
      />
      <p data-testid={labelId}>{label}</p>
      {children}
    </div>
  );
}
