/** The models whose files lie in this browser, of whatever kind. */

import { signal } from '@preact/signals';
import { deleteCache, listCache, type CachedModel } from 'fathom-engine';
import { report } from './trouble.ts';

export const stored = signal<CachedModel[]>([]);

export async function refreshStored(): Promise<void> {
  // A browser without storage simply has nothing stored.
  stored.value = await listCache().catch(() => []);
}

export async function forget(url?: string): Promise<void> {
  await deleteCache(url).catch(report);
  await refreshStored();
}
