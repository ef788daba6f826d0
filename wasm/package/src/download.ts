/** One file of a server: asked about once, downloaded into the store, taken up again where it broke off. */
import { FathomError, throwIfAborted } from './errors.js';
import { Sink, find, isWhole, storeAbsence, type Facts, type Stored } from './store.js';

/** How files are fetched. */
export interface FetchOptions {
  /** Keep the file in the browser and use it from there (default: true). */
  cache?: boolean;
  /** An attempt that brings nothing for so many milliseconds is given up (default: 20 000). */
  stallMs?: number;
}

/** Attempts without a single new byte before giving up. */
const ATTEMPTS = 5;
const FIRST_PAUSE_MS = 100;
/** Statuses behind which the next attempt may well succeed. */
const PASSING = new Set([408, 429, 500, 502, 503, 504]);

/** A file on a server, and what is in the cache of it. */
export class RemoteFile {
  readonly url: string;
  #cache: boolean;
  #stallMs: number;
  #answer: Promise<Answer> | undefined;
  #kept = false;

  constructor(
    readonly folder: URL,
    readonly name: string,
    { cache = true, stallMs = 20_000 }: FetchOptions = {},
  ) {
    const url = new URL(encodeURIComponent(name), folder);
    url.search = folder.search;
    this.url = url.href;
    this.#cache = cache;
    this.#stallMs = stallMs;
  }

  /** Whether all of the file lies in the cache, as `look` or `open` has found. */
  get kept(): boolean {
    return this.#kept;
  }

