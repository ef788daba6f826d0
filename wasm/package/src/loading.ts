/** From a request to a model's files: looked at, checked, opened; and what is refused. */
import { mostBufferBytes, support } from './adapter.js';
import { FathomError } from './errors.js';
import init, { Files, largestBufferBytes, needsGpt2, readConfig } from './fathom.js';
import { forget, list, type Listing } from './files.js';
import type { LoadRequest } from './protocol.js';
import type { PuzzleConfig } from './puzzle-types.js';
import type { ModelConfig, ModelInfo, Support } from './types.js';
import type { Call } from './worker.js';

/** Codes of the engine's that say that a file is faulty, not the machine. */
const FAULTY_FILE = /^(weights|tensor|tied|shard|config|vocabulary|tokenizer|not-utf8|json|model-type)/;

export type AnyConfig = ModelConfig | PuzzleConfig;

/** What a model's folder holds; its configuration is read and checked. */
export async function look(request: LoadRequest, call: Call): Promise<{ listing: Listing; config: AnyConfig }> {
  const wasm = request.wasmUrl ?? new URL('./fathom_bg.wasm', import.meta.url);
  const started = init({ module_or_path: wasm }).catch((cause: unknown) => {
    throw new FathomError('worker', `The engine (${wasm}) cannot be loaded: ${String(cause)}.`, { cause });
  });
  const [listing] = await Promise.all([list(request.source, fetching(request, call)), started]);
  try {
    return { listing, config: readConfig(listing.config) as AnyConfig };
  } catch (error) {
    return await refuse(listing, error);
  }
}

/** What there is to know of a model before its weights are downloaded. */
export async function inspect(request: LoadRequest, call: Call): Promise<ModelInfo> {
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

/** Passes an error on. What is faulty is not kept. */
export async function refuse(listing: Listing, error: unknown): Promise<never> {
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
export async function open(listing: Listing, request: LoadRequest, call: Call): Promise<Files> {
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
export function whyNotOnGpu(
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
export function isFileList(source: unknown): boolean {
  return Array.isArray(source) && source.every((file) => file instanceof File);
}

export function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | undefined)?.code);
}
