/** Loads a model of puzzles when the tab is first seen, and gives it something to think about. */

import { computed, effect } from '@preact/signals';
import { given } from '../../state/query.ts';
import { linkedModel } from '../../state/tab.ts';
import { model, puzzles, shipped } from './models.ts';
import { clear, generate, grades, isSudoku, paste, text } from './question.ts';
import { solving, start } from './solve.ts';

/** Without any model there is nothing to wait for. */
export const puzzleState = computed(() =>
  solving.value ? 'answering' : puzzles.busy.value || (!model.value && shipped.length > 0) ? 'loading' : 'ready');

let started = false;

export function startPuzzle(): void {
  if (started) return;
  started = true;
  const linked = linkedModel('puzzle');
  const cells = given.get('puzzle')?.length;
  const own = shipped.find((each) => each.cells === cells) ?? shipped[0];
  if (linked) void puzzles.consider(linked, { loadIfCached: true });
  else if (own) void puzzles.open(own.address);

  let isFirst = true;
  effect(() => {
    if (!model.value) return;
    const mine = isFirst;
    isFirst = false;
    queueMicrotask(() => void (mine ? first() : pose()));
  });
}

/** The first puzzle is the link's, if there is one, and is solved before anybody asks. */
async function first() {
  await pose(given.get('puzzle') ?? '');
  await start();
}

/** A board of another size has no place on another model's. */
async function pose(puzzle = '') {
  clear();
  if (!isSudoku.value) text.value = puzzle;
  else if (!(puzzle && (await paste(puzzle)))) await generate(grades.value[1] ?? grades.value[0]!);
}
