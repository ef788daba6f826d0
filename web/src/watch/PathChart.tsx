/** The way of z_H towards its resting place, seen in the plane in which it moves most. */

import { useMemo } from 'preact/hooks';
import { percent } from '../lib/format.ts';
import { project } from '../lib/pca.ts';
import { tint } from '../lib/depth.ts';
import type { View } from '../state/cursor.ts';
import { Chart, polyline, scale, useWidth } from './Chart.tsx';

const HEIGHT = 246;
const MARGIN = 26;

export function PathChart({ view: { run, thought, step } }: { view: View }) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const { steps } = thought;
  const vectors = useMemo(() => steps.flatMap(({ zH }, i) => zH.map((state, k) => ({ state, step: i, ends: k === zH.length - 1 }))), [steps]);
  const { points, shares } = useMemo(() => project(vectors.map(({ state }) => state)), [vectors]);

  // One scale for both directions: distances in the picture are distances of the state.
  const [middleX, reachX] = extent(points.map(([x]) => x));
  const [middleY, reachY] = extent(points.map(([, y]) => y));
  const zoom = Math.min((width / 2 - MARGIN) / (reachX || 1), (HEIGHT / 2 - MARGIN) / (reachY || 1));
  const x = scale([middleX, middleX + 1], [width / 2, width / 2 + zoom]);
  const y = scale([middleY, middleY + 1], [HEIGHT / 2, HEIGHT / 2 - zoom]);
  const placed = points.map(([a, b], i) => ({ x: x(a), y: y(b), ...vectors[i]! }));
  const done = placed.filter((point) => point.step <= step);
  const line = (some: typeof placed) => polyline(some.map((point) => [point.x, point.y]));

  return (
    <Chart title="The path of the thought" line={`z_H is ${vectors[0]?.state.length ?? 0} numbers; this is the flat view in which it moves most. Numbers: where a step ended. Dots: cycles within it.`}>
      <div ref={ref}>
        <svg width={width} height={HEIGHT} data-testid="path-chart" role="img" aria-label={`Path of z_H over ${steps.length} steps`}>
          <polyline class="path ahead" points={line(placed)} />
          <polyline class="path" points={line(done)} />
          {placed.filter((point) => !point.ends).map((point, i) => <circle key={i} class={point.step <= step ? 'between' : 'between ahead'} cx={point.x} cy={point.y} r={2.5} />)}
          {placed.filter((point) => point.ends).map((point) => {
            const { style, class: shade } = tint(point.step + 1, run.deepest);
            return (
              <g key={point.step} class={point.step === step ? 'stop current' : point.step < step ? 'stop' : 'stop ahead'} transform={`translate(${point.x.toFixed(1)} ${point.y.toFixed(1)})`}>
                <circle class={shade} style={style} r={9} />
                <text class={shade} style={style} y={4} text-anchor="middle">{point.step + 1}</text>
              </g>
            );
          })}
        </svg>
      </div>
      <p class="readout">{`Across: ${percent(shares[0])} of all its movement; up and down: ${percent(shares[1])}.`}</p>
    </Chart>
  );
}

/** The middle of some numbers and how far they reach from it. */
function extent(numbers: number[]): [middle: number, reach: number] {
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  return [(low + high) / 2, (high - low) / 2];
}
