/** From what a user names as a model to its files: which there are, and their bytes. */
import { RemoteFile, type FetchOptions } from './download.js';
import { FathomError } from './errors.js';
import { folderAddress, remove, removeFile } from './store.js';
import type { ModelSource } from './types.js';

/** The files of a model. Small ones are read already, weights are not. */
export interface Listing {
  name: string;
  /** The folder's address, if it has one. */
  folder?: string;
  /** The text of `config.json`. */
  config: string;
  /** `tokenizer.json`, if there is one. */
  tokenizer?: () => Promise<Blob>;
  /** The text of `model.safetensors.index.json`, if the weights are in several files. */
  index?: string;
  weights: ModelFile[];
}

/** A file of weights. */
export interface ModelFile {
  readonly name: string;
  /** 0 when unknown. */
  readonly bytes: number;
  /** Whether all of it lies in the browser's cache; after `open`, whether it was kept there. */
  readonly cached: boolean;
  /** The bytes; `onBytes` is told how many are there. */
  open(onBytes?: (done: number) => void, signal?: AbortSignal): Promise<Blob>;
}

const CONFIG = 'config.json';
const TOKENIZER = 'tokenizer.json';
const WEIGHTS = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

/** Finds a model's files and reads the small ones. */
export async function list(
  source: ModelSource,
  { signal, ...options }: FetchOptions & { signal?: AbortSignal } = {},
): Promise<Listing> {
  if (typeof source === 'string' || source instanceof URL) {
    return listFolder(folderAddress(source), options, signal);
  }
  if (typeof source !== 'object' || source === null) {
    throw new FathomError('bad-source', `A model is an address, files or bytes by file name, not ${source}.`);
  }
  return listLocal(source);
}

/** Deletes from the cache what lies there of a model, because it turned out to be faulty. */
export async function forget(listing: Listing): Promise<void> {
  if (listing.folder !== undefined) await remove(listing.folder);
}

async function listFolder(folder: URL, options: FetchOptions, signal?: AbortSignal): Promise<Listing> {
  const remote = (name: string) => new RemoteFile(folder, name, options);
  const listing: Listing = {
    name: nameOf(folder),
    folder: folder.href,
    config: await (await remote(CONFIG).open(undefined, signal)).text(),
    weights: [],
  };

  const tokenizer = readsText(listing.config) ? await optional(remote(TOKENIZER), signal) : undefined;
  if (tokenizer) listing.tokenizer = () => tokenizer.open(undefined, signal);

  const single = remote(WEIGHTS);
  const looked = await single.look(signal);
  // Where HEAD requests are not answered, only an index tells that there are several files.
  const index = typeof looked === 'object' ? undefined : await optional(remote(INDEX), signal);
  if (index) {
    listing.index = await (await index.open(undefined, signal)).text();
    let names;
    try {
      names = weightNames(listing.index, index.url);
    } catch (error) {
      await removeFile(index.url);
      throw error;
    }
    await single.markMissing();
    for (const name of names) listing.weights.push(await remoteWeights(remote(name), signal));
  } else if (looked === 'missing') {
    throw new FathomError('not-found', `${folder.href} has neither ${WEIGHTS} nor ${INDEX}.`);
  } else {
    listing.weights.push(await remoteWeights(single, signal));
  }
  return listing;
}

/** A model of puzzles has no tokenizer to look for. Whether its configuration is right is for the engine to say. */
function readsText(config: string): boolean {
  try {
    return JSON.parse(config).model_type !== 'hrm_act_v1';
  } catch {
    return true;
  }
}

/** The file if the server has it. */
async function optional(file: RemoteFile, signal?: AbortSignal): Promise<RemoteFile | undefined> {
  try {
    const looked = await file.look(signal);
    if (looked === 'unknown') await file.open(undefined, signal);
    if (looked !== 'missing') return file;
  } catch (error) {
    if (!(error instanceof FathomError) || error.code !== 'not-found') throw error;
  }
  await file.markMissing();
  return undefined;
}

