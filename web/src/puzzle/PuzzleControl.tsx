/** When to stop thinking. */

import type { Signal } from '@preact/signals';
import { config } from './state/models.ts';
import { confidence, identifier, identifierProblem, rule, ruleProblem, RULES, segments, type Rule } from './state/settings.ts';

export function PuzzleControl() {
  const value = rule.value === 'confidence' ? confidence : rule.value === 'segments' ? segments : undefined;
  return (
    <section class="panel control" aria-label="Control">
      <header><h2>Control</h2></header>
      <fieldset class="rules">
        <legend>When it stops</legend>
        {(Object.keys(RULES) as Rule[]).map((each) => (
          <label key={each}>
            <input type="radio" name="halting" data-testid={`halting-${each}`} checked={rule.value === each} aria-describedby="rule-hint" onChange={() => (rule.value = each)} />
            {RULES[each].label}
          </label>
        ))}
      </fieldset>
      {value && <Setting name="rule-value" label={rule.value === 'segments' ? 'Segments' : 'Probability'} value={value} problem={ruleProblem.value} />}
      <p class="hint" id="rule-hint">{RULES[rule.value].hint}</p>
      {(config.value?.nPuzzles ?? 1) > 1 && <Setting name="identifier" label="Row in its table" value={identifier} problem={identifierProblem.value} />}
    </section>
  );
}

function Setting({ name, label, value, problem }: { name: string; label: string; value: Signal<string>; problem: string | undefined }) {
  return (
    <div class="setting">
      <label for={name}>{label}</label>
      <input
        id={name}
        data-testid={name}
        inputMode="decimal"
        autocomplete="off"
        value={value.value}
        aria-invalid={problem !== undefined}
        aria-describedby={`${name}-problem`}
        onInput={(event) => (value.value = event.currentTarget.value)}
      />
      <p id={`${name}-problem`} class="problem">{problem}</p>
    </div>
  );
}
