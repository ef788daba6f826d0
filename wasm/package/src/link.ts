/** The page's end of a worker: calls with their answers, and what comes on the way. */
import { FathomError, throwIfAborted } from './errors.js';
import type { Reply, Request } from './protocol.js';
import type { DeviceInfo, Warning } from './types.js';

/** Told of what comes on the way of a call. */
export type OnEvent = (event: Reply) => void;

interface Pending {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
  onEvent: OnEvent | undefined;
}

/** How long a worker has to end what is aborted in good order. */
const GRACE_MS = 500;

export class Link {
  #worker = startWorker();
  #pending = new Map<number, Pending>();
  #lastId = 0;
  #ended: FathomError | undefined;

  /** Warnings may come at any time, long after the call that loaded the model. */
  constructor(readonly onWarning?: (warning: Warning, device?: DeviceInfo) => void) {
    this.#worker.onmessage = ({ data }: MessageEvent<Reply>) => this.#receive(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.end(new FathomError('worker', `The worker cannot go on: ${event.message || 'its script did not load'}.`));
    };
  }

  /** Calls a function of the worker's. */
  call<T>(call: string, args: unknown[], signal?: AbortSignal, onEvent?: OnEvent): { id: number; result: Promise<T> } {
    const id = ++this.#lastId;
    let onAbort = (): void => {};
    const result = new Promise<unknown>((resolve, reject) => {
      if (this.#ended) throw this.#ended;
      throwIfAborted(signal, call);
      const pending: Pending = { resolve, reject, onEvent };
      onAbort = () => {
        this.send({ id, abort: true });
        // What is aborted is never fulfilled, also where the answer was on its way already. And a worker that is in the
        // middle of a long computation, which hears of it only afterwards, is not waited for.
        const fail = () => reject(new FathomError('aborted', `${call} was aborted.`));
        pending.resolve = fail;
        setTimeout(fail, GRACE_MS);
      };
      this.#pending.set(id, pending);
      signal?.addEventListener('abort', onAbort);
      try {
        this.send({ id, call, args });
      } catch (cause) {
        this.#pending.delete(id);
        throw new FathomError('option', `What was given cannot be sent to a worker: ${String(cause)}.`, { cause });
      }
    });
    const settled = result.finally(() => signal?.removeEventListener('abort', onAbort));
    return { id, result: settled as Promise<T> };
  }

  send(request: Request): void {
    if (!this.#ended) this.#worker.postMessage(request);
  }

  /** Ends the worker; what is under way fails with `error`, as does everything afterwards. */
  end(error: FathomError): void {
    this.#ended ??= error;
    this.#worker.terminate();
    for (const { reject } of this.#pending.values()) reject(this.#ended);
    this.#pending.clear();
  }

  #receive(reply: Reply): void {
    if ('warning' in reply) return this.onWarning?.(reply.warning, reply.device);
    const pending = this.#pending.get(reply.id);
    if (!pending) return;
    if ('value' in reply || 'error' in reply) this.#pending.delete(reply.id);
    if ('value' in reply) pending.resolve(reply.value);
    else if ('error' in reply) pending.reject(new FathomError(reply.error.code, reply.error.message));
    else pending.onEvent?.(reply);
  }
}

function startWorker(): Worker {
  try {
    // Written so that bundlers see it.
    return new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'fathom' });
  } catch {
    // A package that is served from another origin, as by a CDN: its worker has to be imported by one of ours.
    const script = `import ${JSON.stringify(new URL('./worker.js', import.meta.url).href)};`;
    const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
    return new Worker(url, { type: 'module', name: 'fathom' });
  }
}
