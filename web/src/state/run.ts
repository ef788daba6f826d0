/** One question and its answer: every token with every step that was thought for it. */

import { computed, signal } from '@preact/signals';
import type { DeviceInfo, GenerateOptions, StepTrace, TokenEvent, TokenPiece } from 'fathom-engine';
import { inTurn, whenDrawn } from './frame.ts';
import { isShipped, model } from './model.ts';
import { depthOptions, samplingOptions, valid } from './settings.ts';
import { isAbort, report, trouble } from './trouble.ts';

/** A token and the thinking behind it; without the event it is still being thought. */
export interface Thought {
  place: number;
  steps: StepTrace[];
  event?: TokenEvent;
}

export interface Run {
  prompt: string;
  pieces: TokenPiece[];
  thoughts: Thought[];
  status: 'running' | 'done' | 'stopped' | 'failed';
  options: GenerateOptions;
  /** The bias that was in force, the model's own or the one that was set. */
  haltBias: number;
  deepest: number;
  byShipped: boolean;
  modelName: string;
  device: DeviceInfo;
  ms: number;
}

export const run = signal<Run | undefined>(undefined);
export const running = computed(() => run.value?.status === 'running');

/** What is certain of the answer so far. */
export const answerText = (of: Run): string => of.thoughts.map((thought) => thought.event?.text ?? '').join('');

export const speed = computed(() => {
  const { thoughts = [], ms = 0 } = run.value ?? {};
  const done = thoughts.filter((thought) => thought.event).length;
  const steps = thoughts.flatMap((thought) => thought.steps);
  return {
    tokensPerSecond: done && ms ? (done * 1000) / ms : undefined,
    msPerStep: steps.length ? steps.reduce((sum, step) => sum + step.ms, 0) / steps.length : undefined,
  };
});

/** Of one answer. */
export const MAX_TOKENS = 128;

let controller = new AbortController();
let finished: Promise<void> = Promise.resolve();
let answeredBefore = false;
let asks = 0;

export async function stop(): Promise<void> {
  controller.abort();
  await finished;
}

/** Asks the model; what it was saying before is cut short. */
export async function ask(prompt: string): Promise<void> {
  // Of several that are asked while an answer is being stopped, the last one counts.
  const mine = ++asks;
  await stop();
  if (mine !== asks) return;
  if (!model.value || prompt === '' || !valid.value) return;
  trouble.value = undefined;
  performance.clearMeasures('fathom:frame');
  controller = new AbortController();
  finished = answer(prompt, controller.signal);
  await finished;
}

async function answer(prompt: string, signal: AbortSignal): Promise<void> {
  const asked = model.value!;
  // The window is not moved on: in the charts a position keeps its place.
  const options: GenerateOptions = { ...depthOptions.value, ...samplingOptions.value, maxTokens: MAX_TOKENS, overflow: 'stop' };
  let now: Run = {
    prompt, options, pieces: [], thoughts: [], status: 'running', ms: 0,
    haltBias: options.haltBias ?? asked.config.haltBias,
    deepest: asked.config.maxSteps,
    byShipped: isShipped.value,
    modelName: asked.name,
    device: asked.device,
  };
  // What is still drawn of a run that was cut short must not cover the next one.
  const show = () => {
    if (signal === controller.signal) run.value = now;
  };
  const change = (part: Partial<Run>) => {
    now = { ...now, ...part };
    inTurn(show);
  };
  const put = (thought: Thought) => {
    const thoughts = now.thoughts.slice();
    thoughts[thought.place] = thought;
    change({ thoughts, ms: performance.now() - start });
  };

  const start = performance.now();
  show();
  try {
    // A text that cannot be read fails below too, and there it is told.
    const pieces = asked.tokenize(prompt).then((found) => change({ pieces: found }), () => undefined);
    const events = asked.generate(prompt, {
      ...options,
      signal,
      onStep: (step, place) => {
        // The worker learns only after its step that it was stopped.
        if (!signal.aborted) put({ place, steps: step.step === 1 ? [step] : [...(now.thoughts[place]?.steps ?? []), step] });
      },
    });
    for await (const event of events) {
      put({ place: event.place, steps: event.trace ?? now.thoughts[event.place]?.steps ?? [], event });
    }
    await pieces;
    // An iterator may also end quietly when it is aborted.
    change({ status: signal.aborted ? 'stopped' : 'done', device: asked.device });
    markFirstAnswer();
  } catch (error) {
    change({ status: isAbort(error) ? 'stopped' : 'failed' });
    report(error);
  }
  now = { ...now, thoughts: now.thoughts.filter((thought) => thought.event) };
  show();
}

function markFirstAnswer() {
  if (!answeredBefore) whenDrawn(() => performance.mark('fathom:first-answer'));
  answeredBefore = true;
}

/** Everything about a run, as the engine told it. */
export function traceOf({ prompt, pieces, modelName, device, options, haltBias, thoughts }: Run): string {
  const tokens = thoughts.map(({ event, steps }) => ({ ...event, trace: steps }));
  return JSON.stringify({ model: modelName, device, prompt, promptTokens: pieces, options, haltBias, tokens });
}
