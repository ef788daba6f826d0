/** What came of it: whether the answer obeys the rules, how sure the model is, how long it thought. */

import { milliseconds, percent } from '../lib/format.ts';
import { segmentsOf } from './lib.ts';
import { Judged } from './Judged.tsx';
import { playing } from './state/cursor.ts';
import { solve, type Solve } from './state/solve.ts';

export function Outcome() {
  const now = solve.value;
  if (!now) return null;
  // It is not given away before it has been played.
  if (playing.value || now.status === 'running') return <p class="outcome">Thinking …</p>;
  return (
    <div class="outcome" data-testid="outcome" data-status={now.status}>
      {now.status === 'done' ? <Judged task={now.config.task} judgement={now.judgement} /> : <p>{WORDS[now.status]}</p>}
      {now.segments.length > 0 && <Numbers now={now} />}
    </div>
  );
}

const WORDS = { stopped: 'Stopped.', failed: 'It failed.' };

const ENDINGS = { test: 'by its own test', cap: 'at its limit', forced: 'as told' };

function Numbers({ now: { segments, ms } }: { now: Solve }) {
  const last = segments.at(-1)!;
  return (
    <dl class="numbers">
      <div><dt>Thought</dt><dd data-testid="segments">{segmentsOf(last.segment)}, {milliseconds(ms)}</dd></div>
      {last.haltedBy && <div><dt>Stopped</dt><dd data-testid="halted-by">{ENDINGS[last.haltedBy]}</dd></div>}
      <div><dt>Sure of it</dt><dd>{percent(last.confidence)}</dd></div>
    </dl>
  );
}
