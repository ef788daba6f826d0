/** Takes an answer along: as text, as a link that asks the same again, as the engine's whole trace. */

import { signal } from '@preact/signals';
import { linkTo } from '../state/link.ts';
import { answerText, run, running, traceOf, type Run } from '../state/run.ts';

interface Notice {
  text: string;
  /** What could not be copied, to be copied by hand. */
  byHand?: string;
}

const notice = signal<Notice | undefined>(undefined);

async function copy(what: string, text: string) {
  try {
    await navigator.clipboard.writeText(text);
    notice.value = { text: `${what} copied.` };
  } catch {
    notice.value = { text: 'The browser refused to copy. Copy it by hand:', byHand: text };
  }
}

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
      <span role="status">{notice.value?.text}</span>
      {notice.value?.byHand && <input readOnly aria-label="To copy by hand" value={notice.value.byHand} onFocus={(event) => event.currentTarget.select()} />}
    </div>
  );
}
