/** Models that decide for themselves how long to think, in a browser tab. See README.md. */
import { support } from './adapter.js';
import { FathomError } from './errors.js';
import { Link } from './link.js';
import { Model } from './model.js';
import type { Loaded, LoadRequest } from './protocol.js';
import { PuzzleModel, type SudokuTools } from './puzzle-model.js';
import type { PuzzleLoadOptions } from './puzzle-types.js';
import type { Remote } from './remote.js';
import { folderAddress, list, remove } from './store.js';
import type { CachedModel, LoadOptions, ModelInfo, ModelSource } from './types.js';

export { ERROR_CODES, FathomError } from './errors.js';
export type { ErrorCode } from './errors.js';
export type * from './puzzle-types.js';
export type * from './types.js';
export { Model, PuzzleModel, support };
export type { SudokuTools };

/**
 * Loads a language model in a worker of its own.
 *
 * @throws FathomError — what is wrong with the address, the files, the device.
 */
export function load(source: ModelSource, options: LoadOptions = {}): Promise<Model> {
  return start('load', Model, source, options);
}

/**
 * Loads a model of puzzles in a worker of its own.
 *
 * @throws FathomError — what is wrong with the address, the files, the device.
 */
export function loadPuzzles(source: ModelSource, options: PuzzleLoadOptions = {}): Promise<PuzzleModel> {
  return start('loadPuzzles', PuzzleModel, source, options);
}

async function start<Config, Kind extends Remote<Config>>(
  call: string,
  Kind: new (link: Link, loaded: Loaded<Config>) => Kind,
  source: ModelSource,
  options: LoadOptions,
): Promise<Kind> {
  let model: Kind | undefined;
  const link = new Link((warning, device) => {
    if (device) model?.moved(device);
    options.onWarning?.(warning);
  });
  try {
    const loading = link.call<Loaded<Config>>(call, [request(source, options)], options.signal, (event) => {
      if ('progress' in event) options.onProgress?.(event.progress);
    });
    model = new Kind(link, await loading.result);
    return model;
  } catch (error) {
    link.end(new FathomError('disposed', 'The model was not loaded.'));
    throw error;
  }
}

/**
 * What there is to know of a model before its weights are downloaded.
 *
 * @throws FathomError — what is wrong with the address or the files.
 */
export async function inspect(source: ModelSource, options: LoadOptions = {}): Promise<ModelInfo> {
  const link = new Link();
  try {
    return await link.call<ModelInfo>('inspect', [request(source, options)], options.signal).result;
  } finally {
    link.end(new FathomError('disposed', 'The model was inspected.'));
  }
}

/** The models in this browser's cache. */
export function listCache(): Promise<CachedModel[]> {
  return list();
}

/** Deletes one folder's files from the cache, or all. */
export function deleteCache(url?: string | URL): Promise<void> {
  return remove(url);
}

function request(source: ModelSource, options: LoadOptions): LoadRequest {
  const base = globalThis.document?.baseURI ?? location.href;
  const address = (url: string | URL | undefined) => {
    if (url !== undefined && !URL.canParse(url, base)) throw new FathomError('option', `${String(url)} is not an address.`);
    return url && new URL(url, base).href;
  };
  const { stallMs } = options;
  if (stallMs !== undefined && !(stallMs >= 0 && Number.isFinite(stallMs))) {
    throw new FathomError('option', `stallMs must be a number of milliseconds, found ${String(stallMs)}.`);
  }
  const device = options.device ?? 'auto';
  if (!['auto', 'webgpu', 'cpu'].includes(device)) {
    throw new FathomError('option', `The device must be 'auto', 'webgpu' or 'cpu', found ${String(device)}.`);
  }
  const weights = options.weights ?? 'keep';
  if (!['keep', 'f32', 'f16', 'bf16', 'q8', 'q4'].includes(weights)) {
    throw new FathomError('option', `The weights must be 'keep', 'f32', 'f16', 'bf16', 'q8' or 'q4', found ${String(weights)}.`);
  }
  const kv = options.kv ?? 'f32';
  if (kv !== 'f32' && kv !== 'f16') throw new FathomError('option', `kv must be 'f32' or 'f16', found ${String(kv)}.`);
  const isAddress = typeof source === 'string' || source instanceof URL;
  const isList = !isAddress && typeof source === 'object' && source !== null && Symbol.iterator in source;
  return {
    source: isAddress ? folderAddress(source).href : isList ? [...source] : source,
    device,
    weights,
    kv,
    cache: options.cache ?? true,
    keepFiles: options.keepFiles ?? true,
    wasmUrl: address(options.wasmUrl),
    gpt2Url: address(options.gpt2Url),
    stallMs,
  };
}
