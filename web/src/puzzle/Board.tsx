/** A Sudoku: what was given, what the model thinks, and how sure it is of it. */

import type { RefObject } from 'preact';
import { percent } from '../lib/format.ts';
import { vars } from '../lib/vars.ts';
import { boxOf, placeOf } from './lib.ts';

export interface Cell {
  /** 0: none. */
  digit: number;
  isGiven: boolean;
  /** How probable the digit is, where a model says it. */
  p?: number;
  /** The other digits that are possible still. */
  others?: { digit: number; p: number }[];
  /** What is to be pointed out. */
  mark?: 'changed' | 'conflict' | 'differs' | undefined;
}

const MARKS = { changed: 'just changed', conflict: 'against the rules', differs: 'differs' };

interface Props {
  cells: Cell[];
  side: number;
  label: string;
  testId: string;
  /** The cell that has the focus, or would get it; boards without it are for looking only. */
  current?: number;
  onChoose?: (cell: number) => void;
  onKeyDown?: (event: KeyboardEvent) => void;
  boardRef?: RefObject<HTMLDivElement | null>;
}

export function Board({ cells, side, label, testId, current, onChoose, onKeyDown, boardRef }: Props) {
  const rows = Array.from({ length: side }, (_, row) => cells.slice(row * side, (row + 1) * side));
  return (
    <div class="board" role="grid" aria-label={label} data-testid={testId} style={vars({ '--side': side })} onKeyDown={onKeyDown} ref={boardRef}>
      {rows.map((row, i) => (
        <div role="row" class="board-row" key={i}>
          {row.map((cell, j) => {
            const index = i * side + j;
            return (
              <BoardCell key={index} cell={cell} index={index} side={side} {...(onChoose && { isCurrent: index === current, onChoose })} />
            );
          })}
        </div>
      ))}
    </div>
  );
}

interface CellProps {
  cell: Cell;
  index: number;
  side: number;
  isCurrent?: boolean;
  onChoose?: (cell: number) => void;
}

function BoardCell({ cell, index, side, isCurrent = false, onChoose }: CellProps) {
  const { digit, isGiven, p = 1, others = [], mark } = cell;
  const [boxHeight, boxWidth] = boxOf(side);
  const [row, column] = [Math.floor(index / side), index % side];
  const edges = `${row && row % boxHeight === 0 ? ' box-top' : ''}${column && column % boxWidth === 0 ? ' box-left' : ''}`;
  const name = `${placeOf(index, side)}, ${said(cell)}`;
  // The digits are drawn by the style sheet: how faint they are tells how sure the model is, and the label says it in words.
  const content = (
    <>
      {digit > 0 && <span class="digit" data-digit={digit} style={vars({ '--p': p.toFixed(2) })} />}
      {others.length > 0 && <span class="others">{others.map((each) => <i key={each.digit} data-digit={each.digit} style={vars({ '--p': each.p.toFixed(2) })} />)}</span>}
    </>
  );
  const look = {
    class: `cell${isGiven ? ' given' : ''}${mark ? ` ${mark}` : ''}${edges}`,
    role: 'gridcell',
    'aria-label': name,
    'data-digit': digit,
    'data-cell': index,
  } as const;
  if (!onChoose) return <div {...look}>{content}</div>;
  return (
    <button type="button" {...look} tabIndex={isCurrent ? 0 : -1} aria-selected={isCurrent} onFocus={() => onChoose(index)}>
      {content}
    </button>
  );
}

function said({ digit, isGiven, p, others = [], mark }: Cell): string {
  const what = digit === 0 ? 'blank' : isGiven ? `${digit}, given` : p === undefined ? `${digit}` : `${digit}, ${percent(p)} sure`;
  const or = others.length > 0 ? `, or ${others.map((each) => each.digit).join(' or ')}` : '';
  return `${what}${or}${mark ? `, ${MARKS[mark]}` : ''}`;
}
