/** The puzzle as a text, to be pasted. */

import { config } from './state/models.ts';
import { isSudoku, paste, pasteProblem, text } from './state/question.ts';

export function PuzzleText() {
  return isSudoku.value ? <BoardText /> : <OtherText />;
}

function BoardText() {
  const cells = config.value!.seqLen;
  return (
    <div class="puzzle-text">
      <label for="puzzle-text">As text; paste another one here, {cells} cells</label>
      <input
        id="puzzle-text"
        data-testid="puzzle-text"
        autocomplete="off"
        spellcheck={false}
        value={text.value}
        aria-invalid={pasteProblem.value !== undefined}
        aria-describedby="puzzle-text-problem"
        onChange={(event) => void paste(event.currentTarget.value)}
      />
      <p id="puzzle-text-problem" class="problem" role="status">{pasteProblem.value}</p>
    </div>
  );
}

const HINTS = {
  maze: '# is a wall, a space or . is free, S the start, G the goal.',
  arc: 'The JSON of a task, with “train” and “test”; its first test is asked.',
};

function OtherText() {
  const { task } = config.value!;
  if (task !== 'maze' && task !== 'arc') return <p>This page does not know what puzzles this model solves. The package takes its tokens.</p>;
  return (
    <div class="puzzle-text">
      <label for="puzzle-text">{task === 'maze' ? 'A maze' : 'An ARC task'}</label>
      <textarea
        id="puzzle-text"
        data-testid="puzzle-text"
        rows={8}
        spellcheck={false}
        value={text.value}
        aria-describedby="puzzle-text-hint"
        onInput={(event) => (text.value = event.currentTarget.value)}
      />
      <p id="puzzle-text-hint" class="hint">{HINTS[task]}</p>
    </div>
  );
}
