/** The thinking behind one token, live or replayed. All of it is the engine's trace of this very run. */

import type { ReadonlySignal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { decisionView, stateView, view, type View } from '../state/cursor.ts';
import { HaltingChart } from './HaltingChart.tsx';
import { HeatMap } from './HeatMap.tsx';
import { MovementChart } from './MovementChart.tsx';
import { PathChart } from './PathChart.tsx';
import { Player } from './Player.tsx';
import { WouldSay } from './WouldSay.tsx';

export function Watch() {
  return (
    <section class="watch" aria-label="Watch it think">
      <header>
        <h2>Watch it think</h2>
        <p>One step is a few cycles of a slow state (H) and a fast one (L). After each step it asks itself: enough?</p>
      </header>
      <Shown view={view} as={Player} />
      <div class="charts">
        <div>
          <Shown view={decisionView} as={HaltingChart} />
          <Shown view={stateView} as={MovementChart} />
        </div>
        <div>
          <Shown view={decisionView} as={WouldSay} />
          <Shown view={stateView} as={PathChart} />
        </div>
      </div>
      <Shown view={stateView} as={HeatMap} />
    </section>
  );
}

/** Only what reads a view's signal is drawn again when it changes. */
function Shown({ view, as: Part }: { view: ReadonlySignal<View | undefined>; as: ComponentType<{ view: View }> }) {
  return view.value ? <Part view={view.value} /> : null;
}
