/** How probable it thinks it that its answer is right, segment by segment, and where it would stop. */

import type { SegmentEvent } from 'fathom-engine';
import { percent } from '../lib/format.ts';
import { Chart, polyline, scale, useWidth } from '../watch/Chart.tsx';
import { segmentsOf } from './lib.ts';
import { playing, type View } from './state/cursor.ts';
import type { Solve } from './state/solve.ts';

const HEIGHT = 170;
const LEFT = 44;
const RIGHT = 14;
const TOP = 24;
const BOTTOM = 24;

export function ConfidenceChart({ view: { solve, segment } }: { view: View }) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const { config, halting } = solve;
  // What is played grows as it is played.
  const segments = playing.value ? solve.segments.slice(0, segment.segment) : solve.segments;
  const longest = Math.max(config.maxSegments, solve.segments.length);
  const x = scale([1, longest], [LEFT + 14, width - RIGHT - 14]);
  const y = scale([0, 1], [HEIGHT - BOTTOM, TOP]);
  const stop = segments.find((each) => each.wouldHalt);
  const now = x(segment.segment);
  const threshold = typeof halting === 'object' && 'confidence' in halting ? halting.confidence : undefined;
  const every = Math.ceil(longest / Math.max(4, Math.floor(width / 34)));
  return (
    <Chart title="How sure it is" line="After each segment: the probability that it gives its whole answer.">
      <div ref={ref}>
        <svg width={width} height={HEIGHT} data-testid="confidence-chart" role="img" aria-label={inWords(solve, segments)}>
          <g class="axis">
            {[0, 0.5, 1].map((tick) => (
              <g key={tick}>
                <line x1={LEFT} x2={width - RIGHT} y1={y(tick)} y2={y(tick)} />
                <text x={LEFT - 6} y={y(tick) + 4} text-anchor="end">{tick * 100} %</text>
              </g>
            ))}
            {Array.from({ length: longest }, (_, i) => i % every === 0 && (
              <text key={i} x={x(i + 1)} y={HEIGHT - 7} text-anchor="middle">{i + 1}</text>
            ))}
          </g>
          <rect class="now" x={now - 9} y={TOP} width={18} height={HEIGHT - TOP - BOTTOM} />
          {threshold !== undefined && <line class="threshold" x1={LEFT} x2={width - RIGHT} y1={y(threshold)} y2={y(threshold)} />}
          {stop && (
            <g class="halted">
              <line x1={x(stop.segment)} x2={x(stop.segment)} y1={TOP} y2={HEIGHT - BOTTOM} />
              <text x={x(stop.segment)} y={TOP - 9} text-anchor={stop.segment > longest * 0.8 ? 'end' : stop.segment < longest * 0.2 ? 'start' : 'middle'}>
                {isOwn(solve) ? 'it stops here' : 'it would stop here'}
              </text>
            </g>
          )}
          <polyline class="halt" points={polyline(segments.map((each) => [x(each.segment), y(each.confidence)]))} />
          {segments.map((each) => (
            <circle key={each.segment} class="halt" cx={x(each.segment)} cy={y(each.confidence)} r={4} data-segment={each.segment} data-confidence={each.confidence} />
          ))}
        </svg>
      </div>
      <p class="readout">Segment {segment.segment}: {percent(segment.confidence)} sure. {inWords(solve, segments)}</p>
    </Chart>
  );
}

/** It was left to the rule that the chart marks. */
const isOwn = ({ halting }: Solve) => halting === 'settled';

function inWords(solve: Solve, segments: SegmentEvent[]): string {
  const stop = segments.find((each) => each.wouldHalt);
  if (stop) return `${isOwn(solve) ? 'It stops' : 'By itself it would stop'} after ${segmentsOf(stop.segment)}.`;
  const isOver = solve.status === 'done' && segments.length === solve.segments.length;
  return isOver ? `In ${segmentsOf(segments.length)} its own test was never passed.` : '';
}
