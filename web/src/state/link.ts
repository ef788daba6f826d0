/**
 * A link restores prompt, model, backend and settings. What the page writes, it writes behind the `#`, which is never
 * sent to a server.
 */

import { address } from './model.ts';
import { backend, given } from './query.ts';
import { fields, typed } from './settings.ts';

export function restoreSettings(): void {
  for (const { key, name } of fields.value) typed[key].value = given.get(name) ?? '';
}

/** A link to this very question. A model of local files has no address, so its link asks the shipped one. */
export function linkTo(prompt: string): string {
  const parts = new URLSearchParams({ prompt });
  if (address.value) parts.set('model', address.value);
  if (backend !== 'auto') parts.set('backend', backend);
  for (const { key, name } of fields.value) if (typed[key].value) parts.set(name, typed[key].value);
  return `${location.origin}${location.pathname}#${parts}`;
}
