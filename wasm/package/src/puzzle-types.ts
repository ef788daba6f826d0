/** What models of puzzles take and give. */
import type { HaltedBy, LoadOptions } from './types.js';

export type PuzzleLoadOptions = Omit<LoadOptions, 'kv' | 'gpt2Url'>;

/** A model's dimensions, from its `config.json`. */
export interface PuzzleConfig {
  modelType: 'hrm_act_v1';
  /** The puzzle that it was made for, as its cells and words tell; without one it takes tokens only. */
  task?: 'sudoku' | 'maze' | 'arc';
  /** Cells of a row of that puzzle. */
  side?: number;
  /** Cells of a puzzle. */
  seqLen: number;
  /** Words of a cell. */
  vocabSize: number;
  hiddenSize: number;
  nHead: number;
  hLayers: number;
  lLayers: number;
  hCycles: number;
  lCycles: number;
  positions: 'rope' | 'learned';
  /** The most segments, unless exactly so many are asked for. */
  maxSegments: number;
  /** Rows of the table of puzzles; 1 where there is none. */
  nPuzzles: number;
  nParameters: number;
}

/**
 * When a puzzle has been thought about for long enough:
 * `settled`, when q_halt is above q_continue and the answer has stayed the same for a segment (default);
 * `q`, when q_halt is above q_continue; when the confidence is at least as high; or after exactly so many segments.
 */
export type PuzzleHalting = 'settled' | 'q' | { confidence: number } | { segments: number };

export interface SolveOptions {
  halting?: PuzzleHalting;
  /** The puzzle's row in the model's table, from 0 (default: 0; an ARC task has to name its own). */
  puzzle?: number;
  /** Shakes the first state, so that another path is taken; the same seed is the same shake. */
  noise?: { sigma: number; seed?: number };
  /** Tell the probabilities after each H cycle. */
  watch?: boolean;
  signal?: AbortSignal;
}

/** What came of a segment. */
export interface SegmentEvent {
  /** Which, from 1. */
  segment: number;
  /** The likeliest word of each cell. */
  answer: number[];
  /** The same as people write it: a board in a line, the lines of a maze, the rows of an ARC grid; else empty. */
  text: string;
  /** The cells that have another word than in the segment before; in the first one all. */
  changed: number[];
  qHalt: number;
  qContinue: number;
  /** How probable the model thinks it that the whole answer is right: the sigmoid of qHalt. */
  confidence: number;
  /** With the last segment: what ended it. */
  haltedBy?: HaltedBy;
  /** Whether it would stop here by the rule `settled`, whatever rule is in force. */
  wouldHalt: boolean;
  /** With `watch`: after each H cycle how probable each word of each cell is, [cell * vocabSize + word]. */
  cycles?: Float32Array[];
}

/** Something that is against the rules. */
export interface Fault {
  /** One sentence. */
  message: string;
  /** The cells that it is about. */
  cells: number[];
}

/** Whether an answer is right, found by plain code. */
export interface Judgement {
  right: boolean;
  faults: Fault[];
}

export type SudokuGrade = 'easy' | 'medium' | 'hard' | 'extreme';

/** What a board is worth, filled or not. */
export interface SudokuCheck {
  /** The board in a line, `.` for a blank. */
  line: string;
  side: number;
  /** Cells that are filled. */
  givens: number;
  full: boolean;
  /** Digits that a row, column or box holds more than once. */
  conflicts: Fault[];
  /** `unknown` where the search for them took too long. */
  solutions: 'none' | 'one' | 'several' | 'unknown';
}

export interface SudokuOptions {
  /** 4, 6 or 9 (default: the model's). */
  side?: number;
  /** How hard for a person (default: any). */
  grade?: SudokuGrade;
  /** The fewest and the most filled cells. */
  givens?: [number, number];
  /** The same seed makes the same puzzle (default: another one each time). */
  seed?: number;
}

/** A puzzle with its only solution, both in a line. */
export interface MadeSudoku {
  puzzle: string;
  solution: string;
  grade: SudokuGrade;
  givens: number;
}
