/** A loaded language model. */
import { checked, checkedTokens } from './options.js';
import { Remote } from './remote.js';
import { stream } from './stream.js';
import type {
  ForwardOptions, ForwardResult, GenerateOptions, ModelConfig, PrefixInfo, PrefixOptions, TokenEvent, TokenPiece,
} from './types.js';

/** A language model, loaded in a worker of its own. */
export class Model extends Remote<ModelConfig> {
  /**
   * Answers a prompt, a text or token ids. Tokens are computed as they are read, a few ahead; leaving the loop ends
   * the answer.
   */
  async *generate(prompt: string | number[], options: GenerateOptions = {}): AsyncGenerator<TokenEvent, void, void> {
    const { onStep, signal, ...rest } = options;
    if (onStep) rest.trace = true;
    yield* stream(this.link, 'generate', [checkedTokens('prompt', prompt), checked(rest)], signal, (event) => {
      if ('step' in event) onStep?.(event.step, event.place);
      return 'token' in event ? event.token : undefined;
    });
  }

  /** One uncached forward: depth, halting values, logits. */
  async forward(prompt: string | number[], options: ForwardOptions = {}): Promise<ForwardResult> {
    const { signal, ...rest } = options;
    return this.link.call<ForwardResult>('forward', [checkedTokens('prompt', prompt), checked(rest)], signal).result;
  }

  /**
   * What each prefix of a text comes to by itself, a place for each token. Made for typing: what begins like the call
   * before is not computed again.
   */
  async prefixes(prompt: string | number[], options: PrefixOptions = {}): Promise<PrefixInfo[]> {
    const { signal, ...rest } = options;
    return this.link.call<PrefixInfo[]>('prefixes', [checkedTokens('prompt', prompt), checked(rest)], signal).result;
  }

  /** The tokens of a text. */
  async tokenize(text: string): Promise<TokenPiece[]> {
    return this.link.call<TokenPiece[]>('tokenize', [text]).result;
  }

  /** The text of tokens. */
  async detokenize(tokens: number[]): Promise<string> {
    return this.link.call<string>('detokenize', [checkedTokens('prompt', tokens)]).result;
  }
}
