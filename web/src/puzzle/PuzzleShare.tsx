/** Takes a puzzle along. */

import { CopyNotice } from '../panels/CopyNotice.tsx';
import { copy } from '../state/copy.ts';
import { linkToPuzzle } from './state/link.ts';
import { text } from './state/question.ts';
import { solve } from './state/solve.ts';

export function PuzzleShare() {
  const answer = solve.value?.status === 'done' ? solve.value.segments.at(-1)!.text : '';
  return (
    <div class="share">
      <span>Copy</span>
      <button type="button" data-testid="copy-puzzle-link" disabled={text.value === ''} onClick={() => void copy('Link', linkToPuzzle())}>as link</button>
      <button type="button" data-testid="copy-answer" disabled={answer === ''} onClick={() => void copy('Answer', answer)}>the answer</button>
      <CopyNotice />
    </div>
  );
}
