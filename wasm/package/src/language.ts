/** A language model in the worker, and the calls that it takes. */
import { FathomError } from './errors.js';
import type { Answer, LoadedModel, Typed } from './fathom.js';
import { Held, type Warn } from './held.js';
import type { Loaded, LoadRequest } from './protocol.js';
import type { ForwardOptions, TokenEvent } from './types.js';
import type { Call } from './worker.js';

type Prompt = string | number[];

export class Language {
  #held: Held<LoadedModel>;
  #typed: { model: LoadedModel; typed: Typed } | undefined;
  #lastTyped: Promise<unknown> = Promise.resolve();

  constructor(warn: Warn) {
    this.#held = new Held('cosmicfish_hrm', (files, { device, weights, kv }, onProgress) => files.load(device, weights, kv, onProgress), warn);
  }

  load(request: LoadRequest, call: Call): Promise<Loaded<unknown>> {
    return this.#held.load(request, call);
  }

  async run(name: string, args: unknown[], call: Call): Promise<unknown> {
    const { model } = this.#held;
    switch (name) {
      case 'tokenize':
        return model.pieces(this.#tokens(args[0] as string));
      case 'detokenize':
        return model.decode(Uint32Array.from(args[0] as number[]));
      case 'generate':
        return this.#generate(args[0] as Prompt, args[1] as object, args[2] as number, call);
      case 'prefixes':
        return this.#prefixes(args[0] as Prompt, args[1] as object, call);
      case 'forward':
        return this.#held.onDevice((on) => on.forward(this.#tokens(args[0] as Prompt), args[1] as ForwardOptions));
      default:
        throw new FathomError('internal', `There is no call ${name}.`);
    }
  }

  #generate(prompt: Prompt, options: object, ahead: number, call: Call): Promise<void> {
    const next = async (answer: Answer, place: number) => {
      const token = (await answer.next((step: never) => call.tell({ step, place }))) as TokenEvent | undefined;
      const sentence = answer.overflowed();
      if (sentence) this.#held.warn({ code: 'window-full', message: `${sentence}.` });
      return token;
    };
    const start = (model: LoadedModel) => model.generate(this.#tokens(prompt), options);
    return this.#held.stream(start, next, (token) => call.tell({ token }), ahead, call);
  }

  /** One after the other: they share a cache. */
  #prefixes(prompt: Prompt, options: object, call: Call): Promise<unknown> {
    const read = async () => {
      await call.turn();
      return this.#held.onDevice((model) => {
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

  async dispose(): Promise<void> {
    this.#held.abort();
    await this.#lastTyped;
    this.#typed?.typed.free();
    this.#typed = undefined;
    this.#held.free();
  }

  #tokens(prompt: Prompt): Uint32Array {
    return typeof prompt === 'string' ? this.#held.model.encode(prompt) : Uint32Array.from(prompt);
  }
}
