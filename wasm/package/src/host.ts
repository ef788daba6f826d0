/** The model in the worker: its files, its device, and another device when that one is lost. */
import { mostBufferBytes, support } from './adapter.js';
import { FathomError } from './errors.js';
import init, { Files, largestBufferBytes, needsGpt2, readConfig, type LoadedModel, type Typed } from './fathom.js';
import { forget, list, type Listing } from './files.js';
import type { Loaded, LoadRequest } from './protocol.js';
import type { DeviceInfo, ForwardOptions, ModelConfig, ModelInfo, Support, TokenEvent, Warning } from './types.js';
import type { Call } from './worker.js';

/** Codes of the engine's that say that a file is faulty, not the machine. */
const FAULTY_FILE = /^(weights|tensor|tied|shard|config|vocabulary|tokenizer|not-utf8|json|model-type)/;

/** What may stand against a GPU beside that there is none that works. */
const OTHER_REASONS = ['gpu-memory', 'wrong-gpu'];

type Prompt = string | number[];

export class Host {
  #request: LoadRequest | undefined;
  #files: Files | undefined;
  #model: LoadedModel | undefined;
  #device: DeviceInfo | undefined;
  #replacement: Promise<void> | undefined;
  #loading: Call | undefined;
  #typed: { model: LoadedModel; typed: Typed } | undefined;
  #lastTyped: Promise<unknown> = Promise.resolve();
  #running = new Set<Call>();

  constructor(readonly warn: (warning: Warning, device?: DeviceInfo) => void) {}

  /** Runs a call of the page's. */
  async run(name: string, args: unknown[], call: Call): Promise<unknown> {
    switch (name) {
      case 'inspect':
        return this.#inspect(args[0] as LoadRequest, call);
      case 'load':
        return this.#load(args[0] as LoadRequest, call);
      case 'tokenize':
        return this.#loaded.pieces(this.#tokens(args[0] as string));
      case 'detokenize':
        return this.#loaded.decode(Uint32Array.from(args[0] as number[]));
      case 'generate':
        return this.#generate(args[0] as Prompt, args[1] as object, args[2] as number, call);
      case 'prefixes':
        return this.#prefixes(args[0] as Prompt, args[1] as object, call);
      case 'forward':
        return this.#onDevice((model) => model.forward(this.#tokens(args[0] as Prompt), args[1] as ForwardOptions));
      case 'dispose':
        return this.#dispose();
      default:
        throw new FathomError('internal', `There is no call ${name}.`);
    }
  }

