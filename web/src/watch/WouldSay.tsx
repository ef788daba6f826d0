/** What the model would have said, had it stopped at each step. */

import { percent, quoted, visible } from '../lib/format.ts';
import { vars } from '../lib/vars.ts';
import { choose, type View } from '../state/cursor.ts';
import { Chart } from './Chart.tsx';

/** Narrower shares have no room for their text. */
const LEAST_LABELLED = 0.07;

export function WouldSay({ view: { thought, step } }: { view: View }) {
  const said = thought.event?.token;
  return (
    <Chart
      title="If it had stopped earlier"
      line="What it would say after each step, and how sure it is. Filled: what it said in the end. Blank: all others."
    >
      <ol class="would-say" data-testid="would-say">
        {thought.steps.map(({ step: number, top }, i) => (
          <li key={number}>
            <button
              type="button"
              aria-pressed={i === step}
              onClick={() => choose(thought.place, i)}
            >
              <span class="number"><span class="sr-only">Step </span>{number}</span>
              <span class="shares" aria-hidden="true">
                {top.map(({ token, text, probability }, place) => (
                  <span
                    key={place}
                    class={token === said ? 'share said' : 'share'}
                    style={vars({ '--p': probability })}
                  >
                    {probability >= LEAST_LABELLED && visible(text)}
                  </span>
                ))}
              </span>
              <span class="best"><b>{visible(top[0]?.text ?? '')}</b><small>{percent(top[0]?.probability ?? 0)}</small></span>
              <span class="sr-only">{top.slice(1, 3).map((each) => `, or ${quoted(each.text)} ${percent(each.probability)}`).join('')}</span>
            </button>
          </li>
        ))}
      </ol>
    </Chart>
  );
}
