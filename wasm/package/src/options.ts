/** Options are checked before they are sent, so that an error names the option and not a place in the engine. */
import { FathomError } from './errors.js';
import type { DepthOptions, GenerateOptions } from './types.js';

type Check = [expected: string, isGood: (value: unknown) => boolean];

const whole = (least: number): Check => [
  `a whole number of at least ${least}`,
  (value) => Number.isSafeInteger(value) && (value as number) >= least,
];
const word: Check = ['a whole number from 0 to 4294967295', (value) => Number.isInteger(value) && (value as number) >>> 0 === value];
const number: Check = ['a finite number', (value) => Number.isFinite(value)];
const flag: Check = ['true or false', (value) => typeof value === 'boolean'];
const texts: Check = [
  'a list of texts',
  (value) => Array.isArray(value) && value.every((text) => typeof text === 'string'),
];
const overflow: Check = [
  "'recompute', 'slide' or 'stop'",
  (value) => value === 'recompute' || value === 'slide' || value === 'stop',
];

const DEPTH: Record<keyof DepthOptions, Check> = { maxDepth: word, minDepth: word, depth: word, haltBias: number };
const GENERATE: Record<Exclude<keyof GenerateOptions, keyof DepthOptions | 'signal' | 'onStep'>, Check> = {
  maxTokens: word,
  temperature: number,
  topK: word,
  topP: number,
  minP: number,
  repeatPenalty: number,
  seed: whole(0),
  stop: texts,
  ignoreEos: flag,
  overflow,
  trace: flag,
};
const ALL: Record<string, Check> = { ...DEPTH, ...GENERATE, allPositions: flag };

/** The options that are set, each checked. Whether they fit the model is for the engine to say. */
export function checked(options: object): Record<string, unknown> {
  const given = Object.entries(options).filter(([, value]) => value !== undefined && value !== null);
  for (const [name, value] of given) {
    const check = ALL[name];
    if (!check) throw new FathomError('option', `There is no option ${name}.`);
    const [expected, isGood] = check;
    if (!isGood(value)) throw new FathomError('option', `${name} must be ${expected}, found ${String(value)}.`);
  }
  return Object.fromEntries(given);
}

/** A text, or token ids. */
export function checkedPrompt(prompt: unknown): string | number[] {
  if (typeof prompt === 'string') return prompt;
  if (Array.isArray(prompt) && prompt.every((token) => Number.isInteger(token) && token >>> 0 === token)) return prompt;
  throw new FathomError('option', `The prompt must be a text or a list of token ids, found ${String(prompt)}.`);
}
