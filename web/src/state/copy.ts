/** Puts texts on the clipboard, and says so. */

import { signal } from '@preact/signals';

interface Notice {
  text: string;
  /** What could not be copied, to be copied by hand. */
  byHand?: string;
}

export const notice = signal<Notice | undefined>(undefined);

export async function copy(what: string, text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    notice.value = { text: `${what} copied.` };
  } catch {
    notice.value = { text: 'The browser refused to copy. Copy it by hand:', byHand: text };
  }
}
