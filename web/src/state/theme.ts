/** Light and dark: the system's choice until somebody makes another one. */

import { computed, effect, signal } from '@preact/signals';

const KEY = 'fathom-theme';

/** Storage may be forbidden; then the choice holds for this visit. */
function remembered(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export const dark = signal((remembered() ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark');

effect(() => {
  document.documentElement.dataset.theme = dark.value ? 'dark' : 'light';
});

export function toggleTheme(): void {
  dark.value = !dark.value;
  try {
    localStorage.setItem(KEY, dark.value ? 'dark' : 'light');
  } catch {
    // See above.
  }
}

/** The red, green and blue of `--stir`, for a canvas; read once for each theme, because reading it costs a layout. */
export const stirColour = computed(() => {
  void dark.value;
  const hex = getComputedStyle(document.documentElement).getPropertyValue('--stir').trim();
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
});
