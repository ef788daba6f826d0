/** A maze with the way through it, or an ARC grid and what the model makes of it. */

import { Grid } from './Grid.tsx';
import { config } from './state/models.ts';
import { view } from './state/cursor.ts';
import { reading } from './state/question.ts';

export function GridPicture() {
  const asked = reading.value?.tokens ?? [];
  const now = view.value;
  if (asked.length === 0) return <p class="grid-empty muted">Paste {config.value!.task === 'maze' ? 'a maze' : 'a task'}, and it is drawn here.</p>;
  const answer = now && (
    <Grid
      tokens={now.answer}
      label="The answer so far"
      changed={now.changed}
      sure={(cell) => now.shares[cell * now.solve.config.vocabSize + now.answer[cell]!]!}
    />
  );
  // A way is drawn into its maze; a grid that becomes another one stays beside it.
  if (config.value!.task === 'maze') return <div class="grids">{answer ?? <Grid tokens={asked} label="The maze" />}</div>;
  return <div class="grids"><Grid tokens={asked} label="The test’s input" />{answer}</div>;
}
