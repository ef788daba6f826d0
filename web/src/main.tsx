/** Starts loading before anything is drawn, and asks the first question as soon as there is a model. */

import { computed, effect } from '@preact/signals';
import { render } from 'preact';
import { App } from './App.tsx';
import { BEADS_EXAMPLES, TEXT_EXAMPLES } from './lib/beads.ts';
import { play, scrubTo } from './state/cursor.ts';
import { renderInFrames, whenDrawn } from './state/frame.ts';
import { restoreSettings } from './state/link.ts';
import { busy, config, consider, model, open, refreshStored, SHIPPED } from './state/model.ts';
import { prompt } from './state/prompt.ts';
import { given } from './state/query.ts';
import { ask, run, running } from './state/run.ts';
import { trouble } from './state/trouble.ts';
import './styles/index.css';

const pageState = computed(() =>
  trouble.value ? 'error' : running.value ? 'answering' : busy.value || !model.value ? 'loading' : 'ready');
effect(() => {
  const { dataset } = document.documentElement;
  const now = pageState.value;
  // An answer is there when it can be seen.
  if (now === 'answering' || now === 'loading') dataset.state = now;
  else whenDrawn(() => (dataset.state = pageState.peek()));
});

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

const dispose = effect(() => {
  if (!model.value) return;
  queueMicrotask(() => dispose());
  void answerFirst();
});

const linked = given.get('model');
restoreSettings();
void (linked ? consider(linked, { loadIfCached: true }) : open(SHIPPED));
void refreshStored();
renderInFrames();
render(<App />, document.getElementById('app')!);
