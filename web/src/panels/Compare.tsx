/** The same question at two depths, side by side. */

import type { Signal } from '@preact/signals';
import { Soundings } from '../ask/Soundings.tsx';
import { Verdict } from '../ask/Verdict.tsx';
import { steps } from '../lib/format.ts';
import { compare, comparing, depths, sides, stopComparing, type Depth, type Side } from '../state/compare.ts';
import { config, model } from '../state/model.ts';
import { prompt } from '../state/prompt.ts';
import { valid } from '../state/settings.ts';

const named = (depth: Depth) => (depth === 'own' ? 'as deep as it wants' : `exactly ${steps(depth)}`);

export function Compare() {
  const off = !model.value || prompt.value === '' || !valid.value;
  return (
    <section class="compare" aria-label="The same question at two depths">
      <header>
        <h2>The same question at two depths</h2>
        <p>Thinking less is faster. See what it costs.</p>
      </header>
      <div class="compare-row">
        <Choice label="Once with" depth={depths[0]} id="compare-a" />
        <Choice label="and once with" depth={depths[1]} id="compare-b" />
        {comparing.value
          ? <button type="button" data-testid="compare-stop" onClick={stopComparing}>Stop</button>
          : <button type="button" data-testid="compare" disabled={off} onClick={() => void compare(prompt.value)}>Compare</button>}
      </div>
      {sides.value.length > 0 && <p class="question">Both answer <code>{sides.value[0]!.prompt}</code></p>}
      <div class="sides">{sides.value.map((side, i) => <Result key={i} side={side} id={`compare-${'ab'[i]}-result`} />)}</div>
    </section>
  );
}

function Choice({ label, depth, id }: { label: string; depth: Signal<Depth>; id: string }) {
  const all: Depth[] = ['own', ...Array.from({ length: config.value?.maxSteps ?? 16 }, (_, i) => i + 1)];
  return (
    <label>
      {label}
      <select data-testid={id} value={depth.value} onChange={({ currentTarget: { value } }) => (depth.value = value === 'own' ? value : Number(value))}>
        {all.map((each) => <option key={each} value={each}>{each === 'own' ? 'its own halting' : steps(each)}</option>)}
      </select>
    </label>
  );
}

function Result({ side: { depth, prompt, tokens, deepest, byShipped, done }, id }: { side: Side; id: string }) {
  const all = tokens.reduce((sum, token) => sum + token.depth, 0);
  return (
    <div class="side">
      <h3>{named(depth)}</h3>
      <Soundings soundings={tokens} deepest={deepest} label={`Answer with ${named(depth)}`} testId={id} />
      <p class="caption">{done && `${steps(all)} in all`}</p>
      <Verdict prompt={prompt} answer={tokens.map((token) => token.text).join('')} byShipped={byShipped} done={done} />
    </div>
  );
}
