/** Options are checked before they are sent, so that an error names the option and not a place in the engine. */
import { FathomError } from './errors.js';
import type { SolveOptions, SudokuOptions } from './puzzle-types.js';
import type { DepthOptions, GenerateOptions } from './types.js';

type Check = [expected: string, isGood: (value: unknown) => boolean];
type Checks = Record<string, Check>;

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
const LANGUAGE: Checks = { ...DEPTH, ...GENERATE, allPositions: flag };

const SOLVE: Record<Exclude<keyof SolveOptions, 'signal'>, Check> = {
  halting: [
    "'settled', 'q', { confidence: number } or { segments: number }",
    (value) => value === 'settled' || value === 'q' || holds(value, { confidence: number }) || holds(value, { segments: word }),
  ],
  puzzle: word,
  noise: ['{ sigma: number, seed?: number }', (value) => holds(value, { sigma: number }) || holds(value, { sigma: number, seed: whole(0) })],
  watch: flag,
};
const SUDOKU: Record<keyof SudokuOptions, Check> = {
  side: ['4, 6 or 9', (value) => value === 4 || value === 6 || value === 9],
  grade: [
    "'easy', 'medium', 'hard' or 'extreme'",
    (value) => typeof value === 'string' && ['easy', 'medium', 'hard', 'extreme'].includes(value),
  ],
  givens: ['the fewest and the most', (value) => Array.isArray(value) && value.length === 2 && value.every(whole(0)[1])],
  seed: whole(0),
};

/** Whether a value is an object with these fields and no others. */
function holds(value: unknown, fields: Checks): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const names = Object.keys(fields);
  return Object.keys(value).length === names.length && names.every((name) => fields[name]![1]((value as Record<string, unknown>)[name]));
}

/** The options that are set, each checked. Whether they fit the model is for the engine to say. */
function checkedBy(checks: Checks, options: object): Record<string, unknown> {
  const given = Object.entries(options).filter(([, value]) => value !== undefined && value !== null);
  for (const [name, value] of given) {
    const check = checks[name];
    if (!check) throw new FathomError('option', `There is no option ${name}.`);
    const [expected, isGood] = check;
    if (!isGood(value)) throw new FathomError('option', `${name} must be ${expected}, found ${shown(value)}.`);
  }
  return Object.fromEntries(given);
}

const shown = (value: unknown): string => (typeof value === 'object' ? JSON.stringify(value) : String(value));

/** Of a language model. */
export const checked = (options: object): Record<string, unknown> => checkedBy(LANGUAGE, options);
/** Of `solve`. */
export const checkedSolve = (options: object): Record<string, unknown> => checkedBy(SOLVE, options);
/** Of `sudoku.generate`. */
export const checkedSudoku = (options: object): Record<string, unknown> => checkedBy(SUDOKU, options);

/** A text, or token ids; `what` is given so. */
export function checkedTokens(what: string, given: unknown): string | number[] {
  if (typeof given === 'string') return given;
  if (Array.isArray(given) && given.every((token) => word[1](token))) return given;
  throw new FathomError('option', `The ${what} must be a text or a list of token ids, found ${String(given)}.`);
}

/** A text. */
export function checkedText(what: string, given: unknown): string {
  if (typeof given === 'string') return given;
  throw new FathomError('option', `The ${what} must be a text, found ${String(given)}.`);
}
