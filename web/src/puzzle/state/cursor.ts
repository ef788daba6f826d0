/** Which cycle is looked at: the newest, or the one that was chosen or is played. */

import { computed, effect, signal } from '@preact/signals';
import type { SegmentEvent } from 'fathom-engine';
import { solve, type Solve } from './solve.ts';

/** Undefined: the newest. */
const chosen = signal<number | undefined>(undefined);
export const playing = signal(false);

/** Slow enough to follow; a small model is through in milliseconds. */
const PLAY_MS = 420;

export interface View {
  solve: Solve;
  segment: SegmentEvent;
  /** Of the segment, from 1. */
  cycle: number;
  /** Of all cycles of all segments, counted through. */
  index: number;
  total: number;
  /** How probable each word of each cell is. */
  shares: Float32Array;
  /** The likeliest word of each cell. */
  answer: number[];
  /** The cells that have another word than in the cycle before; none in the first. */
  changed: Set<number>;
}

export const view = computed<View | undefined>(() => {
  const { value } = solve;
  const frames = value?.segments.flatMap((segment) => segment.cycles!.map((shares, i) => ({ segment, shares, cycle: i + 1 }))) ?? [];
  const index = Math.min(chosen.value ?? Infinity, frames.length - 1);
  const frame = frames[index];
  if (!value || !frame) return undefined;
  const answer = likeliest(frame.shares, value.config.vocabSize);
  const before = index > 0 ? likeliest(frames[index - 1]!.shares, value.config.vocabSize) : answer;
  const changed = new Set([...answer.keys()].filter((cell) => answer[cell] !== before[cell]));
  return { solve: value, ...frame, index, total: frames.length, answer, changed };
});

function likeliest(shares: Float32Array, vocabSize: number): number[] {
  return Array.from({ length: shares.length / vocabSize }, (_, cell) => {
    const row = shares.subarray(cell * vocabSize, (cell + 1) * vocabSize);
    return row.indexOf(Math.max(...row));
  });
}

export function scrubTo(index: number): void {
  playing.value = false;
  chosen.value = index;
}

export function play(): void {
  if (view.value && view.value.index === view.value.total - 1) chosen.value = 0;
  playing.value = true;
}

/** Plays on, and waits where the next cycle is still being thought. */
effect(() => {
  if (!playing.value || !view.value) return;
  const { index, total, solve: { status } } = view.value;
  if (index + 1 >= total) {
    if (status !== 'running') playing.value = false;
    return;
  }
  const timer = setTimeout(() => (chosen.value = index + 1), PLAY_MS);
  return () => clearTimeout(timer);
});

/** A new solve is played as it comes; where nothing may move by itself, the newest cycle is shown. */
let previous: Solve['status'] | undefined;
effect(() => {
  const status = solve.value?.status;
  if (status === 'running' && previous !== 'running') {
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    chosen.value = still ? undefined : 0;
    playing.value = !still;
  }
  previous = status;
});
