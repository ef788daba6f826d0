/** Starts loading what the tab in view needs before anything is drawn. */

import { computed, effect, untracked } from '@preact/signals';
import { render } from 'preact';
import { App } from './App.tsx';
import { puzzleState, startPuzzle } from './puzzle/state/start.ts';
import { renderInFrames, whenDrawn } from './state/frame.ts';
import { languageState, startLanguage } from './state/start.ts';
import { refreshStored } from './state/stored.ts';
import { tab } from './state/tab.ts';
import { trouble } from './state/trouble.ts';
import './styles/index.css';

const pageState = computed(() =>
  trouble.value ? 'error' : tab.value === 'puzzle' ? puzzleState.value : languageState.value);
effect(() => {
  const { dataset } = document.documentElement;
  const now = pageState.value;
  // An answer is there when it can be seen.
  if (now === 'answering' || now === 'loading') dataset.state = now;
  else whenDrawn(() => (dataset.state = pageState.peek()));
});

effect(() => {
  const start = tab.value === 'puzzle' ? startPuzzle : startLanguage;
  untracked(start);
});
void refreshStored();
renderInFrames();
render(<App />, document.getElementById('app')!);
