/** The puzzle: its text, and what plain code says of it while somebody types. */

import { computed, effect, signal } from '@preact/signals';
import { FathomError, type PuzzleModel, type SudokuCheck, type SudokuGrade } from 'fathom-engine';
import { report } from '../../state/trouble.ts';
import { config, model } from './models.ts';
import { identifierProblem } from './settings.ts';

/** A board in a line, a maze, or an ARC task. */
export const text = signal('');

export interface Reading {
  text: string;
  /** A token a cell; none where the text is no puzzle. */
  tokens: number[];
  /** Of a board. */
  check?: SudokuCheck;
  grade?: SudokuGrade | undefined;
  /** Why it is no puzzle. */
  problem?: string;
}

export const reading = signal<Reading | undefined>(undefined);

export const isSudoku = computed(() => config.value?.task === 'sudoku');

/** What stands against solving it, in a sentence. */
export const refusal = computed(() => {
  const now = reading.value;
  if (!now) return undefined;
  if (now.problem) return now.problem;
  const conflict = now.check?.conflicts[0];
  if (conflict) return `${conflict.message}.`;
  if (now.check?.solutions === 'none') return 'This puzzle has no solution: whatever is filled in, some cell is left without a digit.';
  if (now.check?.full) return 'This board is full: there is nothing left to solve.';
  return identifierProblem.value;
});

/** The question can be asked. */
export const isReady = computed(() => reading.value?.text === text.value && refusal.value === undefined);

effect(() => {
  const asked = model.value;
  const now = text.value;
  if (!asked || now === '') reading.value = undefined;
  else void read(asked, now);
});

async function read(asked: PuzzleModel, now: string) {
  let found: Reading;
  try {
    found = { text: now, tokens: await asked.encode(now) };
    if (asked.config.task === 'sudoku') {
      const [check, grade] = await Promise.all([asked.sudoku.check(now), asked.sudoku.grade(now)]);
      found = { ...found, check, grade };
    }
  } catch (error) {
    if (!(error instanceof FathomError) || error.code !== 'puzzle') return report(error);
    found = { text: now, tokens: [], problem: `${error.message}.` };
  }
  // Of several that are read at a time, the one that is still asked counts.
  if (text.value === now && model.value === asked) reading.value = found;
}

/** Resolves when what stands there now, or what stands there by then, has been read. */
export function whenRead(): Promise<void> {
  return new Promise((resolve) => {
    const dispose = effect(() => {
      if (reading.value?.text !== text.value) return;
      queueMicrotask(() => {
        dispose();
        resolve();
      });
    });
  });
}

/** What is wrong with what was pasted last. */
export const pasteProblem = signal<string | undefined>(undefined);

/** Takes a whole board, in whatever form people paste it; whether it is one. */
export async function paste(pasted: string): Promise<boolean> {
  pasteProblem.value = undefined;
  try {
    text.value = (await model.value!.sudoku.check(pasted)).line;
    return true;
  } catch (error) {
    if (error instanceof FathomError && error.code === 'puzzle') pasteProblem.value = `${error.message}.`;
    else report(error);
    return false;
  }
}

/** Boards of 4x4 are never harder than easy. */
export const grades = computed<SudokuGrade[]>(() =>
  (config.value?.side === 4 ? ['easy'] : ['easy', 'medium', 'hard', 'extreme']));

export async function generate(grade: SudokuGrade): Promise<void> {
  const asked = model.value!;
  const made = await asked.sudoku.generate({ grade }).catch(report);
  if (made && model.value === asked) text.value = made.puzzle;
}

export function clear(): void {
  text.value = isSudoku.value ? '.'.repeat(config.value!.seqLen) : '';
}

/** Puts a digit into a cell of the board; 0 takes it out. */
export function put(cell: number, digit: number): void {
  text.value = text.value.slice(0, cell) + (digit || '.') + text.value.slice(cell + 1);
}
