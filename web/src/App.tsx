import { LanguageTab } from './LanguageTab.tsx';
import { Tabs } from './panels/Tabs.tsx';
import { Theme } from './panels/Theme.tsx';
import { PuzzleTab } from './puzzle/PuzzleTab.tsx';
import { tab } from './state/tab.ts';

export function App() {
  const isPuzzle = tab.value === 'puzzle';
  return (
    <>
      <header class="masthead">
        <h1>Fathom</h1>
        <p>A small {isPuzzle ? 'solver of puzzles' : 'language model'} that decides for itself how long to think.</p>
        <Tabs />
        <Theme />
      </header>
      {isPuzzle ? <PuzzleTab /> : <LanguageTab />}
    </>
  );
}
