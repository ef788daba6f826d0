/** The model of puzzles. */

import { computed } from '@preact/signals';
import { loadPuzzles, type PuzzleModel } from 'fathom-engine';
import { Loader } from '../../state/loader.ts';

/** Folders of `models/` that were there when the page was built, the smallest board first (see `vite.config.ts`). */
declare const SHIPPED_SUDOKUS: string[];

export interface Shipped {
  address: string;
  /** `6×6` */
  size: string;
  cells: number;
}

export const shipped: Shipped[] = SHIPPED_SUDOKUS.map((folder) => {
  const side = Number(folder.split('x').at(-1));
  return { address: new URL(`models/${folder}/`, document.baseURI).href, size: `${side}×${side}`, cells: side * side };
});

export const puzzles = new Loader<PuzzleModel>({
  load: loadPuzzles, modelType: 'hrm_act_v1', name: 'models of puzzles', shipped: shipped.map(({ address }) => address),
});
export const { model } = puzzles;
export const config = computed(() => model.value?.config);
