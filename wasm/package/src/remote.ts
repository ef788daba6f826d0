/// <reference lib="esnext.disposable" preserve="true" />
/** What every loaded model has, as the page's thread sees it. All work is the worker's. */
import { FathomError } from './errors.js';
import type { Link } from './link.js';
import type { Loaded } from './protocol.js';
import type { DeviceInfo } from './types.js';

/** How long freeing in good order may take. */
const DISPOSE_MS = 2000;

/** A model, loaded in a worker of its own. */
export class Remote<Config> {
  readonly name: string;
  readonly config: Config;
  /** Whether its files lie in the browser's cache. */
  readonly cached: boolean;
  /** @internal */
  protected readonly link: Link;
  #device: DeviceInfo;

  /** Use `load` or `loadPuzzles`. */
  constructor(link: Link, loaded: Loaded<Config>) {
    this.link = link;
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

  /** Frees the device's memory and ends the worker; what is under way fails with the code `aborted` or `disposed`. */
  async dispose(): Promise<void> {
    // Ending the worker frees everything too; a worker that is stuck is not waited for.
    const freed = this.link.call<void>('dispose', []).result.catch(() => {});
    await Promise.race([freed, new Promise((resolve) => setTimeout(resolve, DISPOSE_MS))]);
    this.link.end(new FathomError('disposed', 'The model was disposed.'));
  }

  /** For `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
