/** How deep the model would think after each token of the prompt, kept up to date while somebody types. */

import { effect, signal } from '@preact/signals';
import type { DepthOptions, Model, PrefixInfo, TokenPiece } from 'fathom-engine';
import { model } from './model.ts';
import { prompt } from './prompt.ts';
import { running } from './run.ts';
import { depthOptions, valid } from './settings.ts';

export interface Prefix extends PrefixInfo {
  text: string;
}

export const prefixes = signal<Prefix[]>([]);

const PAUSE_MS = 90;

interface Wish {
  asked: Model;
  text: string;
  options: DepthOptions;
}

let wish: Wish | undefined;
let working = false;

/** One request at a time; of those that come meanwhile only the last one counts. */
async function work() {
  if (working) return;
  working = true;
  while (wish) {
    const { asked, text, options } = wish;
    wish = undefined;
    try {
      const [pieces, found] = await Promise.all([asked.tokenize(text), asked.prefixes(text, options)]);
      if (!wish) prefixes.value = join(pieces, found);
    } catch {
      // A text that cannot be read has no depths. Asking tells what is wrong with it.
      if (!wish) prefixes.value = [];
    }
  }
  working = false;
}

function join(pieces: TokenPiece[], found: PrefixInfo[]): Prefix[] {
  return found.map((info, i) => ({ ...info, text: pieces[i]?.text ?? '' }));
}

effect(() => {
  const next = model.value && { asked: model.value, text: prompt.value, options: depthOptions.value };
  // The answer comes first: the device is not shared with it.
  if (!next || running.value || !valid.value) return;
  if (next.text === '') {
    prefixes.value = [];
    return;
  }
  const timer = setTimeout(() => {
    wish = next;
    void work();
  }, PAUSE_MS);
  return () => clearTimeout(timer);
});
