/** The model in use, the one that is offered, and how far loading has come. */

import { computed, signal } from '@preact/signals';
import {
  deleteCache, inspect, listCache, load,
  type CachedModel, type Model, type ModelInfo, type ModelSource, type Progress,
} from 'fathom-engine';
import { inTurn } from './frame.ts';
import { backend, given } from './query.ts';
import { report, trouble, warn, warnings } from './trouble.ts';

export const SHIPPED = new URL('models/beads/', document.baseURI).href;

interface Loaded {
  model: Model;
  source: ModelSource;
}

const loaded = signal<Loaded | undefined>(undefined);
export const model = computed(() => loaded.value?.model);
export const config = computed(() => loaded.value?.model.config);
/** Before there is a model: whether the shipped one will be it. */
export const isShipped = computed(() => (loaded.value ? loaded.value.source === SHIPPED : !given.has('model')));
/** Its address, for links; none for the shipped model and for local files. */
export const address = computed(() => {
  const source = loaded.value?.source;
  return typeof source === 'string' && source !== SHIPPED ? source : undefined;
});

/** A model that was looked at and waits for a yes. */
export const offer = signal<{ source: ModelSource; info: ModelInfo } | undefined>(undefined);
/** Looking at a model, or loading it; the progress is missing until the first bytes come. */
export const busy = signal<{ what: 'inspect' | 'load'; progress?: Progress } | undefined>(undefined);
export const stored = signal<CachedModel[]>([]);

let controller = new AbortController();

/** Runs one thing at a time; what was under way is given up. */
async function exclusively(what: 'inspect' | 'load', work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  controller.abort();
  const mine = (controller = new AbortController());
  trouble.value = offer.value = undefined;
  busy.value = { what };
  try {
    await work(mine.signal);
  } catch (error) {
    if (mine === controller) report(error);
  } finally {
    if (mine === controller) busy.value = undefined;
  }
}

export const cancel = (): void => controller.abort();

/** Looks at a model and offers it; nothing is downloaded without a yes, unless all of it is here already. */
export async function consider(source: ModelSource, { loadIfCached = false } = {}): Promise<void> {
  await exclusively('inspect', async (signal) => {
    const info = await inspect(source, { device: backend, signal });
    offer.value = { source, info };
  });
  if (loadIfCached && offer.value?.source === source && offer.value.info.cached) await open(source);
}

export async function open(source: ModelSource): Promise<void> {
  await exclusively('load', async (signal) => {
    let progress: Progress | undefined;
    const show = () => {
      if (busy.value && !signal.aborted) busy.value = { what: 'load', progress };
    };
    warnings.value = [];
    const next = await load(source, {
      device: backend,
      signal,
      onWarning: warn,
      onProgress: (now) => {
        progress = now;
        inTurn(show);
      },
    });
    if (signal.aborted) return next.dispose();
    // The old model goes only now, so that a failed download leaves something to ask.
    const old = loaded.value?.model;
    loaded.value = { model: next, source };
    await old?.dispose();
  });
  await refreshStored();
}

export async function refreshStored(): Promise<void> {
  // A browser without storage simply has nothing stored.
  stored.value = await listCache().catch(() => []);
}

export async function forget(url?: string): Promise<void> {
  await deleteCache(url).catch(report);
  await refreshStored();
}
