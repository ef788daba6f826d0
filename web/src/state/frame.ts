/**
 * What changes with every step waits for an animation frame, and is drawn in turns, a part of the page in each frame, so
 * that no frame is long. All drawing of ours is measured as `fathom:frame`.
 */

import { batch, effect, signal, type ReadonlySignal } from '@preact/signals';
import { options } from 'preact';

/** The parts of the page that take turns. */
export type Part = 'text' | 'decision' | 'state';

const waiting: Record<Part, Set<() => void>> = { text: new Set(), decision: new Set(), state: new Set() };
const parts = Object.keys(waiting) as Part[];
const whenIdle: (() => void)[] = [];
let turn = 0;
let requested = false;
let inFrame = false;
let render: (() => void) | undefined;

function request() {
  if (requested) return;
  requested = true;
  requestAnimationFrame(frame);
}

function frame() {
  requested = false;
  inFrame = true;
  try {
    measured(() => {
      batch(() => nextInTurn()?.forEach((change) => change()));
      render?.();
    });
  } finally {
    render = undefined;
    inFrame = false;
  }
  if (parts.some((part) => waiting[part].size > 0)) request();
  else whenIdle.splice(0).forEach((tell) => tell());
}

function measured(work: () => void) {
  const start = performance.now();
  work();
  performance.measure('fathom:frame', { start });
}

function nextInTurn(): Set<() => void> | undefined {
  for (let i = 1; i <= parts.length; i++) {
    const next = (turn + i) % parts.length;
    const changes = waiting[parts[next]!];
    if (changes.size === 0) continue;
    turn = next;
    waiting[parts[next]!] = new Set();
    return changes;
  }
  return undefined;
}

/** Makes a change with one of the next frames; asked for several times before it, it is made once. */
export function inTurn(change: () => void, part: Part = 'text'): void {
  waiting[part].add(change);
  request();
}

/** The same signal, for the components of one part. */
export function takingTurns<T>(source: ReadonlySignal<T>, part: Part): ReadonlySignal<T> {
  const copy = signal(source.peek());
  const update = () => (copy.value = source.peek());
  effect(() => {
    void source.value;
    inTurn(update, part);
  });
  return copy;
}

/** Tells when everything that changed so far is drawn. */
export function whenDrawn(tell: () => void): void {
  whenIdle.push(tell);
  request();
}

/** Takes over from Preact: what a frame changed is rendered in that frame, and what somebody did, at once. */
export function renderInFrames(): void {
  options.debounceRendering = (draw) => {
    if (inFrame) render = draw;
    else queueMicrotask(() => measured(draw));
  };
}
