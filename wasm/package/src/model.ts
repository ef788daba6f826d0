/// <reference lib="esnext.disposable" preserve="true" />
/** A loaded model, as the page's thread sees it. All work is the worker's. */
import { FathomError, throwIfAborted } from './errors.js';
import type { Link } from './link.js';
import { checked, checkedPrompt } from './options.js';
import type { Loaded } from './protocol.js';
import type {
  DeviceInfo, ForwardOptions, ForwardResult, GenerateOptions, ModelConfig, PrefixInfo, PrefixOptions, TokenEvent, TokenPiece,
} from './types.js';

/** Tokens that the worker may be ahead of the reader: none is computed that nobody asks for but these. */
const AHEAD = 4;

/** How long freeing in good order may take. */
const DISPOSE_MS = 2000;

/** A model, loaded in a worker of its own. */
export class Model {
  readonly name: string;
  readonly config: ModelConfig;
  /** Whether its files lie in the browser's cache. */
  readonly cached: boolean;
  #device: DeviceInfo;
  #link: Link;

  /** Use `load`. */
  constructor(link: Link, loaded: Loaded) {
    this.#link = link;
    this.name = loaded.name;
    this.config = loaded.config;
    this.cached = loaded.cached;
    this.#device = loaded.device;
  }

  /** What it computes on; another one after a lost device was replaced. */
  get device(): DeviceInfo {
    return this.#device;
  }

  /** @internal Another device took over. */
  moved(device: DeviceInfo): void {
    this.#device = device;
  }

  /**
   * Answers a prompt, a text or token ids. Tokens are computed as they are read, a few ahead; leaving the loop ends
   * the answer.
   */
  async *generate(prompt: string | number[], options: GenerateOptions = {}): AsyncGenerator<TokenEvent, void, void> {
    const { onStep, signal, ...rest } = options;
    if (onStep) rest.trace = true;
    const ready: TokenEvent[] = [];
    let wake = (): void => {};
    let over = false;
    const { id, result } = this.#link.call<void>(
      'generate', [checkedPrompt(prompt), checked(rest), AHEAD], signal,
      (event) => {
        if ('step' in event) onStep?.(event.step, event.place);
        if ('token' in event) ready.push(event.token);
        wake();
      },
    );
    const ended = result.finally(() => {
      over = true;
      wake();
    });
    // Whoever reads on is told of the failure below; who has left is not.
    ended.catch(() => {});
    const onAbort = () => wake();
    signal?.addEventListener('abort', onAbort);
    try {
      for (;;) {
        // At once, not when the worker has come to the end of its token.
        throwIfAborted(signal, 'The answer');
        const token = ready.shift();
        if (token) {
          this.#link.send({ id, want: 1 });
          yield token;
        } else if (over) {
          return await ended;
        } else {
          await new Promise<void>((resolve) => (wake = resolve));
        }
      }
    } finally {
      signal?.removeEventListener('abort', onAbort);
      if (!over) this.#link.send({ id, abort: true });
    }
  }

  /** One uncached forward: depth, halting values, logits. */
  async forward(prompt: string | number[], options: ForwardOptions = {}): Promise<ForwardResult> {
    const { signal, ...rest } = options;
    return this.#link.call<ForwardResult>('forward', [checkedPrompt(prompt), checked(rest)], signal).result;
  }

  /**
   * What each prefix of a text comes to by itself, a place for each token. Made for typing: what begins like the call
   * before is not computed again.
   */
  async prefixes(prompt: string | number[], options: PrefixOptions = {}): Promise<PrefixInfo[]> {
    const { signal, ...rest } = options;
    return this.#link.call<PrefixInfo[]>('prefixes', [checkedPrompt(prompt), checked(rest)], signal).result;
  }

  /** The tokens of a text. */
  async tokenize(text: string): Promise<TokenPiece[]> {
    return this.#link.call<TokenPiece[]>('tokenize', [text]).result;
  }

  /** The text of tokens. */
  async detokenize(tokens: number[]): Promise<string> {
    return this.#link.call<string>('detokenize', [checkedPrompt(tokens)]).result;
  }

  /** Frees the device's memory and ends the worker; what is under way fails with the code `aborted` or `disposed`. */
  async dispose(): Promise<void> {
    // Ending the worker frees everything too; a worker that is stuck is not waited for.
    const freed = this.#link.call<void>('dispose', []).result.catch(() => {});
    await Promise.race([freed, new Promise((resolve) => setTimeout(resolve, DISPOSE_MS))]);
    this.#link.end(new FathomError('disposed', 'The model was disposed.'));
  }

  /** For `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
