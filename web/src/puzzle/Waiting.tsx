/** Before there is a model: how far it is, whether it may be downloaded, or that there is none. */

import { Offer } from '../panels/Offer.tsx';
import { puzzles, shipped } from './state/models.ts';

export function Waiting() {
  const own = shipped[0];
  return (
    <section class="answer waiting" aria-label="Puzzle">
      {puzzles.busy.value || puzzles.offer.value
        ? <Offer of={puzzles} />
        : own
          ? <button type="button" class="primary" onClick={() => void puzzles.open(own.address)}>Load the shipped model</button>
          : <p>This page was built without a model of puzzles. Give it one under Model: the address of its folder, or its files.</p>}
    </section>
  );
}
