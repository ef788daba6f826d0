/** Which half of the page is seen. The other one loads nothing until somebody goes there. */

import { signal } from '@preact/signals';
import { given } from './query.ts';

export type Tab = 'language' | 'puzzle';

/** A link to a puzzle has it behind this name; alone it opens the tab. */
const opened: Tab = given.has('puzzle') ? 'puzzle' : 'language';
export const tab = signal<Tab>(opened);

/** The model that the page's address names; it is meant for the tab that the address opens. */
export const linkedModel = (of: Tab): string | null => (of === opened ? given.get('model') : null);

export function addressOf(to: Tab): string {
  const address = new URL(location.href);
  address.searchParams.delete('puzzle');
  address.hash = to === 'puzzle' ? 'puzzle' : '';
  return address.href;
}

export function go(to: Tab): void {
  tab.value = to;
  history.replaceState(null, '', addressOf(to));
}
