/** Which positions still move, step by step. Cached positions are not computed again, so tokens share one map. */

import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { visible } from '../lib/format.ts';
import type { View } from '../state/cursor.ts';
import type { Thought } from '../state/run.ts';
import { stirColour } from '../state/theme.ts';
import { Chart, scale, useWidth } from './Chart.tsx';

/** [step][position]: how far the last H cycle moved z_H, from whichever token computed it. */
function movements(thoughts: Thought[]): number[][] {
  const map: number[][] = [];
  for (const { steps } of thoughts) {
    for (const { step, firstPosition, cycles } of steps) {
      const row = (map[step - 1] ??= []);
      cycles.findLast(({ level }) => level === 'H')?.moved.forEach((moved, i) => (row[firstPosition + i] = moved));
    }
  }
  return map;
}

const LEFT = 22;
const LABELS = 18;
const ROW = 15;
const LEAST_COLUMN = 9;
const MOST_COLUMN = 46;
const LETTER = 6.7;
/** How dark a movement is: 0.001 and less is pale, 1 is full, and it is a logarithmic scale. */
const shade = scale([-3, 0], [0.05, 1]);
const AT_REST = 0.01;

export function HeatMap({ view: { run, thought, step } }: { view: View }) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [pointed, setPointed] = useState<{ position: number; row: number } | undefined>();
  const { thoughts, pieces } = run;
  const texts = useMemo(
    () => [...pieces.map((piece) => piece.text), ...thoughts.slice(0, thought.place).map(({ event }) => event?.text ?? '')],
    [pieces, thought.place],
  );
  const rows = thought.steps.length;
  const column = Math.min(MOST_COLUMN, Math.max(LEAST_COLUMN, (width - LEFT) / Math.max(1, texts.length)));
  const cells = { width: column * texts.length, height: ROW * rows };
  const map = useMemo(() => movements(thoughts), [thoughts]);
  const colour = stirColour.value;

  useLayoutEffect(() => draw(canvas.current!, map, texts.length, rows, colour), [map, texts, rows, colour]);

  const point = ({ offsetX, offsetY }: PointerEvent) =>
    setPointed({ position: Math.floor(offsetX / column), row: Math.floor(offsetY / ROW) });
  const moved = pointed && map[pointed.row]?.[pointed.position];
  const resting = (map[step] ?? []).slice(0, texts.length).filter((each) => each < AT_REST).length;
  const atRest = `Step ${step + 1}: ${resting} of ${texts.length} positions have come to rest (moved less than ${AT_REST}).`;
  return (
    <Chart
      title="Where is it thinking?"
      line="Columns are the tokens it has read, rows are steps. Strong colour: still at work. Faint: come to rest."
    >
      <div class="scroll" ref={ref} tabIndex={0} role="group" aria-label="Heat map, can be scrolled">
        <div class="heat" style={box({ width: LEFT + cells.width, height: LABELS + cells.height })}>
          <Labels texts={texts} rows={rows} column={column} />
          <canvas
            ref={canvas}
            data-testid="heat-map"
            role="img"
            aria-label={`Movement of z_H at ${texts.length} positions over ${rows} steps. ${atRest}`}
            style={box({ left: LEFT, top: LABELS, ...cells })}
            onPointerMove={point}
            onPointerLeave={() => setPointed(undefined)}
          />
          <div class="heat-now" style={box({ left: LEFT, top: LABELS + ROW * step, width: cells.width, height: ROW })} />
        </div>
      </div>
      <p class="readout">
        {moved === undefined
          ? atRest
          : `“${visible(texts[pointed!.position] ?? '')}” at position ${pointed!.position + 1}, step ${pointed!.row + 1}: moved by ${moved.toPrecision(3)}.`}
      </p>
    </Chart>
  );
}

const box = (pixels: Record<string, number>) =>
  Object.fromEntries(Object.entries(pixels).map(([side, length]) => [side, `${length}px`]));

function Labels({ texts, rows, column }: { texts: string[]; rows: number; column: number }) {
  return useMemo(() => (
    <svg width={LEFT + column * texts.length} height={LABELS + ROW * rows} aria-hidden="true">
      {texts.map((text, i) => (
        <text key={i} class="mono" x={LEFT + (i + 0.5) * column} y={12} text-anchor="middle">{visible(text).trim().slice(0, Math.floor(column / LETTER))}</text>
      ))}
      {Array.from({ length: rows }, (_, row) => (
        <text key={`row ${row}`} x={LEFT - 6} y={LABELS + row * ROW + 11} text-anchor="end">{row + 1}</text>
      ))}
    </svg>
  ), [texts, rows, column]);
}

/** A pixel for each cell; the style sheet enlarges them. */
function draw(canvas: HTMLCanvasElement, map: number[][], columns: number, rows: number, colour: number[]) {
  if (columns === 0) return;
  // Even the same size would allocate the canvas anew.
  if (canvas.width !== columns) canvas.width = columns;
  if (canvas.height !== rows) canvas.height = rows;
  const image = new ImageData(columns, rows);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < columns; i++) {
      const moved = map[row]?.[i];
      if (moved === undefined) continue;
      const at = 4 * (row * columns + i);
      image.data[at] = colour[0]!;
      image.data[at + 1] = colour[1]!;
      image.data[at + 2] = colour[2]!;
      image.data[at + 3] = 255 * Math.min(1, Math.max(0.05, shade(Math.log10(moved + 1e-9))));
    }
  }
  canvas.getContext('2d', { willReadFrequently: true })!.putImageData(image, 0, 0);
}
