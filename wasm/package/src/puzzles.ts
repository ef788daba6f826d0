/** A model of puzzles in the worker, and the calls that it takes. */
import { FathomError } from './errors.js';
import { checkSudoku, generateSudoku, gradeSudoku, type LoadedPuzzles, type PuzzleAnswer } from './fathom.js';
import { Held, type Warn } from './held.js';
import type { Loaded, LoadRequest } from './protocol.js';
import type { SegmentEvent } from './puzzle-types.js';
import type { Call } from './worker.js';

export class Puzzles {
  #held: Held<LoadedPuzzles>;

  constructor(warn: Warn) {
    this.#held = new Held('hrm_act_v1', (files, { device, weights }, onProgress) => files.loadPuzzles(device, weights, onProgress), warn);
  }

  load(request: LoadRequest, call: Call): Promise<Loaded<unknown>> {
    return this.#held.load(request, call);
  }

  async run(name: string, args: unknown[], call: Call): Promise<unknown> {
    const { model } = this.#held;
    switch (name) {
      case 'encode':
        return [...model.encode(args[0] as string)];
      case 'judge':
        return model.judge(args[0] as string, Uint32Array.from(args[1] as number[]));
      case 'solve':
        return this.#solve(args[0] as string | number[], args[1] as object, args[2] as number, call);
      case 'checkSudoku':
        return checkSudoku(args[0] as string, args[1] as number | undefined);
      case 'gradeSudoku':
        return gradeSudoku(args[0] as string, args[1] as number | undefined);
      case 'generateSudoku':
        return generateSudoku(args[0]);
      default:
        throw new FathomError('internal', `There is no call ${name}.`);
    }
  }

  #solve(puzzle: string | number[], options: object, ahead: number, call: Call): Promise<void> {
    const start = (model: LoadedPuzzles) =>
      typeof puzzle === 'string' ? model.solveText(puzzle, options) : model.solveTokens(Uint32Array.from(puzzle), options);
    const next = (answer: PuzzleAnswer) => answer.next() as Promise<SegmentEvent | undefined>;
    return this.#held.stream(start, next, (segment) => call.tell({ segment }), ahead, call);
  }

  async dispose(): Promise<void> {
    this.#held.abort();
    this.#held.free();
  }
}
