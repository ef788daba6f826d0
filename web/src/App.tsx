import { Answer } from './ask/Answer.tsx';
import { Ask } from './ask/Ask.tsx';
import { Compare } from './panels/Compare.tsx';
import { Control } from './panels/Control.tsx';
import { Models } from './panels/Models.tsx';
import { Status } from './panels/Status.tsx';
import { Theme } from './panels/Theme.tsx';
import { Watch } from './watch/Watch.tsx';

export function App() {
  return (
    <>
      <header class="masthead">
        <h1>Fathom</h1>
        <p>A small language model that decides for itself how long to think.</p>
        <Theme />
      </header>
      <main>
        <div class="water-column">
          <Ask />
          <Answer />
          <Watch />
          <Compare />
        </div>
        <aside>
          <Control />
          <Models />
        </aside>
      </main>
      <Status />
    </>
  );
}
