/** Moves through all cycles, by hand or by itself. */

import { Scrubber } from '../panels/Scrubber.tsx';
import { play, playing, scrubTo, type View } from './state/cursor.ts';

export function PuzzlePlayer({ view: { solve, segment, cycle, index, total, changed } }: { view: View }) {
  const of = solve.config.hCycles > 1 ? `, cycle ${cycle} of ${solve.config.hCycles}` : '';
  const label = `Segment ${segment.segment} of ${solve.segments.length}${of}${index > 0 ? `: ${cells(changed.size)}` : ''}`;
  return <Scrubber {...{ playing, play, scrubTo, index, total, label }} name="All cycles of all segments" labelId="cycle-label" />;
}

const cells = (n: number) => (n === 0 ? 'nothing changed' : n === 1 ? '1 cell changed' : `${n} cells changed`);
