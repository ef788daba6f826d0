/** When to stop thinking, and which row of the model's table a puzzle has. */

import { computed, signal } from '@preact/signals';
import type { PuzzleHalting, SolveOptions } from 'fathom-engine';
import { given } from '../../state/query.ts';
import { config } from './models.ts';

export type Rule = 'settled' | 'q' | 'confidence' | 'segments';

export const RULES: Record<Rule, { label: string; hint: string }> = {
  settled: { label: 'When it wants to, and is settled', hint: 'It would rather stop than go on, and the last segment changed nothing.' },
  q: { label: 'When it wants to', hint: 'It would rather stop than go on: q_halt is above q_continue.' },
  confidence: { label: 'When it is sure enough', hint: 'It thinks its answer right with at least this probability.' },
  segments: { label: 'After so many segments', hint: 'Its own test is ignored; the chart shows where it would have stopped.' },
};

const isRule = (name: string | null): name is Rule => name !== null && name in RULES;
const asked = given.get('halting');

export const rule = signal<Rule>(isRule(asked) ? asked : 'settled');
/** What is typed. */
export const confidence = signal(given.get('confidence') ?? '0.9');
export const segments = signal(given.get('segments') ?? '16');
export const identifier = signal(given.get('identifier') ?? '');

/** More are of no use, and a typing error should not keep a device busy. */
const MOST_SEGMENTS = 64;

const isWhole = (text: string, least: number, most: number) =>
  /^\d+$/.test(text.trim()) && Number(text) >= least && Number(text) <= most;

/** What is wrong with the field of the rule. */
export const ruleProblem = computed(() => {
  const p = Number(confidence.value);
  if (rule.value === 'confidence' && !(p > 0 && p < 1)) return 'Between 0 and 1, please.';
  if (rule.value === 'segments' && !isWhole(segments.value, 1, MOST_SEGMENTS)) return `From 1 to ${MOST_SEGMENTS}, please.`;
  return undefined;
});

export const identifierProblem = computed(() => {
  const { nPuzzles = 1, task } = config.value ?? {};
  if (identifier.value.trim() === '') return task === 'arc' ? 'An ARC task needs the number of its row in the model’s table of puzzles.' : undefined;
  return isWhole(identifier.value, 0, nPuzzles - 1) ? undefined : `From 0 to ${nPuzzles - 1}, please.`;
});

export const halting = computed<PuzzleHalting>(() => {
  if (rule.value === 'confidence') return { confidence: Number(confidence.value) };
  if (rule.value === 'segments') return { segments: Number(segments.value) };
  return rule.value;
});

/** Of a model with a table of puzzles, the row. */
export const rowOption = computed<Pick<SolveOptions, 'puzzle'>>(() =>
  identifier.value.trim() === '' ? {} : { puzzle: Number(identifier.value) });
