/** The worker's calls: about no model yet, to load one, and those of the model that is loaded. */
import { FathomError } from './errors.js';
import type { Warn } from './held.js';
import { Language } from './language.js';
import { inspect } from './loading.js';
import type { LoadRequest } from './protocol.js';
import { Puzzles } from './puzzles.js';
import type { Call } from './worker.js';

export class Host {
  #model: Language | Puzzles | undefined;

  constructor(readonly warn: Warn) {}

  /** Runs a call of the page's. */
  async run(name: string, args: unknown[], call: Call): Promise<unknown> {
    switch (name) {
      case 'inspect':
        return inspect(args[0] as LoadRequest, call);
      case 'load':
        return (this.#model = new Language(this.warn)).load(args[0] as LoadRequest, call);
      case 'loadPuzzles':
        return (this.#model = new Puzzles(this.warn)).load(args[0] as LoadRequest, call);
      case 'dispose':
        return this.#model?.dispose();
      default:
        if (!this.#model) throw new FathomError('disposed', 'There is no model.');
        return this.#model.run(name, args, call);
    }
  }
}