  async #inspect(request: LoadRequest, call: Call): Promise<ModelInfo> {
    const { listing, config } = await look(request, call);
    const files = listing.weights.map(({ name, bytes, cached }) => ({ name, bytes, cached }));
    const misfit = whyNotOnGpu(listing, request, await support());
    return {
      name: listing.name,
      config,
      files,
      bytesAll: bytesOf(listing),
      cached: files.every((file) => file.cached),
      fitsGpu: misfit === undefined,
      ...(misfit && { reason: misfit.message }),
    };
  }

  async #load(request: LoadRequest, call: Call): Promise<Loaded> {
    // The browser takes its time to start a GPU: meanwhile there are files to be looked at.
    const supported = request.device === 'cpu' ? undefined : support();
    const { listing } = await look(request, call);
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
      this.#warn({ code: 'not-cached', message });
    }
    return { name: listing.name, config: this.#loaded.config() as ModelConfig, device: this.#device!, cached };
  }

  /** Puts the model on a device. */
  async #put(files: Files, supported: Promise<Support> | undefined): Promise<void> {
    const call = this.#loading!;
    const { device, weights, kv } = this.#request!;
    const model = await files.load(device, weights, kv, (bytesDone: number, bytesAll: number) => {
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
      this.#warn({ code, message: `${found.why}.` });
    }
  }

  async #generate(prompt: Prompt, options: object, ahead: number, call: Call): Promise<void> {
    let on = this.#loaded;
    const answer = on.generate(this.#tokens(prompt), options);
    this.#running.add(call);
    call.grant(ahead);
    try {
      for (let place = 0; ; place++) {
        await call.token();
        const token = (await this.#onDevice((model) => {
          if (model !== on) answer.moveTo(model);
          on = model;
          return answer.next((step: never) => call.tell({ step, place }));
        })) as TokenEvent | undefined;
        const sentence = answer.overflowed();
        if (sentence) this.#warn({ code: 'window-full', message: `${sentence}.` });
        if (!token) return;
        call.tell({ token });
      }
    } finally {
      answer.free();
      this.#running.delete(call);
    }
  }

  /** One after the other: they share a cache. */
  #prefixes(prompt: Prompt, options: object, call: Call): Promise<unknown> {
    const read = async () => {
      await call.turn();
      return this.#onDevice((model) => {
        if (this.#typed?.model !== model) {
          this.#typed?.typed.free();
          this.#typed = { model, typed: model.typed() };
        }
        return this.#typed.typed.read(this.#tokens(prompt), options);
      });
    };
    const result = this.#lastTyped.then(read);
    this.#lastTyped = result.catch(() => {});
    return result;
  }

  /** Frees everything; then the device gives its memory back. */
  async #dispose(): Promise<void> {
    for (const call of this.#running) call.abort();
    await this.#lastTyped;
    this.#typed?.typed.free();
    this.#files?.free();
    this.#model?.free();
    this.#typed = this.#files = this.#model = undefined;
  }

  /** Runs something on the device; where that is lost, once more on another one. */
  async #onDevice<T>(run: (model: LoadedModel) => Promise<T>): Promise<T> {
    const model = this.#loaded;
    try {
      return await run(model);
    } catch (error) {
      if (codeOf(error) !== 'device-lost') throw error;
      await this.#replace(model, error as Error);
    }
    try {
      return await run(this.#loaded);
    } catch (error) {
      if (codeOf(error) !== 'device-lost') throw error;
      throw new FathomError('device-lost', 'The GPU was lost twice in a row; reload the page, or choose the processor.');
    }
  }

  /** Puts the model on another device, unless somebody who noticed earlier has done so. */
  async #replace(lost: LoadedModel, { message }: Error): Promise<void> {
    if (this.#model !== lost) return;
    const files = this.#files;
    if (!files) throw new FathomError('device-lost', `${message}; the model's files were not kept, so load it again.`);
    // The old model is left to the garbage collector: others may still be waiting for it to fail.
    this.#replacement ??= this.#put(files, support())
      .catch((error: unknown) => {
        if (codeOf(error) !== 'io') throw error;
        throw new FathomError('device-lost', `${message}; the model's files are no longer where they were, so load it again.`);
      })
      .then(() => this.#warn({ code: 'device-lost', message: `${message}; it was replaced, and the answer goes on.` }))
      .finally(() => (this.#replacement = undefined));
    await this.#replacement;
  }

  #warn(warning: Warning): void {
    this.warn(warning, this.#device);
  }

  get #loaded(): LoadedModel {
    if (!this.#model) throw new FathomError('disposed', 'There is no model.');
    return this.#model;
  }

  #tokens(prompt: Prompt): Uint32Array {
    return typeof prompt === 'string' ? this.#loaded.encode(prompt) : Uint32Array.from(prompt);
  }
}

/** What a model's folder holds; its configuration is read and checked. */
async function look(request: LoadRequest, call: Call): Promise<{ listing: Listing; config: ModelConfig }> {
  const wasm = request.wasmUrl ?? new URL('./fathom_bg.wasm', import.meta.url);
  const started = init({ module_or_path: wasm }).catch((cause: unknown) => {
    throw new FathomError('worker', `The engine (${wasm}) cannot be loaded: ${String(cause)}.`, { cause });
  });
  const [listing] = await Promise.all([list(request.source, fetching(request, call)), started]);
  try {
    return { listing, config: readConfig(listing.config) as ModelConfig };
  } catch (error) {
    return await refuse(listing, error);
  }
}

/** Passes an error on. What is faulty is not kept. */
async function refuse(listing: Listing, error: unknown): Promise<never> {
  const code = codeOf(error);
  // Without a tokenizer of its own it was GPT-2's that is faulty.
  const isOurs = FAULTY_FILE.test(code) && (code !== 'tokenizer-file' || listing.tokenizer);
  // A file that another tab is loading stays; it is checked there.
  if (isOurs) await forget(listing).catch(() => {});
  throw error;
}

function fetching({ cache, stallMs }: LoadRequest, { signal }: Call) {
  return { cache, signal, ...(stallMs !== undefined && { stallMs }) };
}

/** Downloads or opens what is listed. */
async function open(listing: Listing, request: LoadRequest, call: Call): Promise<Files> {
  const bytesAll = bytesOf(listing);
  const tokenizer = listing.tokenizer && (await bytesOfBlob(await listing.tokenizer()));
  const gpt2 = !tokenizer && needsGpt2(listing.config) ? await fetchGpt2(request, call) : undefined;
  const files = new Files(listing.name, listing.config, tokenizer, gpt2, listing.index);
  let before = 0;
  for (const file of listing.weights) {
    const onBytes = (done: number) => {
      call.tell({ progress: { phase: 'download', bytesDone: before + done, bytesAll } });
    };
    const blob = await file.open(onBytes, call.signal);
    before += blob.size;
    await files.addWeights(file.name, blob);
  }
  return files;
}

async function fetchGpt2({ gpt2Url }: LoadRequest, { signal }: Call): Promise<Uint8Array> {
  const url = gpt2Url ?? new URL('./gpt2.tiktoken', import.meta.url).href;
  const what = `GPT-2's vocabulary (${url}) cannot be fetched`;
  try {
    const response = await fetch(url, { signal });
    if (response.ok) return new Uint8Array(await response.arrayBuffer());
    throw new FathomError('http', `${what}: status ${response.status}.`);
  } catch (cause) {
    if (cause instanceof FathomError) throw cause;
    throw new FathomError(signal.aborted ? 'aborted' : 'network', `${what}.`, { cause });
  }
}

/** Why no GPU of this browser can hold a model, before anything of it is downloaded. */
function whyNotOnGpu(
  listing: Listing,
  { weights, kv }: LoadRequest,
  { adapter, reason }: Support,
): FathomError | undefined {
  if (!adapter) return new FathomError('no-adapter', reason ?? 'There is no GPU.');
  const needed = largestBufferBytes(listing.config, bytesOf(listing), weights, kv);
  const most = mostBufferBytes(adapter);
  if (needed <= most) return undefined;
  const message = `The model needs a buffer of ${needed} bytes; this GPU (${adapter.name}) allows ${most}.`;
  return new FathomError('gpu-memory', message);
}

function bytesOf({ weights }: Listing): number {
  return weights.reduce((sum, file) => sum + file.bytes, 0);
}

async function bytesOfBlob(blob: Blob): Promise<Uint8Array> {
  const buffer = await blob.arrayBuffer().catch((cause: unknown) => {
    throw new FathomError('unreadable', 'tokenizer.json cannot be read; it may have changed since it was chosen.', { cause });
  });
  return new Uint8Array(buffer);
}

/** Files of the user's own disk. */
function isFileList(source: unknown): boolean {
  return Array.isArray(source) && source.every((file) => file instanceof File);
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | undefined)?.code);
}
