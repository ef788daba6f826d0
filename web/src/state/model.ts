/** The language model. */

import { computed } from '@preact/signals';
import { load, type Model } from 'fathom-engine';
import { Loader } from './loader.ts';
import { linkedModel } from './tab.ts';

export const SHIPPED = new URL('models/beads/', document.baseURI).href;

export const language = new Loader<Model>({
  load, modelType: 'cosmicfish_hrm', name: 'language models', shipped: [SHIPPED],
});
export const { model, address } = language;
export const config = computed(() => model.value?.config);
/** Before there is a model: whether the shipped one will be it. */
export const isShipped = computed(() => (model.value ? language.isShipped.value : !linkedModel('language')));
