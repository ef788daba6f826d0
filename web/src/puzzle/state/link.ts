/** A link restores the puzzle, its model and the settings. Behind the `#`, where no server sees it. */

import { backend } from '../../state/query.ts';
import { puzzles } from './models.ts';
import { text } from './question.ts';
import { confidence, identifier, rule, segments } from './settings.ts';

export function linkToPuzzle(): string {
  const parts = new URLSearchParams({ puzzle: text.value });
  if (puzzles.address.value) parts.set('model', puzzles.address.value);
  if (backend !== 'auto') parts.set('backend', backend);
  if (rule.value !== 'settled') parts.set('halting', rule.value);
  if (rule.value === 'confidence') parts.set('confidence', confidence.value);
  if (rule.value === 'segments') parts.set('segments', segments.value);
  if (identifier.value) parts.set('identifier', identifier.value);
  return `${location.origin}${location.pathname}#${parts}`;
}
