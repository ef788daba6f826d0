/**
 * The bathymetric scale. Lightness falls evenly with depth, so it reads without hue; `--t` goes to the same formula
 * in `styles/base.css`, which the water under the text uses too.
 */

import type { CSSProperties } from 'preact';
import { vars } from './vars.ts';

/** Light ink from here on. Between the two inks every tint keeps a contrast of 4.5. */
const DARK_FROM = 0.585;

/** The style and class of anything that is tinted by its depth. */
export function tint(depth: number, deepest: number): { style: CSSProperties; class: string } {
  const t = deepest > 1 ? Math.min(1, (depth - 1) / (deepest - 1)) : 0;
  return { style: vars({ '--t': t.toFixed(3) }), class: t >= DARK_FROM ? 'tint deep' : 'tint' };
}
