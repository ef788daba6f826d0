/** The halting test, step by step: it stops where the wish to stop, bias included, overtakes the wish to go on. */

import { signed, steps } from '../lib/format.ts';
import type { View } from '../state/cursor.ts';
import type { Run } from '../state/run.ts';
import { Chart, polyline, scale, useWidth } from './Chart.tsx';

const HEIGHT = 220;
const LEFT = 34;
const RIGHT = 14;
const TOP = 22;
const BOTTOM = 24;

export function HaltingChart({ view }: { view: View }) {
  const { run, thought } = view;
  const [ref, width] = useWidth<HTMLDivElement>();
  const range = rangeOf(run);
  const longest = Math.max(4, ...run.thoughts.map((each) => each.steps.length));
  const x = scale([1, longest], [LEFT + 14, width - RIGHT - 14]);
  const y = scale(range, [HEIGHT - BOTTOM, TOP]);
  const points = thought.steps.map((step) => ({ ...step, x: x(step.step), biased: step.qHalt + run.haltBias }));
  const now = points[view.step]!;
  const last = thought.event && points.at(-1);
  const line = (of: (point: (typeof points)[number]) => number) => polyline(points.map((point) => [point.x, y(of(point))]));

  return (
    <Chart
      title="Does it stop here?"
      line="After each step it weighs stopping against going on. It stops once the thick line is above the dashed one."
    >
      <p class="legend" aria-hidden="true">
        <span class="key halt">q_halt + bias</span>
        <span class="key continue">q_continue</span>
        <span class="key raw">q_halt without bias ({signed(run.haltBias)})</span>
      </p>
      <div ref={ref}>
        <svg width={width} height={HEIGHT} data-testid="q-chart" role="img" aria-label={verdict(view)}>
          <g class="axis">
            {ticks(range).map((tick) => (
              <g key={tick}>
                <line x1={LEFT} x2={width - RIGHT} y1={y(tick)} y2={y(tick)} />
                <text x={LEFT - 6} y={y(tick) + 4} text-anchor="end">{tick.toString().replace('-', '−')}</text>
              </g>
            ))}
            {Array.from({ length: longest }, (_, i) => (
              <text key={i} x={x(i + 1)} y={HEIGHT - 7} text-anchor="middle">{i + 1}</text>
            ))}
          </g>
          <rect class="now" x={now.x - 12} y={TOP} width={24} height={HEIGHT - TOP - BOTTOM} />
          {last && (
            <g class="halted">
              <line x1={last.x} x2={last.x} y1={TOP} y2={HEIGHT - BOTTOM} />
              <text x={last.x} y={TOP - 8} text-anchor={last.x > width - 60 ? 'end' : last.x < 90 ? 'start' : 'middle'}>{ENDINGS[thought.event!.haltedBy]}</text>
            </g>
          )}
          <polyline class="raw" points={line((point) => point.qHalt)} />
          <polyline class="continue" points={line((point) => point.qContinue)} />
          <polyline class="halt" points={line((point) => point.biased)} />
          <line class="bias" x1={now.x} x2={now.x} y1={y(now.qHalt)} y2={y(now.biased)} />
          {points.map((point) => (
            <g key={point.step} data-step={point.step} data-q-halt={point.qHalt} data-q-continue={point.qContinue}>
              <circle class="raw" cx={point.x} cy={y(point.qHalt)} r={2.5} />
              <rect class="continue" x={point.x - 3.5} y={y(point.qContinue) - 3.5} width={7} height={7} />
              <circle class="halt" cx={point.x} cy={y(point.biased)} r={4.5} />
            </g>
          ))}
        </svg>
      </div>
      <p class="readout">{verdict(view)}</p>
    </Chart>
  );
}

const ENDINGS = { test: 'stops here', cap: 'depth limit', forced: 'forced depth' };

/** The test of the current step, in numbers. */
function verdict({ run, thought, step }: View): string {
  const now = thought.steps[step]!;
  const passed = now.margin > 0;
  const sum = `Step ${now.step}: ${signed(now.qHalt)} ${signed(run.haltBias)} = ${signed(now.qHalt + run.haltBias)}`;
  const isLast = thought.event && step === thought.steps.length - 1;
  const end = !isLast ? (passed ? ', but it is told to go on' : ', so it goes on')
    : thought.event!.haltedBy === 'test' ? `, so it stops after ${steps(now.step)}`
    : `; it ends by the ${ENDINGS[thought.event!.haltedBy]}`;
  return `${sum} ${passed ? '>' : '≤'} ${signed(now.qContinue)}${end}.`;
}

/** The same for all tokens of an answer, so that they can be compared. */
function rangeOf(run: Run): [number, number] {
  let [low, high] = [0, 0];
  for (const { steps } of run.thoughts) {
    for (const { qHalt, qContinue } of steps) {
      low = Math.min(low, qHalt + run.haltBias, qHalt, qContinue);
      high = Math.max(high, qHalt + run.haltBias, qHalt, qContinue);
    }
  }
  return [low, high];
}

function ticks([low, high]: [number, number]): number[] {
  const rough = (high - low) / 4 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 5, 10].find((factor) => factor * power >= rough)! * power;
  const found = [];
  for (let n = Math.ceil(low / size); n * size <= high; n++) found.push(Number((n * size).toPrecision(6)));
  return found;
}
