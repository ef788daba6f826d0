/** Takes an answer along: as text, as a link that asks the same again, as the engine's whole trace. */

import { CopyNotice } from '../panels/CopyNotice.tsx';
import { copy } from '../state/copy.ts';
import { linkTo } from '../state/link.ts';
import { answerText, run, running, traceOf, type Run } from '../state/run.ts';

function download(now: Run) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([traceOf(now)], { type: 'application/json' }));
  link.download = 'fathom-trace.json';
  link.click();
  // Some browsers start to read only after this task.
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

export function Share() {
  const now = run.value;
  const off = !now || running.value;
  return (
    <div class="share">
      <span>Copy</span>
      <button type="button" data-testid="copy-text" disabled={off} onClick={() => void copy('Text', now!.prompt + answerText(now!))}>as text</button>
      <button type="button" data-testid="copy-link" disabled={off} onClick={() => void copy('Link', linkTo(now!.prompt))}>as link</button>
      <button type="button" data-testid="copy-trace" disabled={off} onClick={() => void copy('Trace', traceOf(now!))}>as trace</button>
      <button type="button" data-testid="download-trace" disabled={off} onClick={() => download(now!)}>Download trace</button>
      <CopyNotice />
    </div>
  );
}
