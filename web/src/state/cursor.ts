/** Which step of which token is looked at: the newest while nobody chose, then the one that was chosen or is played. */

import { computed, effect, signal } from '@preact/signals';
import { takingTurns } from './frame.ts';
import { run, type Run, type Thought } from './run.ts';

interface Cursor {
  place: number;
  /** Index into the token's steps. */
  step: number;
}

const chosen = signal<Cursor | undefined>(undefined);
export const playing = signal(false);

/** Slow enough to follow: this is a replay, the run itself took milliseconds. */
const PLAY_MS = 280;

export interface View {
  run: Run;
  thought: Thought;
  step: number;
  /** Of all steps of all tokens, counted through. */
  index: number;
  total: number;
}

export const view = computed<View | undefined>(() => {
  const { value } = run;
  const thoughts = value?.thoughts.filter((thought) => thought.steps.length > 0) ?? [];
  const newest = thoughts.at(-1);
  if (!value || !newest) return undefined;
  const wanted = chosen.value;
  const thought = (wanted && value.thoughts[wanted.place]) || newest;
  const last = thought.steps.length - 1;
  const step = wanted && thought.place === wanted.place ? Math.min(wanted.step, last) : last;
  const stepsOf = (some: Thought[]) => some.reduce((sum, { steps }) => sum + steps.length, 0);
  const before = stepsOf(thoughts.filter(({ place }) => place < thought.place));
  return { run: value, thought, step, index: before + step, total: stepsOf(thoughts) };
});

/** What the charts show, which are drawn in turns. */
export const decisionView = takingTurns(view, 'decision');
export const stateView = takingTurns(view, 'state');

/** The last step of a token. */
export function choose(place: number, step = Infinity): void {
  playing.value = false;
  chosen.value = { place, step };
}

/** A step by its number among all steps; also used while playing. */
function goTo(index: number): void {
  for (const { place, steps } of run.value?.thoughts ?? []) {
    if (index < steps.length) {
      chosen.value = { place, step: index };
      return;
    }
    index -= steps.length;
  }
}

export function scrubTo(index: number): void {
  playing.value = false;
  goTo(index);
}

export function play(): void {
  const { value } = view;
  if (!value) return;
  if (value.index === value.total - 1) goTo(0);
  playing.value = true;
}

effect(() => {
  if (!playing.value || !view.value) return;
  const { index, total } = view.value;
  const timer = setTimeout(() => (index + 1 < total ? goTo(index + 1) : (playing.value = false)), PLAY_MS);
  return () => clearTimeout(timer);
});

/** A new run is followed; when it is done, its deepest token is shown. */
let previous: Run['status'] | undefined;
effect(() => {
  const { value } = run;
  if (value?.status === previous) return;
  previous = value?.status;
  if (previous === 'running') {
    playing.value = false;
    chosen.value = undefined;
  } else if (value && !chosen.peek()) {
    const [first] = value.thoughts;
    const deepest = value.thoughts.reduce((a, b) => (b.steps.length > a!.steps.length ? b : a), first);
    if (deepest) chosen.value = { place: deepest.place, step: Infinity };
  }
});
