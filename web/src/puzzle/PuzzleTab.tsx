import { count, milliseconds } from '../lib/format.ts';
import { Models } from '../panels/Models.tsx';
import { Status } from '../panels/Status.tsx';
import { PuzzleCompare } from './PuzzleCompare.tsx';
import { PuzzleControl } from './PuzzleControl.tsx';
import { Pose } from './Pose.tsx';
import { Waiting } from './Waiting.tsx';
import { config, model, puzzles } from './state/models.ts';
import { solve } from './state/solve.ts';

export function PuzzleTab() {
  return (
    <>
      <main>
        <div class="water-column">
          {model.value ? <><Pose /><PuzzleCompare /></> : <Waiting />}
        </div>
        <aside>
          <PuzzleControl />
          <Models of={puzzles} hint="HRM models: config.json and model.safetensors."><Dimensions /></Models>
        </aside>
      </main>
      <Instruments />
    </>
  );
}

function Dimensions() {
  if (!config.value) return null;
  const { nParameters, maxSegments, task, side } = config.value;
  const board = task === 'sudoku' ? `Sudokus of ${side}×${side}` : task === 'maze' ? `mazes up to ${side}×${side}` : task === 'arc' ? 'ARC tasks' : 'puzzles of a kind unknown here';
  return <>{count(nParameters)} parameters, solves {board} in at most {maxSegments} segments</>;
}

function Instruments() {
  const { segments = [], ms = 0 } = solve.value ?? {};
  return (
    <Status of={puzzles}>
      <div><dt>A segment takes</dt><dd data-testid="segment-time">{segments.length ? milliseconds(ms / segments.length) : '–'}</dd></div>
    </Status>
  );
}
