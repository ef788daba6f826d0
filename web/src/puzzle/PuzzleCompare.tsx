/** The same puzzle at two depths, side by side. */

import type { Signal } from '@preact/signals';
import { percent } from '../lib/format.ts';
import { Board } from './Board.tsx';
import { answeredCells } from './cells.ts';
import { Grid } from './Grid.tsx';
import { Judged } from './Judged.tsx';
import { segmentsOf } from './lib.ts';
import { compare, comparing, depths, sides, stopComparing, type Depth, type Side } from './state/compare.ts';
import { config } from './state/models.ts';
import { isReady, reading } from './state/question.ts';

export function PuzzleCompare() {
  const [a, b] = sides.value ?? [];
  return (
    <section class="compare" aria-label="The same puzzle at two depths">
      <header>
        <h2>The same puzzle at two depths</h2>
        <p>Thinking less is faster. See what it costs.</p>
      </header>
      <div class="compare-row">
        <Choice label="Once with" depth={depths[0]} id="puzzle-compare-a" />
        <Choice label="and once with" depth={depths[1]} id="puzzle-compare-b" />
        {comparing.value
          ? <button type="button" data-testid="puzzle-compare-stop" onClick={stopComparing}>Stop</button>
          : <button type="button" data-testid="puzzle-compare" disabled={!isReady.value} onClick={() => void compare()}>Compare</button>}
      </div>
      {a && b && <p class="caption">{apart(a, b)}</p>}
      {a && b && <div class="sides"><Result side={a} other={b} id="puzzle-compare-a-result" /><Result side={b} other={a} id="puzzle-compare-b-result" /></div>}
    </section>
  );
}

function apart(a: Side, b: Side): string {
  const n = a.last.answer.filter((token, cell) => token !== b.last.answer[cell]).length;
  return n === 0 ? 'Both answers are the same.' : `${n === 1 ? 'One cell differs' : `${n} cells differ`}; ${n === 1 ? 'it is' : 'they are'} marked.`;
}

function Choice({ label, depth, id }: { label: string; depth: Signal<Depth>; id: string }) {
  const all: Depth[] = ['own', ...Array.from({ length: config.value!.maxSegments }, (_, i) => i + 1)];
  return (
    <label>
      {label}
      <select data-testid={id} value={depth.value} onChange={({ currentTarget: { value } }) => (depth.value = value === 'own' ? value : Number(value))}>
        {all.map((each) => <option key={each} value={each}>{each === 'own' ? 'its own halting' : segmentsOf(each)}</option>)}
      </select>
    </label>
  );
}

function Result({ side: { depth, last, judgement }, other, id }: { side: Side; other: Side; id: string }) {
  const { task, side } = config.value!;
  const tokens = reading.value?.tokens ?? [];
  const title = depth === 'own' ? `as long as it wants: ${segmentsOf(last.segment)}` : `exactly ${segmentsOf(depth)}`;
  return (
    <div class="side">
      <h3>{title}</h3>
      {task === 'sudoku'
        ? <Board cells={answeredCells(tokens, last, other.last)} side={side!} label={`Answer with ${title}`} testId={id} />
        : <Grid tokens={last.answer} label={`Answer with ${title}`} />}
      <p class="caption">It is {percent(last.confidence)} sure of it.</p>
      <Judged task={task} judgement={judgement} />
    </div>
  );
}
