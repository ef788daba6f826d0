/** A model on a device, of whatever kind: loaded, put on another device when that one is lost, freed. */
import { support } from './adapter.js';
import { FathomError } from './errors.js';
import type { Files } from './fathom.js';
import { codeOf, isFileList, look, open, refuse, whyNotOnGpu, type AnyConfig } from './loading.js';
import type { Loaded, LoadRequest } from './protocol.js';
import type { DeviceInfo, Support, Warning } from './types.js';
import type { Call } from './worker.js';

/** What may stand against a GPU beside that there is none that works. */
const OTHER_REASONS = ['gpu-memory', 'wrong-gpu'];

const LOADED_BY: Record<AnyConfig['modelType'], string> = { cosmicfish_hrm: 'load', hrm_act_v1: 'loadPuzzles' };

/** Told of what a user may want to know. */
export type Warn = (warning: Warning, device?: DeviceInfo) => void;

/** The engine's model. */
interface OnDevice {
  config(): unknown;
  device(): unknown;
  free(): void;
}

/** The engine's answer, which can go on with a copy of its model. */
interface Answer<Model> {
  moveTo(copy: Model): void;
  free(): void;
}

type Put<Model> = (files: Files, request: LoadRequest, onProgress: (done: number, all: number) => void) => Promise<Model>;

export class Held<Model extends OnDevice> {
  #request: LoadRequest | undefined;
  #files: Files | undefined;
  #model: Model | undefined;
  #device: DeviceInfo | undefined;
  #replacement: Promise<void> | undefined;
  #loading: Call | undefined;
  #running = new Set<Call>();

  /** `putOnDevice` is how the engine loads models of this type. */
  constructor(
    readonly modelType: AnyConfig['modelType'],
    readonly putOnDevice: Put<Model>,
    readonly tell: Warn,
  ) {}

  get model(): Model {
    if (!this.#model) throw new FathomError('disposed', 'There is no model.');
    return this.#model;
  }

  async load(request: LoadRequest, call: Call): Promise<Loaded<unknown>> {
    // The browser takes its time to start a GPU: meanwhile there are files to be looked at.
    const supported = request.device === 'cpu' ? undefined : support();
    const { listing, config } = await look(request, call);
    if (config.modelType !== this.modelType) {
      const message = `${listing.name} is a model of the type ${config.modelType}; call ${LOADED_BY[config.modelType]} instead of ${LOADED_BY[this.modelType]}.`;
      throw new FathomError('wrong-kind', message);
    }
    if (request.device === 'webgpu') {
      const misfit = whyNotOnGpu(listing, request, (await supported)!);
      if (misfit) throw misfit;
    }
    this.#request = request;
    this.#loading = call;
    const files = await open(listing, request, call).catch((error: unknown) => refuse(listing, error));
    try {
      await this.#put(files, supported);
    } catch (error) {
      files.free();
      return await refuse(listing, error);
    }
    const cached = listing.weights.every((file) => file.cached);
    const isOnDisk = listing.folder === undefined ? isFileList(request.source) : cached;
    if (request.keepFiles || isOnDisk) this.#files = files;
    else files.free();
    if (listing.folder !== undefined && request.cache && !cached) {
      const message = 'The browser has no room to keep the model: it will be downloaded again next time.';
      this.warn({ code: 'not-cached', message });
    }
    return { name: listing.name, config: this.model.config(), device: this.#device!, cached };
  }

  /**
   * Tells the pieces of an answer, each when the page wants it. Where the device is lost, the answer goes on on another
   * one.
   */
  async stream<A extends Answer<Model>, Piece>(
    start: (model: Model) => A,
    next: (answer: A, place: number) => Promise<Piece | undefined>,
    tell: (piece: Piece) => void,
    ahead: number,
    call: Call,
  ): Promise<void> {
    let on = this.model;
    const answer = start(on);
    this.#running.add(call);
    call.grant(ahead);
    try {
      for (let place = 0; ; place++) {
        await call.wanted();
        const piece = await this.onDevice((model) => {
          if (model !== on) answer.moveTo(model);
          on = model;
          return next(answer, place);
        });
        if (piece === undefined) return;
        tell(piece);
      }
    } finally {
      answer.free();
      this.#running.delete(call);
    }
  }

  /** Runs something on the device; where that is lost, once more on another one. */
  async onDevice<T>(run: (model: Model) => Promise<T>): Promise<T> {
    const model = this.model;
    try {
      return await run(model);
    } catch (error) {
      if (codeOf(error) !== 'device-lost') throw error;
      await this.#replace(model, error as Error);
    }
    try {
      return await run(this.model);
    } catch (error) {
      if (codeOf(error) !== 'device-lost') throw error;
      throw new FathomError('device-lost', 'The GPU was lost twice in a row; reload the page, or choose the processor.');
    }
  }

  /** Puts the model on another device, unless somebody who noticed earlier has done so. */
  async #replace(lost: Model, { message }: Error): Promise<void> {
    if (this.#model !== lost) return;
    const files = this.#files;
    if (!files) throw new FathomError('device-lost', `${message}; the model's files were not kept, so load it again.`);
    // The old model is left to the garbage collector: others may still be waiting for it to fail.
    this.#replacement ??= this.#put(files, support())
      .catch((error: unknown) => {
        if (codeOf(error) !== 'io') throw error;
        throw new FathomError('device-lost', `${message}; the model's files are no longer where they were, so load it again.`);
      })
      .then(() => this.warn({ code: 'device-lost', message: `${message}; it was replaced, and the answer goes on.` }))
      .finally(() => (this.#replacement = undefined));
    await this.#replacement;
  }

  /** Puts the model on a device. */
  async #put(files: Files, supported: Promise<Support> | undefined): Promise<void> {
    const call = this.#loading!;
    const model = await this.putOnDevice(files, this.#request!, (bytesDone, bytesAll) => {
      call.tell({ progress: { phase: 'upload', bytesDone, bytesAll } });
    });
    const { whyCode, ...found } = model.device() as DeviceInfo & { whyCode?: string };
    if (call.signal.aborted) {
      model.free();
      call.throwIfAborted();
    }
    // The engine is not told a GPU's name; the page is.
    const adapter = found.kind === 'webgpu' ? (await supported)?.adapter : undefined;
    this.#model = model;
    this.#device = { ...found, ...(adapter && { name: adapter.name, software: adapter.kind === 'software' }) };
    if (whyCode) {
      const code = OTHER_REASONS.includes(whyCode) ? (whyCode as Warning['code']) : 'no-gpu';
      this.warn({ code, message: `${found.why}.` });
    }
  }

  warn(warning: Warning): void {
    this.tell(warning, this.#device);
  }

  /** Ends the answers that are under way. */
  abort(): void {
    for (const call of this.#running) call.abort();
  }

  /** Frees everything; then the device gives its memory back. */
  free(): void {
    this.#files?.free();
    this.#model?.free();
    this.#files = this.#model = undefined;
  }
}
