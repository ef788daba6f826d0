/**
 * The browser's cache of model files: `fathom/<SHA-256 of the address>/{data, about.json}` in the origin's private file
 * system. `Sink` writes and needs a worker; everything else works on the page's thread too.
 */
import { FathomError } from './errors.js';
import type { CachedModel } from './types.js';

/** What a server tells of a file; empty or 0 where it does not. */
export interface Facts {
  bytes: number;
  etag: string;
  lastModified: string;
}

/** What `about.json` keeps of a file. */
export interface About extends Facts {
  url: string;
  /** The address of the model's folder. */
  folder: string;
  name: string;
  /** Only true once all the data is on disk; until then `bytes` is what the server has promised. */
  complete: boolean;
  /** The server does not have this optional file: known so that it need not be asked when offline. */
  absent?: boolean;
}

/** A file in the cache, perhaps only its beginning. */
export interface Stored {
  about: About;
  data: Blob;
}

/** A FileSystemSyncAccessHandle, which TypeScript's `DOM` lacks because only workers have it. */
interface SyncHandle {
  write(bytes: Uint8Array, options?: { at: number }): number;
  read(bytes: Uint8Array, options?: { at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}
interface Disk {
  folder: FileSystemDirectoryHandle;
  data: SyncHandle;
}

const ROOT = 'fathom';
/** Bytes in memory are folded into a Blob, which lives outside of JavaScript's heap, after so many. */
const FOLD_BYTES = 16 << 20;

/** The file with this address, whole or not; nothing where the browser has no cache. */
export async function find(url: string): Promise<Stored | undefined> {
  try {
    const root = await openRoot();
    return await read(await root.getDirectoryHandle(await keyOf(url)));
  } catch {
    return undefined;
  }
}

/** Whether all of a stored file is there, as far as its size tells. */
export function isWhole({ about, data }: Stored): boolean {
  return about.complete && !about.absent && data.size === about.bytes;
}

/** Remembers that the server does not have this file. */
export async function storeAbsence(url: string, folder: string, name: string): Promise<void> {
  const sink = await Sink.open(url, true);
  await sink.begin({ url, folder, name, bytes: 0, etag: '', lastModified: '', complete: false, absent: true });
  await sink.finish();
}

/** The models in the cache, each with the size of what is there of it. */
export async function list(): Promise<CachedModel[]> {
  const folders = new Map<string, Stored[]>();
  for (const { stored } of await entries()) {
    if (!stored) continue;
    const files = folders.get(stored.about.folder);
    if (files) files.push(stored);
    else folders.set(stored.about.folder, [stored]);
  }
  const models = [];
  for (const [url, files] of folders) {
    const bytes = files.reduce((sum, file) => sum + file.data.size, 0);
    models.push({ url, bytes, complete: await isModelWhole(files) });
  }
  return models;
}

/** Deletes the files of one model's folder, or all. */
export async function remove(folder?: string | URL): Promise<void> {
  const address = folder === undefined ? undefined : folderAddress(folder).href;
  for (const { key, stored } of await entries()) {
    if (address === undefined || stored?.about.folder === address) await removeKey(key, stored?.about.url ?? key);
  }
}

/** Deletes one file. */
export async function removeFile(url: string): Promise<void> {
  await removeKey(await keyOf(url), url);
}

/** A folder's address as the cache knows it: absolute, with a slash at its end; a hub's page means its files. */
export function folderAddress(source: string | URL): URL {
  let url;
  try {
    url = new URL(source, typeof document === 'undefined' ? location.href : document.baseURI);
  } catch (cause) {
    throw new FathomError('bad-source', `“${source}” is not the address of a model's folder.`, { cause });
  }
  url.hash = '';
  const page = /^\/([^/]+\/[^/]+)(?:\/tree\/([^/]+))?\/?$/.exec(url.pathname);
  if (url.hostname === 'huggingface.co' && page) url.pathname = `/${page[1]}/resolve/${page[2] ?? 'main'}/`;
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}

/** Where a file's bytes go as they come: onto the disk, or into memory where the browser does not let us. */
export class Sink {
  /** What is known of the bytes that are here; nothing before the first `begin`. */
  about: About | undefined;
  /** Bytes that are here. */
  size = 0;
  #disk: Disk | undefined;
  #memory = new Memory();

  /** Opens the file with what is there of it. Without `cache` all goes into memory. */
  static async open(url: string, cache: boolean): Promise<Sink> {
    const sink = new Sink();
    if (!cache) return sink;
    try {
      const root = await openRoot();
      const folder = await root.getDirectoryHandle(await keyOf(url), { create: true });
      const about = (await read(folder).catch(() => undefined))?.about;
      sink.#disk = { folder, data: await openSync(folder, 'data') };
      sink.about = about;
      sink.size = sink.#disk.data.getSize();
    } catch {
      // No private file system, or another tab holds the file: memory does.
    }
    return sink;
  }

  /** Whether the bytes will be there next time. */
  get kept(): boolean {
    return this.#disk !== undefined;
  }

  /** Drops what is here and starts over with a file of which this is known. */
  async begin(about: About): Promise<void> {
    this.about = about;
    this.size = 0;
    this.#memory = new Memory();
    await this.#onDisk(async ({ folder, data }) => {
      // In this order: what is here must never be taken for the beginning of the new file.
      data.truncate(0);
      data.flush();
      await writeAbout(folder, about);
    });
  }

