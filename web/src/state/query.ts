/** What the page's address asks for: the names behind `?` and, with precedence, those behind `#`. */

import type { DeviceChoice } from 'fathom-engine';

export const given = new URLSearchParams(location.search);
new URLSearchParams(location.hash.slice(1)).forEach((value, name) => given.set(name, value));

export const backend: DeviceChoice = (() => {
  const asked = given.get('backend');
  return asked === 'webgpu' || asked === 'cpu' ? asked : 'auto';
})();

// A link pasted into the same tab changes only what is behind the `#`, which alone would do nothing.
addEventListener('hashchange', () => location.reload());
