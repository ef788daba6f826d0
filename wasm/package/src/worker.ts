/** The worker: receives calls, runs them, sends back what comes of them. */
import { FathomError } from './errors.js';
import { Host } from './host.js';
import type { Reply, Request } from './protocol.js';

/** The worker's own end; TypeScript's `DOM` takes `self` for a window. */
const page = self as unknown as {
  postMessage(reply: Reply): void;
  onmessage: (event: { data: Request }) => void;
};

/** A call under way. */
export class Call {
  #credit = 0;
  #abort = new AbortController();
  #wake = (): void => {};

  constructor(readonly id: number) {}

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Tells the page of something on the way. */
  tell(event: OmitId<Reply>): void {
    page.postMessage({ ...event, id: this.id } as Reply);
  }

  /** The page wants so many pieces more. */
  grant(n: number): void {
    this.#credit += n;
    this.#wake();
  }

  abort(): void {
    this.#abort.abort();
    this.#wake();
  }

  /** Waits until the page wants a piece of its answer. */
  async wanted(): Promise<void> {
    await this.turn();
    while (this.#credit === 0 && !this.signal.aborted) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    this.throwIfAborted();
    this.#credit -= 1;
  }

  /** Lets messages in, as they come between tasks only, and the processor computes without a pause. */
  async turn(): Promise<void> {
    await nextTask();
    this.throwIfAborted();
  }

  throwIfAborted(): void {
    if (this.signal.aborted) throw new FathomError('aborted', 'It was aborted.');
  }
}

type OmitId<T> = T extends unknown ? Omit<T, 'id'> : never;

const host = new Host((warning, device) => page.postMessage({ warning, ...(device && { device }) }));
const calls = new Map<number, Call>();

page.onmessage = ({ data }) => {
  if ('want' in data) calls.get(data.id)?.grant(data.want);
  else if ('abort' in data) calls.get(data.id)?.abort();
  else void answer(data);
};

async function answer({ id, call: name, args }: Extract<Request, { call: string }>): Promise<void> {
  const call = new Call(id);
  calls.set(id, call);
  try {
    const value = await host.run(name, args, call);
    page.postMessage({ id, value });
  } catch (error) {
    page.postMessage({ id, error: told(error) });
  } finally {
    calls.delete(id);
  }
}

/** An error as it can be sent. The engine's are plain objects with a code. */
function told(error: unknown): { code: string; message: string } {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  // The engine's word for a file that cannot be read is that of programs with a disk.
  if (typeof code === 'string' && typeof message === 'string') return { code: code === 'io' ? 'unreadable' : code, message };
  return { code: 'internal', message: `A mistake in the engine, please report it: ${String(message ?? error)}` };
}

function nextTask(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
