/** One puzzle and how it is solved: every segment with every cycle. */

import { computed, effect, signal } from '@preact/signals';
import type { PuzzleConfig, PuzzleHalting, Judgement, SegmentEvent } from 'fathom-engine';
import { inTurn } from '../../state/frame.ts';
import { isAbort, report, trouble } from '../../state/trouble.ts';
import { model } from './models.ts';
import { isReady, reading, text, whenRead } from './question.ts';
import { halting, rowOption, ruleProblem } from './settings.ts';

export interface Solve {
  text: string;
  /** The puzzle, a token a cell. */
  tokens: number[];
  halting: PuzzleHalting;
  config: PuzzleConfig;
  segments: SegmentEvent[];
  status: 'running' | 'done' | 'stopped' | 'failed';
  /** What it really took, however slowly it is shown. */
  ms: number;
  /** Of the last answer; missing while nobody knows. */
  judgement?: Judgement | undefined;
}

export const solve = signal<Solve | undefined>(undefined);
export const solving = computed(() => solve.value?.status === 'running');

let controller = new AbortController();
let finished: Promise<void> = Promise.resolve();
let starts = 0;

export async function stop(): Promise<void> {
  controller.abort();
  await finished;
}

/** Solves what stands there, once it is read; what was being thought about before is cut short. */
export async function start(): Promise<void> {
  if (text.value === '') return;
  // Of several starts the last one counts.
  const mine = ++starts;
  await stop();
  await whenRead();
  if (mine !== starts || !isReady.value || ruleProblem.value) return;
  trouble.value = undefined;
  controller = new AbortController();
  finished = think(controller.signal);
  await finished;
}

async function think(signal: AbortSignal): Promise<void> {
  const asked = model.value!;
  const { text, tokens } = reading.value!;
  let now: Solve = {
    text, tokens, halting: halting.value, config: asked.config, segments: [], status: 'running', ms: 0,
  };
  // What is still drawn of a solve that was cut short must not cover the next one.
  const show = () => {
    if (signal === controller.signal) solve.value = now;
  };
  const begun = performance.now();
  show();
  try {
    for await (const event of asked.solve(text, { halting: now.halting, ...rowOption.value, watch: true, signal })) {
      now = { ...now, segments: [...now.segments, event], ms: performance.now() - begun };
      inTurn(show);
    }
    now = { ...now, judgement: await asked.judge(text, now.segments.at(-1)!.answer), status: 'done' };
  } catch (error) {
    now = { ...now, status: isAbort(error) ? 'stopped' : 'failed' };
    report(error);
  }
  inTurn(show);
}

/** What is shown belongs to the puzzle that was asked. */
effect(() => {
  if (solve.value && solve.value.text !== text.value) {
    controller.abort();
    solve.value = undefined;
  }
});