async function remoteWeights(file: RemoteFile, signal?: AbortSignal): Promise<ModelFile> {
  const looked = await file.look(signal);
  if (looked === 'missing') throw new FathomError('not-found', `${file.url} does not exist.`);
  return {
    name: file.name,
    bytes: looked === 'unknown' ? 0 : looked.bytes,
    get cached() {
      return file.kept;
    },
    open: (onBytes, signal) => file.open(onBytes, signal),
  };
}

/** The last part of an address that is a name; hubs put `resolve` and a revision behind it. */
function nameOf(folder: URL): string {
  const path = folder.pathname.replace(/\/resolve\/.*$/, '').replace(/\/$/, '');
  return path.slice(path.lastIndexOf('/') + 1) || folder.host;
}

async function listLocal(source: Exclude<ModelSource, string | URL>): Promise<Listing> {
  const paths = new Map<string, Blob>();
  if (Symbol.iterator in source) {
    for (const file of source) paths.set(file.webkitRelativePath || file.name, file);
  } else {
    for (const [path, bytes] of Object.entries(source)) {
      paths.set(path, bytes instanceof Blob ? bytes : new Blob([bytes as BlobPart]));
    }
  }
  const files = byBaseName(paths);
  const given = [...files.keys()].join(', ') || 'nothing';

  const need = (name: string): Blob => {
    const file = files.get(name);
    if (!file) throw new FathomError('file-missing', `A model needs ${name}, but what was given is: ${given}.`);
    return file;
  };
  const weights = (name: string): ModelFile => {
    const file = need(name);
    return { name, bytes: file.size, cached: false, open: async (onBytes) => (onBytes?.(file.size), file) };
  };

  const config = await textOf(need(CONFIG), CONFIG);
  const listing: Listing = { name: localName(paths), config, weights: [] };
  const tokenizer = files.get(TOKENIZER);
  if (tokenizer) listing.tokenizer = async () => tokenizer;

  const index = files.get(INDEX);
  const others = [...files.keys()].filter((name) => name.endsWith('.safetensors'));
  if (!files.has(WEIGHTS) && index) {
    listing.index = await textOf(index, INDEX);
    listing.weights = weightNames(listing.index, INDEX).map(weights);
  } else {
    const only = others.length === 1 ? others[0] : undefined;
    listing.weights = [weights(only ?? WEIGHTS)];
  }
  return listing;
}

/** Of files with the same name, as in subfolders, the one that lies nearest to the top. */
function byBaseName(paths: Map<string, Blob>): Map<string, Blob> {
  const parts = [...paths].map(([path, file]) => ({ path: path.split(/[\\/]/), file }));
  const deepestFirst = parts.sort((a, b) => b.path.length - a.path.length);
  return new Map(deepestFirst.map(({ path, file }) => [path.at(-1)!, file]));
}

/** The name of the chosen folder, if a folder was chosen. */
function localName(paths: Map<string, Blob>): string {
  const [path] = paths.keys();
  return path && /[\\/]/.test(path) ? path.split(/[\\/]/)[0]! : 'model';
}

async function textOf(file: Blob, name: string): Promise<string> {
  try {
    return await file.text();
  } catch (cause) {
    throw new FathomError('unreadable', `${name} cannot be read; it may have changed since it was chosen.`, { cause });
  }
}

/** The files that an index names. */
function weightNames(index: string, where: string): string[] {
  let map: unknown;
  try {
    map = JSON.parse(index).weight_map;
  } catch (cause) {
    throw new FathomError('bad-index', `${where} is not JSON.`, { cause });
  }
  const names = [...new Set<unknown>(typeof map === 'object' && map !== null ? Object.values(map) : [])];
  if (names.length === 0) {
    throw new FathomError('bad-index', `${where} has no weight_map that names files.`);
  }
  return names.map((name) => {
    if (typeof name === 'string' && /^[^./\\:][^/\\:]*$/.test(name) && !name.includes('..')) return name;
    throw new FathomError('bad-index', `${where} names ${JSON.stringify(name)}, which is not a plain file name.`);
  });
}