  /** Adds bytes at the end. */
  async write(chunk: Uint8Array): Promise<void> {
    const written = await this.#onDisk(({ data }) => {
      if (data.write(chunk, { at: this.size }) < chunk.byteLength) throw new Error('The disk is full.');
    });
    if (!written) this.#memory.add(chunk);
    this.size += chunk.byteLength;
  }

  /** All bytes are here: marks the file as complete, lets go of it and gives it. */
  async finish(): Promise<Blob> {
    const about = { ...this.about!, bytes: this.size, complete: true };
    await this.#onDisk(async ({ folder, data }) => {
      data.flush();
      await writeAbout(folder, about);
    });
    if (!this.#disk) return this.#memory.blob();
    this.close();
    return fileOf(this.#disk.folder, 'data');
  }

  /** Lets go of the file; what is on disk stays. */
  close(): void {
    this.#disk?.data.close();
  }

  /** Tells whether it was done on the disk. Where that fails, as for lack of space, all goes to memory from then on. */
  async #onDisk(action: (disk: Disk) => void | Promise<void>): Promise<boolean> {
    const disk = this.#disk;
    if (!disk) return false;
    try {
      await action(disk);
      return true;
    } catch {
      this.#disk = undefined;
      const held = this.size;
      // Should reading fail too, nothing is here, and the download begins anew.
      this.size = 0;
      try {
        for (let at = 0; at < held; at += FOLD_BYTES) {
          const piece = new Uint8Array(Math.min(FOLD_BYTES, held - at));
          if (disk.data.read(piece, { at }) < piece.byteLength) throw new Error('The file cannot be read back.');
          this.#memory.add(piece);
        }
        this.size = held;
      } finally {
        disk.data.close();
      }
      await disk.folder.removeEntry('data');
      return false;
    }
  }
}

/** Bytes in memory. Once there are many they are folded into a Blob, which lives outside of JavaScript's heap. */
class Memory {
  #folded: Blob[] = [];
  #loose: BlobPart[] = [];
  #looseBytes = 0;

  add(bytes: Uint8Array): void {
    this.#loose.push(bytes as BlobPart);
    this.#looseBytes += bytes.byteLength;
    if (this.#looseBytes >= FOLD_BYTES) this.#fold();
  }

  blob(): Blob {
    this.#fold();
    return new Blob(this.#folded);
  }

  #fold(): void {
    this.#folded.push(new Blob(this.#loose));
    this.#loose = [];
    this.#looseBytes = 0;
  }
}

async function openRoot(): Promise<FileSystemDirectoryHandle> {
  const top = await navigator.storage.getDirectory();
  return top.getDirectoryHandle(ROOT, { create: true });
}

async function keyOf(url: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(url));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** All that is in the cache; without `stored` where a crash has left something unreadable. */
async function entries(): Promise<{ key: string; stored: Stored | undefined }[]> {
  const found = [];
  const root = await openRoot().catch(() => undefined);
  if (!root) return [];
  // Not in every version of TypeScript's `DOM`.
  const folders = root as unknown as { values(): AsyncIterable<FileSystemDirectoryHandle> };
  for await (const folder of folders.values()) {
    const stored = await read(folder).catch(() => undefined);
    found.push({ key: folder.name, stored });
  }
  return found;
}

async function removeKey(key: string, what: string): Promise<void> {
  try {
    const root = await openRoot();
    await root.removeEntry(key, { recursive: true });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'NoModificationAllowedError') {
      throw new FathomError('in-use', `${what} cannot be deleted while it is being downloaded.`, { cause });
    }
    // Otherwise there is nothing to delete, or no private file system.
  }
}

/** Whether nothing is missing of a model whose stored files these are. */
async function isModelWhole(files: Stored[]): Promise<boolean> {
  const present = files.filter((file) => !file.about.absent);
  if (!present.every(isWhole)) return false;
  const names = new Set<unknown>(present.map((file) => file.about.name));
  const index = present.find((file) => file.about.name === 'model.safetensors.index.json');
  try {
    const weights = index ? Object.values(JSON.parse(await index.data.text()).weight_map) : ['model.safetensors'];
    return weights.every((name) => names.has(name));
  } catch {
    return false; // an index that is none
  }
}

async function read(folder: FileSystemDirectoryHandle): Promise<Stored> {
  const about = JSON.parse(await (await fileOf(folder, 'about.json')).text());
  return { about, data: await fileOf(folder, 'data') };
}

async function fileOf(folder: FileSystemDirectoryHandle, name: string): Promise<File> {
  return (await folder.getFileHandle(name)).getFile();
}

async function writeAbout(folder: FileSystemDirectoryHandle, about: About): Promise<void> {
  const handle = await openSync(folder, 'about.json');
  try {
    const bytes = new TextEncoder().encode(JSON.stringify(about));
    handle.truncate(0);
    if (handle.write(bytes, { at: 0 }) < bytes.byteLength) throw new Error('The disk is full.');
    handle.flush();
  } finally {
    handle.close();
  }
}

async function openSync(folder: FileSystemDirectoryHandle, name: string): Promise<SyncHandle> {
  const file = await folder.getFileHandle(name, { create: true });
  return (file as unknown as { createSyncAccessHandle(): Promise<SyncHandle> }).createSyncAccessHandle();
}
