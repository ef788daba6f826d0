/** How far each cycle moved the states of the last position, on a logarithmic scale. */

import { steps as inSteps } from '../lib/format.ts';
import type { View } from '../state/cursor.ts';
import type { Run } from '../state/run.ts';
import { Chart, polyline, scale, useWidth } from './Chart.tsx';

const HEIGHT = 220;
const LEFT = 50;
const RIGHT = 10;
const TOP = 10;
const BOTTOM = 38;
const LETTER_WIDTH = 11;

export function MovementChart({ view }: { view: View }) {
  const { run, thought, step } = view;
  const [ref, width] = useWidth<HTMLDivElement>();
  const range = rangeOf(run);
  // A step may have been cached and then has no cycles; the others tell how many belong to a step.
  const perStep = Math.max(1, ...thought.steps.map(({ cycles }) => cycles.length));
  const slots = Math.max(4, ...run.thoughts.map(({ steps }) => steps.length)) * perStep;
  const x = scale([-0.5, slots - 0.5], [LEFT, width - RIGHT]);
  const y = scale(range, [HEIGHT - BOTTOM, TOP]);
  const points = thought.steps.flatMap(({ cycles }, i) => cycles.map(({ level, moved }, k) => ({
    level, step: i, x: x(i * perStep + k), y: y(Math.max(range[0], log(moved.at(-1)!))),
  })));
  const line = (level: 'L' | 'H') => polyline(points.filter((point) => point.level === level).map((point) => [point.x, point.y]));
  const letters = x(1) - x(0) > LETTER_WIDTH;
  // Far apart ones get no labels between them.
  const every = range[1] - range[0] > 6 ? 2 : 1;
  const powers = Array.from({ length: range[1] - range[0] + 1 }, (_, i) => range[0] + i);

  return (
    <Chart title="Is it settling?" line="How far each cycle moved its two states. Low means: it has made up its mind.">
      <p class="legend" aria-hidden="true">
        <span class="key high">H, the slow state z_H</span>
        <span class="key low">L, the fast state z_L</span>
      </p>
      <div ref={ref}>
        <svg width={width} height={HEIGHT} data-testid="movement-chart" role="img" aria-label={`Movement of both states over ${inSteps(thought.steps.length)}, in their order ${points.map(({ level }) => level).join(' ')}`}>
          <g class="axis">
            {powers.map((power) => (
              <g key={power}>
                <line x1={LEFT} x2={width - RIGHT} y1={y(power)} y2={y(power)} />
                <text x={LEFT - 6} y={y(power) + 4} text-anchor="end">{power % every === 0 && powerOfTen(power)}</text>
              </g>
            ))}
            {thought.steps.map((each, i) => (
              <text key={i} x={x((i + 0.5) * perStep - 0.5)} y={HEIGHT - 7} text-anchor="middle">{each.step}</text>
            ))}
          </g>
          <rect class="now" x={x(step * perStep - 0.5)} y={TOP} width={x(perStep) - x(0)} height={HEIGHT - TOP - BOTTOM} />
          <polyline class="low" points={line('L')} />
          <polyline class="high" points={line('H')} />
          {points.map((point, i) => point.level === 'H'
            ? <circle key={i} class="high" cx={point.x} cy={point.y} r={4} />
            : <rect key={i} class="low" x={point.x - 3.5} y={point.y - 3.5} width={7} height={7} />)}
          {letters && points.map((point, i) => (
            <text key={i} class={point.step === step ? 'letter current' : 'letter'} x={point.x} y={HEIGHT - BOTTOM + 14} text-anchor="middle">{point.level}</text>
          ))}
        </svg>
      </div>
      {thought.steps[step]!.cycles.length === 0 && <p class="readout">This step was known from before; nothing had to be computed.</p>}
    </Chart>
  );
}

/** Small ones as exponents: nobody counts zeros. */
const powerOfTen = (power: number) =>
  power >= -3 ? `${10 ** power}` : `10⁻${[...`${-power}`].map((digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)]).join('')}`;

const log = (moved: number) => Math.log10(Math.max(moved, 1e-7));

/** Whole powers of ten around all that moved in this answer. */
function rangeOf(run: Run): [number, number] {
  let [low, high] = [-1, 0];
  for (const { steps } of run.thoughts) {
    for (const { cycles } of steps) {
      for (const { moved } of cycles) {
        const value = log(moved.at(-1)!);
        low = Math.min(low, Math.floor(value));
        high = Math.max(high, Math.ceil(value));
      }
    }
  }
  return [low, high];
}
