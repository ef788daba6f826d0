/** Pages with the package in them. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DIST, HERE, MODELS, openPage, serve } from './harness.mjs';

/** A site with the package, the tests' helpers and the models. */
export const serveFathom = (more = {}) => serve({ '/dist/': DIST, '/tests/': HERE, '/models/': MODELS, ...more });

/** A page that knows the words of `page.js`, which `evaluate` then uses. */
export async function openFathom(browser, site, dist = '/dist/') {
  const opened = await openPage(browser, site.origin);
  await opened.page.evaluate(async (dist) => (await import('/tests/page.js')).prepare(dist), dist);
  return opened;
}

/** Some files of a folder, by name. */
export async function readFiles(folder, names) {
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))])));
}

/** The files of the model that answers `7+5-3*4=`. */
export const readBeads = () =>
  readFiles(join(MODELS, 'beads'), ['config.json', 'model.safetensors', 'tokenizer.json']);

/** Files in a form that gets into a page; `bytesOf` is the way back. */
export const toPage = (files) =>
  Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, Buffer.from(bytes).toString('base64')]));
