/** Which model thinks: a shipped one, any folder by its address, or files from this computer. */

import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import type { AnyLoader } from '../state/loader.ts';
import type { ModelSource } from 'fathom-engine';
import { Offer } from './Offer.tsx';
import { Stored } from './Stored.tsx';

const url = signal('');
const over = signal(false);

interface Props {
  of: AnyLoader;
  /** About the model in use. */
  children: ComponentChildren;
  /** Which files such a model has. */
  hint: string;
}

export function Models({ of, children, hint }: Props) {
  const { model } = of;
  const consider = (source: ModelSource) => void of.consider(source);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    over.value = false;
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length > 0) consider(files);
  };
  const submit = (event: Event) => {
    event.preventDefault();
    if (url.value.trim()) consider(url.value.trim());
  };
  return (
    <section
      class={over.value ? 'panel models over' : 'panel models'}
      aria-label="Model"
      onDragOver={(event) => {
        event.preventDefault();
        over.value = true;
      }}
      onDragLeave={() => (over.value = false)}
      onDrop={drop}
    >
      <header>
        <h2>Model</h2>
        {model.value && !of.isShipped.value && of.kind.shipped[0] && <button type="button" onClick={() => void of.open(of.kind.shipped[0]!)}>Back to the shipped one</button>}
      </header>
      {model.value && (
        <p class="current">
          <strong>{model.value.name}</strong> {children} {model.value.cached && <span class="badge" data-testid="cached">cached</span>}
          {model.value.device.why && <span class="hint on-phone">{model.value.device.why}.</span>}
        </p>
      )}
      {model.value && <Offer of={of} />}
      <form onSubmit={submit}>
        <label for="model-url">Another one, by its folder’s address</label>
        <div class="row">
          <input id="model-url" data-testid="model-url" type="url" placeholder="https://huggingface.co/…/resolve/main/" value={url.value} onInput={(event) => (url.value = event.currentTarget.value)} />
          <button type="submit" data-testid="model-load">Look</button>
        </div>
      </form>
      <label class="files">
        Or drop its files here, or <span>choose them</span>
        <input type="file" multiple data-testid="model-files" onChange={({ currentTarget: { files } }) => files?.length && consider([...files])} />
      </label>
      <p class="hint">{hint} Local files never leave this computer.</p>
      <Stored of={of} />
    </section>
  );
}
