/** The board that is typed into, and that shows the thinking about what was typed. */

import { signal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { Board } from './Board.tsx';
import { thoughtCells, typedCells } from './cells.ts';
import { config } from './state/models.ts';
import { view } from './state/cursor.ts';
import { paste, put, reading, text } from './state/question.ts';
import { start } from './state/solve.ts';

const current = signal(0);

export function EditableBoard() {
  const board = useRef<HTMLDivElement>(null);
  const side = config.value!.side!;
  const isThought = view.value?.solve.text === text.value;
  // A digit appears when it is typed, not when the worker has read it.
  const tokens = [...text.value].map((letter) => (letter === '.' ? 1 : Number(letter) + 1));
  const conflicts = reading.value?.text === text.value ? reading.value.check?.conflicts ?? [] : [];
  const cells = isThought ? thoughtCells(view.value!) : typedCells(tokens, conflicts);

  const moveTo = (cell: number) => board.current?.querySelector<HTMLElement>(`[data-cell="${cell}"]`)?.focus();
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const to = moved(event.key, current.value, side);
    const digit = digitFor(event.key, side);
    if (to !== undefined) moveTo(to);
    else if (digit !== undefined) put(current.value, digit);
    else if (event.key === 'Enter') void start();
    else return;
    event.preventDefault();
  };
  return (
    <div
      class="editable"
      onPaste={(event) => {
        event.preventDefault();
        void paste(event.clipboardData?.getData('text') ?? '');
      }}
    >
      <Board
        cells={cells}
        side={side}
        label={`Sudoku of ${side} by ${side}; arrows move, digits fill`}
        testId="board"
        current={current.value}
        onChoose={(cell) => (current.value = cell)}
        onKeyDown={onKeyDown}
        boardRef={board}
      />
      <div class="keypad" role="group" aria-label="Put into the chosen cell">
        {Array.from({ length: side }, (_, i) => (
          <button type="button" key={i} data-testid={`key-${i + 1}`} onClick={() => put(current.value, i + 1)}>{i + 1}</button>
        ))}
        <button type="button" data-testid="key-erase" aria-label="Erase" onClick={() => put(current.value, 0)}>⌫</button>
      </div>
    </div>
  );
}

/** Where a key leads. */
function moved(key: string, cell: number, side: number): number | undefined {
  const [row, column] = [Math.floor(cell / side), cell % side];
  switch (key) {
    case 'ArrowLeft': return row * side + Math.max(0, column - 1);
    case 'ArrowRight': return row * side + Math.min(side - 1, column + 1);
    case 'ArrowUp': return Math.max(0, row - 1) * side + column;
    case 'ArrowDown': return Math.min(side - 1, row + 1) * side + column;
    case 'Home': return row * side;
    case 'End': return row * side + side - 1;
    default: return undefined;
  }
}

/** The digit that a key types, 0 to clear. */
function digitFor(key: string, side: number): number | undefined {
  if (['Backspace', 'Delete', '0', '.', ' '].includes(key)) return 0;
  return /^[1-9]$/.test(key) && Number(key) <= side ? Number(key) : undefined;
}
