/** A loaded model of puzzles. */
import { checkedSolve, checkedSudoku, checkedText, checkedTokens } from './options.js';
import type { Link } from './link.js';
import type { Loaded } from './protocol.js';
import type {
  Judgement, MadeSudoku, PuzzleConfig, SegmentEvent, SolveOptions, SudokuCheck, SudokuGrade, SudokuOptions,
} from './puzzle-types.js';
import { Remote } from './remote.js';
import { stream } from './stream.js';

/** A model of puzzles, loaded in a worker of its own. */
export class PuzzleModel extends Remote<PuzzleConfig> {
  /** Sudoku by plain code: nothing here asks the model. */
  readonly sudoku: SudokuTools;

  /** Use `loadPuzzles`. */
  constructor(link: Link, loaded: Loaded<PuzzleConfig>) {
    super(link, loaded);
    this.sudoku = new SudokuTools(link, loaded.config);
  }

  /**
   * Solves a puzzle, a text of the model's task (a board, a maze, an ARC task, of which the first test is asked) or a
   * token for each cell. Segments are computed as they are read, a few ahead; leaving the loop ends the thinking.
   */
  async *solve(puzzle: string | number[], options: SolveOptions = {}): AsyncGenerator<SegmentEvent, void, void> {
    const { signal, ...rest } = options;
    yield* stream(this.link, 'solve', [checkedTokens('puzzle', puzzle), checkedSolve(rest)], signal, (event) =>
      'segment' in event ? event.segment : undefined);
  }

  /** The tokens of a puzzle's text, one for each cell. */
  async encode(puzzle: string): Promise<number[]> {
    return this.link.call<number[]>('encode', [checkedText('puzzle', puzzle)]).result;
  }

  /** Holds an answer against the rules of the puzzle; undefined where nobody knows the right one, as for most ARC tasks. */
  async judge(puzzle: string, answer: number[]): Promise<Judgement | undefined> {
    return this.link.call<Judgement | undefined>('judge', [checkedText('puzzle', puzzle), checkedTokens('answer', answer)]).result;
  }
}

/** What plain code knows of Sudokus: of the model's size or, where the model is none of Sudokus, of any. */
export class SudokuTools {
  #link: Link;
  #side: number | undefined;

  /** @internal */
  constructor(link: Link, { task, side }: PuzzleConfig) {
    this.#link = link;
    this.#side = task === 'sudoku' ? side : undefined;
  }

  /** What a board is worth: conflicts, whether it is full, how many solutions there are. */
  async check(board: string): Promise<SudokuCheck> {
    return this.#link.call<SudokuCheck>('checkSudoku', [checkedText('board', board), this.#side]).result;
  }

  /** How hard a puzzle is for a person; undefined where it has no solution, or several. */
  async grade(puzzle: string): Promise<SudokuGrade | undefined> {
    return this.#link.call<SudokuGrade | undefined>('gradeSudoku', [checkedText('puzzle', puzzle), this.#side]).result;
  }

  /** A new puzzle with one solution. */
  async generate(options: SudokuOptions = {}): Promise<MadeSudoku> {
    const seed = Math.floor(Math.random() * 2 ** 32);
    const given = { seed, side: this.#side ?? 9, ...checkedSudoku(options) };
    return this.#link.call<MadeSudoku>('generateSudoku', [given]).result;
  }
}
