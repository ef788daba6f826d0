/** Loads the language model when its tab is first seen, and asks the first question as soon as it is there. */

import { computed, effect } from '@preact/signals';
import { BEADS_EXAMPLES, TEXT_EXAMPLES } from '../lib/beads.ts';
import { play, scrubTo } from './cursor.ts';
import { restoreSettings } from './link.ts';
import { config, language, model, SHIPPED } from './model.ts';
import { prompt } from './prompt.ts';
import { given } from './query.ts';
import { ask, run, running } from './run.ts';
import { linkedModel } from './tab.ts';

export const languageState = computed(() =>
  running.value ? 'answering' : language.busy.value || !model.value ? 'loading' : 'ready');

/** The first model answers at once. That is over before anybody has seen it, so it is shown once more, slowly. */
async function answerFirst() {
  // A model of words, come by a link that brings no question, should not be asked to calculate.
  if (!given.has('prompt') && config.value!.vocabSize > 256) prompt.value = TEXT_EXAMPLES[0]!.prompt;
  // A GPU that the processor plays takes seconds for a long question; a short one shows as well that it works.
  else if (!given.has('prompt') && model.value!.device.software) prompt.value = BEADS_EXAMPLES[1]!.prompt;
  await ask(prompt.value);
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  if (still || run.value?.status !== 'done') return;
  scrubTo(0);
  play();
}

let started = false;

export function startLanguage(): void {
  if (started) return;
  started = true;
  const dispose = effect(() => {
    if (!model.value) return;
    queueMicrotask(() => dispose());
    void answerFirst();
  });
  const linked = linkedModel('language');
  restoreSettings();
  void (linked ? language.consider(linked, { loadIfCached: true }) : language.open(SHIPPED));
}
