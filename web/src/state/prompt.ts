/** What stands in the prompt field. */

import { signal } from '@preact/signals';
import { BEADS_EXAMPLES } from '../lib/beads.ts';
import { given } from './query.ts';

/** The first example is answered before anybody asks; it is long enough to have depths. */
export const prompt = signal(given.get('prompt') ?? BEADS_EXAMPLES[2]!.prompt);
