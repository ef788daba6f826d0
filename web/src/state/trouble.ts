/** What went wrong, in plain words, and what can be done about it. */

import { signal } from '@preact/signals';
import { FathomError, type Warning } from 'fathom-engine';
import { adviceFor } from '../lib/advice.ts';

export interface Trouble {
  code: string;
  message: string;
  advice: string;
}

export const trouble = signal<Trouble | undefined>(undefined);
export const warnings = signal<Warning[]>([]);

/** Shows an error, unless it is what somebody asked for. */
export function report(error: unknown): void {
  if (isAbort(error)) return;
  const code = error instanceof FathomError ? error.code : 'unknown';
  const message = error instanceof Error ? error.message : String(error);
  trouble.value = { code, message, advice: adviceFor(code) };
}

/** Stopped, or its model was replaced. */
export function isAbort(error: unknown): boolean {
  return error instanceof FathomError && (error.code === 'aborted' || error.code === 'disposed');
}

export function warn(warning: Warning): void {
  // A warning that comes with each token is said once.
  if (!warnings.value.some((known) => known.message === warning.message)) warnings.value = [...warnings.value, warning];
}
