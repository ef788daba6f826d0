/** Loads a model's files as the package's worker does, and tells what came of it. */
import { forget, list } from '/dist/files.js';

const full = () => {
  throw new DOMException('The quota has been exceeded.', 'QuotaExceededError');
};

/** What the browser may lack. */
const stubs = {
  noFileSystem() {
    navigator.storage.getDirectory = async () => {
      throw new DOMException('Not allowed.', 'SecurityError');
    };
  },
  fullDisk() {
    FileSystemSyncAccessHandle.prototype.write = full;
  },
  diskOf600kB() {
    const write = FileSystemSyncAccessHandle.prototype.write;
    FileSystemSyncAccessHandle.prototype.write = function (bytes, options) {
      return options.at + bytes.byteLength > 600_000 ? full() : write.call(this, bytes, options);
    };
  },
};

async function sha256(blob) {
  const hash = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer());
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Files as a user chooses them, or bytes, from texts by path. */
function localSource(texts, asFiles) {
  const paths = Object.entries(texts);
  if (!asFiles) return Object.fromEntries(paths.map(([path, text]) => [path, new TextEncoder().encode(text)]));
  return paths.map(([path, text]) => {
    const file = new File([text], path.split('/').at(-1));
    return Object.defineProperty(file, 'webkitRelativePath', { value: path });
  });
}

async function load({ source, texts, asFiles, cache, stallMs, abortAt, abortListing, thenForget }) {
  const abort = new AbortController();
  if (abortListing) abort.abort();
  const listing = await list(source ?? localSource(texts, asFiles), { cache, stallMs, signal: abort.signal });
  const weights = [];
  for (const file of listing.weights) {
    const { name, bytes, cached } = file;
    const progress = [];
    const blob = await file.open((done) => {
      progress.push(done);
      if (done >= abortAt) abort.abort();
    }, abort.signal);
    const rising = progress.every((done, i) => i === 0 || done >= progress[i - 1]);
    const told = { rising, last: progress.at(-1) };
    weights.push({ name, bytes, cached, kept: file.cached, sha256: await sha256(blob), ...told });
  }
  const tokenizer = await (await listing.tokenizer?.())?.text();
  if (thenForget) await forget(listing);
  return { name: listing.name, config: listing.config, index: listing.index, tokenizer, weights };
}

onmessage = async ({ data: job }) => {
  if (job.stub) stubs[job.stub]();
  try {
    postMessage({ model: await load(job) });
  } catch (error) {
    postMessage({ error: { name: error.name, code: error.code, message: error.message } });
  }
};
