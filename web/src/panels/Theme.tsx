import { dark, toggleTheme } from '../state/theme.ts';

export function Theme() {
  const other = dark.value ? 'light' : 'dark';
  return <button type="button" class="theme" data-testid="theme" aria-label={`Use the ${other} theme`} onClick={toggleTheme}>{dark.value ? 'Light' : 'Dark'}</button>;
}
