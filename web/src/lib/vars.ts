import type { CSSProperties } from 'preact';

/** Custom properties as an inline style. */
export const vars = (properties: Record<`--${string}`, string | number>): CSSProperties => properties as CSSProperties;
