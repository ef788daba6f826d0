/** The puzzle, typed, pasted or made; the thinking about it; what came of it. */

import { ConfidenceChart } from './ConfidenceChart.tsx';
import { EditableBoard } from './EditableBoard.tsx';
import { GridPicture } from './GridPicture.tsx';
import { Outcome } from './Outcome.tsx';
import { PuzzlePlayer } from './PuzzlePlayer.tsx';
import { PuzzleShare } from './PuzzleShare.tsx';
import { PuzzleText } from './PuzzleText.tsx';
import { view } from './state/cursor.ts';
import { puzzles, shipped } from './state/models.ts';
import { clear, generate, grades, isReady, isSudoku, reading, refusal, type Reading } from './state/question.ts';
import { ruleProblem } from './state/settings.ts';
import { solving, start, stop } from './state/solve.ts';

export function Pose() {
  return (
    <section class="pose" aria-labelledby="pose">
      <h2 id="pose" class="sr-only">The puzzle and its solution</h2>
      <div class="pose-board">
        {isSudoku.value ? <EditableBoard /> : <GridPicture />}
        {view.value && <PuzzlePlayer view={view.value} />}
      </div>
      <div class="pose-side">
        {isSudoku.value ? <Make /> : <PuzzleText />}
        <Worth />
        <div class="row">
          {solving.value
            ? <button type="button" class="primary" data-testid="puzzle-stop" onClick={() => void stop()}>Stop</button>
            : <button type="button" class="primary" data-testid="solve" disabled={!isReady.value || ruleProblem.value !== undefined} onClick={() => void start()}>Solve</button>}
          <button type="button" data-testid="clear" onClick={clear}>Clear</button>
        </div>
        <Outcome />
        {view.value && <ConfidenceChart view={view.value} />}
        {isSudoku.value && <PuzzleText />}
        <PuzzleShare />
      </div>
    </section>
  );
}

function Make() {
  return (
    <>
      {shipped.length > 1 && (
        <div class="examples" role="group" aria-label="Size of the board">
          <span>Size</span>
          {shipped.map(({ address, size }) => (
            <button type="button" key={address} aria-pressed={puzzles.source.value === address} onClick={() => void puzzles.open(address)}>{size}</button>
          ))}
        </div>
      )}
      <div class="examples" role="group" aria-label="A new puzzle, from easy to extreme">
        <span>New puzzle</span>
        {grades.value.map((grade) => <button type="button" key={grade} data-testid={`new-${grade}`} onClick={() => void generate(grade)}>{grade}</button>)}
      </div>
    </>
  );
}

/** What plain code says of the puzzle. */
function Worth() {
  const no = refusal.value;
  return (
    <p class={no ? 'worth problem' : 'worth'} role="status" data-testid="worth" data-refused={no !== undefined}>
      {no ?? (reading.value && inWords(reading.value))}
    </p>
  );
}

const SOLUTIONS = {
  one: 'one solution', several: 'several solutions, any of which will do', unknown: 'nobody knows how many solutions', none: 'no solution',
};

function inWords({ check, grade }: Reading): string {
  if (!check) return '';
  return `${check.givens} given${check.givens === 1 ? '' : 's'}, ${SOLUTIONS[check.solutions]}${grade ? `, ${grade} for a person` : ''}.`;
}
