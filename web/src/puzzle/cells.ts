/** How a board's cells look: as somebody types, as the model thinks, as it answered. */

import type { Fault, SegmentEvent } from 'fathom-engine';
import type { Cell } from './Board.tsx';
import { digitOf } from './lib.ts';
import type { View } from './state/cursor.ts';

/** Below this a cell is undecided, and its other candidates are shown. */
const DECIDED = 0.95;
/** Candidates that are less probable are not shown. */
const LEAST = 0.04;
const MOST_OTHERS = 4;

/** Of the puzzle itself. */
export function typedCells(tokens: number[], conflicts: Fault[]): Cell[] {
  const faulty = new Set(conflicts.flatMap((fault) => fault.cells));
  return tokens.map((token, cell) => ({ digit: digitOf(token), isGiven: digitOf(token) > 0, mark: faulty.has(cell) ? 'conflict' : undefined }));
}

/** Of a cycle. */
export function thoughtCells({ solve: { tokens, config: { vocabSize }, judgement }, answer, shares, changed, index, total }: View): Cell[] {
  // What is against the rules is only pointed out when it is the last word.
  const faulty = new Set(index === total - 1 ? judgement?.faults.flatMap((fault) => fault.cells) : []);
  return answer.map((token, cell) => {
    const isGiven = digitOf(tokens[cell]!) > 0;
    const digit = digitOf(token);
    const p = shares[cell * vocabSize + token]!;
    const mark = faulty.has(cell) ? 'conflict' : changed.has(cell) ? 'changed' : undefined;
    if (p >= DECIDED) return { digit, isGiven: isGiven && token === tokens[cell], p, mark };
    const others = Array.from({ length: vocabSize }, (_, word) => ({ digit: digitOf(word), p: shares[cell * vocabSize + word]! }))
      .filter((other) => other.digit > 0 && other.digit !== digit && other.p >= LEAST)
      .sort((a, b) => b.p - a.p)
      .slice(0, MOST_OTHERS);
    return { digit, isGiven: isGiven && token === tokens[cell], p, others, mark };
  });
}

/** Of an answer beside another one. */
export function answeredCells(tokens: number[], { answer }: SegmentEvent, other: SegmentEvent): Cell[] {
  return answer.map((token, cell) => ({
    digit: digitOf(token),
    isGiven: digitOf(tokens[cell]!) > 0 && token === tokens[cell],
    mark: token === other.answer[cell] ? undefined : 'differs',
  }));
}
