/** Which model thinks: the shipped one, any folder by its address, or files from this computer. */

import { signal } from '@preact/signals';
import { count } from '../lib/format.ts';
import { config, consider, isShipped, model, open, SHIPPED } from '../state/model.ts';
import { Offer } from './Offer.tsx';
import { Stored } from './Stored.tsx';

const url = signal('');
const over = signal(false);

function drop(event: DragEvent) {
  event.preventDefault();
  over.value = false;
  const files = [...(event.dataTransfer?.files ?? [])];
  if (files.length > 0) void consider(files);
}

export function Models() {
  const submit = (event: Event) => {
    event.preventDefault();
    if (url.value.trim()) void consider(url.value.trim());
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
        {model.value && !isShipped.value && <button type="button" onClick={() => void open(SHIPPED)}>Back to the shipped one</button>}
      </header>
      {model.value && config.value && (
        <p class="current">
          <strong>{model.value.name}</strong> {count(config.value.nParameters)} parameters, at most {config.value.maxSteps} steps,
          window of {config.value.blockSize} tokens {model.value.cached && <span class="badge" data-testid="cached">cached</span>}
          {model.value.device.why && <span class="hint on-phone">{model.value.device.why}.</span>}
        </p>
      )}
      {model.value && <Offer />}
      <form onSubmit={submit}>
        <label for="model-url">Another one, by its folder’s address</label>
        <div class="row">
          <input id="model-url" data-testid="model-url" type="url" placeholder="https://huggingface.co/…/resolve/main/" value={url.value} onInput={(event) => (url.value = event.currentTarget.value)} />
          <button type="submit" data-testid="model-load">Look</button>
        </div>
      </form>
      <label class="files">
        Or drop its files here, or <span>choose them</span>
        <input type="file" multiple data-testid="model-files" onChange={({ currentTarget: { files } }) => files?.length && void consider([...files])} />
      </label>
      <p class="hint">CosmicFish-HRM models: config.json, model.safetensors, tokenizer.json. Local files never leave this computer.</p>
      <Stored />
    </section>
  );
}
