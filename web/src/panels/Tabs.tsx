/** The two halves of the page. Links, so that each can be opened in a tab of the browser too. */

import { addressOf, go, tab, type Tab } from '../state/tab.ts';

const TABS: [Tab, string][] = [['language', 'Language'], ['puzzle', 'Puzzle']];

export function Tabs() {
  return (
    <nav class="tabs" aria-label="What it thinks about">
      {TABS.map(([each, name]) => (
        <a
          key={each}
          href={addressOf(each)}
          data-testid={`tab-${each}`}
          aria-current={tab.value === each ? 'page' : undefined}
          onClick={(event) => {
            if (event.metaKey || event.ctrlKey || event.shiftKey) return;
            event.preventDefault();
            go(each);
          }}
        >
          {name}
        </a>
      ))}
    </nav>
  );
}
