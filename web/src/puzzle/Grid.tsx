/** A maze or an ARC grid, as coloured cells. */

import { config } from './state/models.ts';

/** Of mazes, by token. */
const MAZE = ['nothing', 'wall', 'free', 'start', 'goal', 'way'];

interface Props {
  tokens: number[];
  label: string;
  changed?: Set<number>;
  /** How sure the model is of each cell. */
  sure?: (cell: number) => number;
}

export function Grid({ tokens, label, changed, sure = () => 1 }: Props) {
  const side = Math.sqrt(tokens.length);
  const isMaze = config.value?.task === 'maze';
  const nameOf = (token: number) => (isMaze ? MAZE[token] ?? 'nothing' : token < 2 ? 'nothing' : `colour-${token - 2}`);
  // What lies outside of a smaller maze or grid is not drawn.
  const used = [...tokens.keys()].filter((cell) => nameOf(tokens[cell]!) !== 'nothing');
  const [height, width] = [rowsOf(used, side), columnsOf(used, side)];
  return (
    <svg class={`grid ${isMaze ? 'maze' : 'arc'}`} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={`${label}, ${height} by ${width} cells`} data-testid="grid">
      {used.map((cell) => (
        <g key={cell} transform={`translate(${cell % side} ${Math.floor(cell / side)})`}>
          <rect class={`${nameOf(tokens[cell]!)}${changed?.has(cell) ? ' changed' : ''}`} width={1} height={1} fill-opacity={sure(cell)} />
          {isMaze && (tokens[cell] === 3 || tokens[cell] === 4) && <text x={0.5} y={0.75} text-anchor="middle">{tokens[cell] === 3 ? 'S' : 'G'}</text>}
        </g>
      ))}
    </svg>
  );
}

const rowsOf = (cells: number[], side: number) => 1 + Math.max(0, ...cells.map((cell) => Math.floor(cell / side)));
const columnsOf = (cells: number[], side: number) => 1 + Math.max(0, ...cells.map((cell) => cell % side));
