/** How long to think and how to choose, each with a line that says what it does. */

import { fields, problems, reset, typed, type Field } from '../state/settings.ts';

export function Control() {
  const set = fields.value.some(({ key }) => typed[key].value !== '');
  return (
    <section class="panel control" aria-label="Control">
      <header>
        <h2>Control</h2>
        <button type="button" data-testid="reset" disabled={!set} onClick={reset}>Reset</button>
      </header>
      <p class="caption">Empty: the model decides.</p>
      {fields.value.map((field) => <Setting key={field.key} field={field} />)}
    </section>
  );
}

function Setting({ field: { key, name, label, hint, otherwise, whole } }: { field: Field }) {
  const problem = problems.value[key];
  return (
    <div class="setting">
      <label for={name}>{label}</label>
      <input
        id={name}
        data-testid={name}
        inputMode={whole ? 'numeric' : 'decimal'}
        autocomplete="off"
        value={typed[key].value}
        placeholder={otherwise}
        aria-invalid={problem !== undefined}
        aria-describedby={`${name}-hint`}
        onInput={(event) => (typed[key].value = event.currentTarget.value)}
      />
      <p id={`${name}-hint`} class={problem ? 'problem' : 'hint'}>{problem ?? hint}</p>
    </div>
  );
}
