/** The same question at two depths. */

import { signal } from '@preact/signals';
import type { TokenEvent } from 'fathom-engine';
import { inTurn } from './frame.ts';
import { config, isShipped, model } from './model.ts';
import { MAX_TOKENS, stop } from './run.ts';
import { depthOptions, samplingOptions } from './settings.ts';
import { report } from './trouble.ts';

/** Steps, or the model's own halting. */
export type Depth = number | 'own';

export interface Side {
  depth: Depth;
  prompt: string;
  tokens: TokenEvent[];
  deepest: number;
  byShipped: boolean;
  done: boolean;
}

export const depths = [signal<Depth>(1), signal<Depth>('own')] as const;
export const sides = signal<Side[]>([]);
export const comparing = signal(false);

let controller = new AbortController();

export const stopComparing = (): void => controller.abort();

export async function compare(prompt: string): Promise<void> {
  controller = new AbortController();
  comparing.value = true;
  await stop();
  try {
    const base = { prompt, tokens: [], deepest: config.value!.maxSteps, byShipped: isShipped.value, done: false };
    sides.value = depths.map((depth) => ({ ...base, depth: depth.value }));
    for (const index of sides.value.keys()) await answer(index);
  } catch (error) {
    report(error);
  }
  comparing.value = false;
}

async function answer(index: number): Promise<void> {
  let side = sides.value[index]!;
  const show = () => (sides.value = sides.value.with(index, side));
  const { depth: _, ...own } = depthOptions.value;
  const events = model.value!.generate(side.prompt, {
    ...samplingOptions.value, ...(side.depth === 'own' ? own : { depth: side.depth }), maxTokens: MAX_TOKENS, overflow: 'stop', signal: controller.signal,
  });
  for await (const event of events) {
    side = { ...side, tokens: [...side.tokens, event] };
    inTurn(show);
  }
  side = { ...side, done: true };
  show();
}