  /**
   * Whether the server has the file and how long it is (0: it does not tell), asked with a HEAD request. `unknown` if
   * neither the server, which may be out of reach, nor the cache knows.
   */
  async look(signal?: AbortSignal): Promise<Pick<Facts, 'bytes'> | 'missing' | 'unknown'> {
    const stored = await this.#stored();
    const answer = await this.#ask(signal);
    this.#kept = stored !== undefined && isFresh(stored, answer);
    if (stored && this.#kept) return { bytes: stored.data.size };
    if (answer === 'unknown' && stored?.about.absent) return 'missing';
    return answer;
  }

  /** The file, from the cache or the server. `onBytes` is told how much of it is there. */
  async open(onBytes?: (done: number) => void, signal?: AbortSignal): Promise<Blob> {
    throwIfAborted(signal, `Downloading ${this.url}`);
    if (!this.#cache) return this.#download(onBytes, signal);
    return exclusively(this.url, signal, async () => {
      const stored = await this.#stored();
      if (stored && isWhole(stored) && isFresh(stored, await this.#ask(signal))) {
        this.#kept = true;
        onBytes?.(stored.data.size);
        return stored.data;
      }
      return this.#download(onBytes, signal);
    });
  }

  /** Remembers, for the times without a network, that the server does not have the file. */
  async markMissing(): Promise<void> {
    if (this.#cache && !(await this.#stored())?.about.absent) {
      await storeAbsence(this.url, this.folder.href, this.name);
    }
  }

  async #stored(): Promise<Stored | undefined> {
    return this.#cache ? find(this.url) : undefined;
  }

  async #ask(signal?: AbortSignal): Promise<Answer> {
    this.#answer ??= askHead(this.url, either(signal, AbortSignal.timeout(this.#stallMs)));
    const answer = await this.#answer;
    throwIfAborted(signal, `Looking for ${this.url}`);
    return answer;
  }

  async #download(onBytes?: (done: number) => void, signal?: AbortSignal): Promise<Blob> {
    const sink = await Sink.open(this.url, this.#cache);
    let furthest = sink.size;
    for (let failures = 0; ; ) {
      try {
        await this.#attempt(sink, onBytes, signal);
        break;
      } catch (error) {
        failures = sink.size > furthest ? 0 : failures + 1;
        furthest = Math.max(furthest, sink.size);
        if (signal?.aborted || !(error instanceof Interruption) || failures === ATTEMPTS) {
          sink.close();
          throwIfAborted(signal, `Downloading ${this.url}`);
          throw error;
        }
        await pause(FIRST_PAUSE_MS * 2 ** failures, signal);
      }
    }
    const blob = await sink.finish();
    this.#kept = sink.kept;
    return blob;
  }

  /** Fetches what is missing in the sink. */
  async #attempt(sink: Sink, onBytes?: (done: number) => void, signal?: AbortSignal): Promise<void> {
    const stall = new AbortController();
    let timer = setTimeout(() => stall.abort(), this.#stallMs);
    let answered = false;
    try {
      const answer = await this.#request(sink, either(signal, stall.signal));
      answered = true;
      const promised = sink.about!.bytes;
      const reader = answer.body!.getReader();
      for (;;) {
        onBytes?.(sink.size);
        const { done, value } = await reader.read();
        if (done) break;
        clearTimeout(timer);
        timer = setTimeout(() => stall.abort(), this.#stallMs);
        await sink.write(value);
      }
      // A browser cuts a whole file at its promised length. If there is more, it was compressed, which other sites are
      // not told, and the length is not the file's.
      const tooLong = sink.size > promised && answer.status === 206;
      if (promised > 0 && (sink.size < promised || tooLong)) {
        throw new Interruption('wrong-length', `${this.url} should have ${promised} bytes, but it has ${sink.size}.`);
      }
    } catch (cause) {
      if (cause instanceof FathomError) throw cause;
      if (stall.signal.aborted) {
        const message = `${this.url} brought nothing for ${this.#stallMs / 1000} s after ${sink.size} bytes.`;
        throw new Interruption('stalled', message, { cause });
      }
      const message = answered
        ? `The connection broke off after ${sink.size} bytes of ${this.url}.`
        : `${this.url} cannot be reached: there is no connection, or its server does not allow other sites (CORS).`;
      throw new Interruption('network', message, { cause });
    } finally {
      clearTimeout(timer);
      // Whatever else the server wanted to send is not needed.
      stall.abort();
    }
  }

  /** Asks for what is missing in the sink, or for the whole file, for which it then makes the sink ready. */
  async #request(sink: Sink, signal: AbortSignal): Promise<Response> {
    // No If-Range: it would need the server's permission (a CORS preflight). `continues` compares instead.
    const get = (headers: HeadersInit) => fetch(this.url, { headers, signal, cache: 'no-store' });
    let answer = await get(canGoOn(sink) ? { Range: `bytes=${sink.size}-` } : {});
    if (continues(answer, sink)) return answer;
    if (answer.status === 206 || answer.status === 416) {
      await answer.body?.cancel();
      answer = await get({});
    }
    if (isMissing(answer)) throw new FathomError('not-found', `${this.url} does not exist.`);
    if (answer.status !== 200) {
      const Kind = PASSING.has(answer.status) ? Interruption : FathomError;
      throw new Kind('http', `${this.url} was answered with status ${answer.status} instead of the file.`);
    }
    const { folder, name, url } = this;
    await sink.begin({ url, folder: folder.href, name, ...factsOf(answer), complete: false });
    return answer;
  }
}

/** What another attempt may get over. */
class Interruption extends FathomError {}

/** What a HEAD request has brought; `unknown` where it failed or is not allowed. */
type Answer = Facts | 'missing' | 'unknown';

async function askHead(url: string, signal: AbortSignal): Promise<Answer> {
  try {
    const answer = await fetch(url, { method: 'HEAD', cache: 'no-store', signal });
    if (isMissing(answer)) return 'missing';
    return answer.ok ? factsOf(answer) : 'unknown';
  } catch {
    return 'unknown';
  }
}

/** A host of a single-page application answers with its page, not with 404. */
function isMissing(answer: Response): boolean {
  const isPage = answer.ok && answer.headers.get('content-type')?.startsWith('text/html');
  return answer.status === 404 || answer.status === 410 || isPage === true;
}

function factsOf({ headers }: Response): Facts {
  // A compressed file's Content-Length is not the length of what arrives.
  const length = headers.has('content-encoding') ? 0 : Number(headers.get('content-length'));
  return { bytes: length, etag: headers.get('etag') ?? '', lastModified: headers.get('last-modified') ?? '' };
}

/** By the best of what is known of both. */
function isSame(one: Facts, other: Facts): boolean {
  // The same file has a weak tag (`W/`) where the server compresses it.
  const tag = (facts: Facts) => facts.etag.replace(/^W\//, '');
  if (one.etag && other.etag) return tag(one) === tag(other);
  if (one.lastModified && other.lastModified) return one.lastModified === other.lastModified;
  return one.bytes === other.bytes || one.bytes === 0 || other.bytes === 0;
}

/** Whether a file from the cache can be used, after what the server says. If it says nothing, it can. */
function isFresh(stored: Stored, answer: Answer): boolean {
  return isWhole(stored) && answer !== 'missing' && (answer === 'unknown' || isSame(stored.about, answer));
}

/** Whether there is a beginning of which it is known how it goes on. */
function canGoOn({ about, size }: Sink): boolean {
  if (about === undefined || about.complete || size === 0 || size >= about.bytes) return false;
  // Of a file that is not marked nobody could tell whether it has changed; files of one length are common here.
  return about.lastModified !== '' || (about.etag !== '' && !about.etag.startsWith('W/'));
}

/** Whether this is the rest of just the file whose beginning is in the sink. */
function continues(answer: Response, { about, size }: Sink): boolean {
  if (answer.status !== 206 || !about || answer.headers.has('content-encoding')) return false;
  const range = answer.headers.get('content-range');
  const fits = range
    ? range.startsWith(`bytes ${size}-`) && range.endsWith(`/${about.bytes}`)
    : // Other sites may not be told the range. Then the length has to do.
      Number(answer.headers.get('content-length')) === about.bytes - size;
  return fits && isSame(about, { ...factsOf(answer), bytes: about.bytes });
}

function either(signal: AbortSignal | undefined, other: AbortSignal): AbortSignal {
  return signal ? AbortSignal.any([signal, other]) : other;
}

/** Ends early when the signal aborts. */
function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Lets only one tab or worker download a file at a time; the others wait, and then find it in the cache. */
async function exclusively<T>(url: string, signal: AbortSignal | undefined, action: () => Promise<T>): Promise<T> {
  if (!navigator.locks) return action();
  try {
    return await navigator.locks.request(`fathom ${url}`, signal ? { signal } : {}, action);
  } catch (error) {
    throwIfAborted(signal, `Downloading ${url}`);
    throw error;
  }
}
