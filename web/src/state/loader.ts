/** A model of one kind: the one in use, the one that is offered, and how far loading has come. */

import { computed, signal } from '@preact/signals';
import { FathomError, inspect, type Model, type ModelInfo, type ModelSource, type Progress, type PuzzleModel, type load } from 'fathom-engine';
import { inTurn } from './frame.ts';
import { backend } from './query.ts';
import { refreshStored } from './stored.ts';
import { report, trouble, warn, warnings } from './trouble.ts';

type Load<M> = (source: ModelSource, options: NonNullable<Parameters<typeof load>[1]>) => Promise<M>;

export interface Kind<M extends Model | PuzzleModel> {
  load: Load<M>;
  /** The `model_type` of its models. */
  modelType: M['config']['modelType'];
  /** What such models are called. */
  name: string;
  /** Addresses of the models that come with the page. */
  shipped: string[];
}

export class Loader<M extends Model | PuzzleModel> {
  readonly #loaded = signal<{ model: M; source: ModelSource } | undefined>(undefined);
  readonly model = computed(() => this.#loaded.value?.model);
  readonly source = computed(() => this.#loaded.value?.source);
  readonly isShipped = computed(() => this.kind.shipped.some((address) => address === this.source.value));
  /** Its address, for links; none for a model that comes with the page and for local files. */
  readonly address = computed(() => {
    const source = this.source.value;
    return typeof source === 'string' && !this.isShipped.value ? source : undefined;
  });
  /** A model that was looked at and waits for a yes. */
  readonly offer = signal<{ source: ModelSource; info: ModelInfo } | undefined>(undefined);
  /** Looking at a model, or loading it; the progress is missing until the first bytes come. */
  readonly busy = signal<{ what: 'inspect' | 'load'; progress?: Progress } | undefined>(undefined);
  #controller = new AbortController();

  constructor(readonly kind: Kind<M>) {}

  readonly cancel = (): void => this.#controller.abort();

  /** Looks at a model and offers it; nothing is downloaded without a yes, unless all of it is here already. */
  async consider(source: ModelSource, { loadIfCached = false } = {}): Promise<void> {
    await this.#exclusively('inspect', async (signal) => {
      const info = await inspect(source, { device: backend, signal });
      if (info.config.modelType !== this.kind.modelType) {
        throw new FathomError('wrong-kind', `${info.name} is a model of the type ${info.config.modelType}, and this is the place of ${this.kind.name}.`);
      }
      this.offer.value = { source, info };
    });
    if (loadIfCached && this.offer.value?.source === source && this.offer.value.info.cached) await this.open(source);
  }

  async open(source: ModelSource): Promise<void> {
    await this.#exclusively('load', async (signal) => {
      let progress: Progress | undefined;
      const show = () => {
        if (this.busy.value && !signal.aborted) this.busy.value = { what: 'load', progress };
      };
      warnings.value = [];
      const next = await this.kind.load(source, {
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
      const old = this.model.value;
      this.#loaded.value = { model: next, source };
      await old?.dispose();
    });
    await refreshStored();
  }

  /** Runs one thing at a time; what was under way is given up. */
  async #exclusively(what: 'inspect' | 'load', work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.#controller.abort();
    const mine = (this.#controller = new AbortController());
    trouble.value = this.offer.value = undefined;
    this.busy.value = { what };
    try {
      await work(mine.signal);
    } catch (error) {
      if (mine === this.#controller) report(error);
    } finally {
      if (mine === this.#controller) this.busy.value = undefined;
    }
  }
}

/** For what does not ask the model itself. */
export type AnyLoader = Pick<Loader<Model | PuzzleModel>, 'model' | 'offer' | 'busy' | 'isShipped' | 'kind' | 'cancel' | 'consider' | 'open'>;
