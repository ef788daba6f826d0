/** The same puzzle at two depths. */

import { effect, signal } from '@preact/signals';
import type { Judgement, SegmentEvent } from 'fathom-engine';
import { report } from '../../state/trouble.ts';
import { model } from './models.ts';
import { reading, text } from './question.ts';
import { rowOption } from './settings.ts';
import { stop } from './solve.ts';

/** Segments, or the model's own halting. */
export type Depth = number | 'own';

export interface Side {
  depth: Depth;
  last: SegmentEvent;
  judgement: Judgement | undefined;
}

export const depths = [signal<Depth>(1), signal<Depth>('own')] as const;
/** Both, or none. */
export const sides = signal<[Side, Side] | undefined>(undefined);
export const comparing = signal(false);

let controller = new AbortController();

export const stopComparing = (): void => controller.abort();

export async function compare(): Promise<void> {
  controller = new AbortController();
  const { signal } = controller;
  comparing.value = true;
  await stop();
  try {
    const [a, b] = [await think(depths[0].value, signal), await think(depths[1].value, signal)];
    if (!signal.aborted) sides.value = [a, b];
  } catch (error) {
    report(error);
  }
  comparing.value = false;
}

async function think(depth: Depth, signal: AbortSignal): Promise<Side> {
  const asked = model.value!;
  const { text: puzzle } = reading.value!;
  let last: SegmentEvent | undefined;
  const halting = depth === 'own' ? 'settled' : { segments: depth };
  for await (const event of asked.solve(puzzle, { halting, ...rowOption.value, signal })) last = event;
  return { depth, last: last!, judgement: await asked.judge(puzzle, last!.answer) };
}

/** A comparison belongs to its puzzle. */
effect(() => {
  void text.value;
  controller.abort();
  sides.value = undefined;
});
