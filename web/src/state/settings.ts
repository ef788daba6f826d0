/** How long to think and how to choose: what is typed, what it means, and what is wrong with it. */

import { computed, signal, type Signal } from '@preact/signals';
import type { DepthOptions, GenerateOptions } from 'fathom-engine';
import { config } from './model.ts';

export type Key = 'maxDepth' | 'minDepth' | 'depth' | 'haltBias' | 'temperature' | 'topK' | 'topP' | 'seed';

export interface Field {
  key: Key;
  /** Its name in links and in tests. */
  name: string;
  label: string;
  hint: string;
  /** What applies while the field is empty. */
  otherwise: string;
  whole: boolean;
  least: number;
  most: number;
}

/** Links must stay valid, so the window of each number is wide; only depths depend on the model. */
export const fields = computed<Field[]>(() => {
  const deepest = config.value?.maxSteps ?? 16;
  const depth = { whole: true, least: 1, most: deepest };
  return [
    { key: 'maxDepth', name: 'max-depth', label: 'Depth cap', hint: 'Never think longer than this many steps.', otherwise: `${deepest}`, ...depth },
    { key: 'minDepth', name: 'min-depth', label: 'Depth floor', hint: 'Never stop before this many steps.', otherwise: '1', ...depth },
    { key: 'depth', name: 'depth', label: 'Forced depth', hint: 'Exactly this many steps; its own test is ignored.', otherwise: 'own', ...depth },
    { key: 'haltBias', name: 'halt-bias', label: 'Halting bias', hint: 'Added to its wish to stop: higher is shallower.', otherwise: `${config.value?.haltBias ?? ''}`, whole: false, least: -1000, most: 1000 },
    { key: 'temperature', name: 'temperature', label: 'Temperature', hint: '0 always says the likeliest; higher dares more.', otherwise: '0', whole: false, least: 0, most: 100 },
    { key: 'topK', name: 'top-k', label: 'Top-k', hint: 'Draw only from the k likeliest; 0 for all.', otherwise: '0', whole: true, least: 0, most: 1_000_000 },
    { key: 'topP', name: 'top-p', label: 'Top-p', hint: 'Draw only from the likeliest that make up this share.', otherwise: '1', whole: false, least: 0, most: 1 },
    { key: 'seed', name: 'seed', label: 'Seed', hint: 'The same seed draws the same answer.', otherwise: '0', whole: true, least: 0, most: 0xffffffff },
  ];
});

const empty = (): Signal<string> => signal('');

/** What is typed; empty means that the model decides. */
export const typed: Record<Key, Signal<string>> = {
  maxDepth: empty(), minDepth: empty(), depth: empty(), haltBias: empty(),
  temperature: empty(), topK: empty(), topP: empty(), seed: empty(),
};

export const reset = (): void => Object.values(typed).forEach((field) => (field.value = ''));

/** What is wrong with each field, as a sentence. */
export const problems = computed(() => {
  const found: Partial<Record<Key, string>> = {};
  for (const { key, whole, least, most } of fields.value) {
    const text = typed[key].value.trim();
    const value = Number(text);
    if (text === '') continue;
    if (!Number.isFinite(value) || (whole && !Number.isInteger(value))) found[key] = whole ? 'A whole number, please.' : 'A number, please.';
    else if (value < least || value > most) found[key] = `From ${least} to ${most}, please.`;
  }
  const [floor, cap] = [typed.minDepth.value, typed.maxDepth.value];
  if (!found.minDepth && !found.maxDepth && floor && cap && Number(floor) > Number(cap)) found.minDepth = 'The floor lies above the cap.';
  return found;
});

const numbers = (keys: Key[]): Partial<Record<Key, number>> =>
  Object.fromEntries(keys.filter((key) => typed[key].value.trim() !== '').map((key) => [key, Number(typed[key].value)]));

export const depthOptions = computed<DepthOptions>(() => numbers(['maxDepth', 'minDepth', 'depth', 'haltBias']));
export const samplingOptions = computed<GenerateOptions>(() => numbers(['temperature', 'topK', 'topP', 'seed']));
export const valid = computed(() => Object.keys(problems.value).length === 0);
