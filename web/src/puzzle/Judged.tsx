/** Whether an answer obeys the rules, which plain code can tell. */

import type { Judgement, PuzzleConfig } from 'fathom-engine';

const RIGHT = {
  sudoku: 'every row, column and box holds each digit once',
  maze: 'the marked cells lead from the start to the goal',
  arc: 'it is the output that the task tells',
};

const MOST = 3;

export function Judged({ task, judgement }: { task: PuzzleConfig['task']; judgement: Judgement | undefined }) {
  if (!task || !judgement) return <p class="verdict">The right answer is not known here, so nobody can tell.</p>;
  const { right, faults } = judgement;
  return (
    <div class={`verdict ${right ? 'right' : 'wrong'}`} role="status" data-testid="puzzle-verdict" data-right={right}>
      <p><strong>{right ? '✓ right' : '✗ wrong'}</strong> {right && <>— {RIGHT[task]}.</>}</p>
      {!right && (
        <ul>
          {faults.slice(0, MOST).map(({ message }) => <li key={message}>{message}</li>)}
          {faults.length > MOST && <li>and {faults.length - MOST} more</li>}
        </ul>
      )}
    </div>
  );
}
