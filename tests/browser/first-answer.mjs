/**
 * How long a stranger waits for the first answer, and how much comes over the wire: `node first-answer.mjs`. Each
 * navigation has a fresh context, and so nothing cached, in a browser that runs already.
 */
import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { FOLDER, query, reached, serveDemo, WEB } from './demo-page.mjs';
import { launch } from './harness.mjs';

const NAVIGATIONS = 5;

const browser = await launch();
const site = await serveDemo();
const fetched = new Set();

for (const backend of ['auto', 'webgpu']) {
  const times = [];
  let device;
  for (let i = 0; i < NAVIGATIONS; i++) {
    const context = await browser.newContext();
    context.on('response', (response) => fetched.add(new URL(response.url()).pathname));
    const page = await context.newPage();
    await page.goto(site.origin + FOLDER + query({ backend }));
    await reached(page, 'ready');
    times.push(await page.evaluate(() => performance.getEntriesByName('fathom:first-answer')[0].startTime));
    device = await page.getByTestId('device').innerText();
    await context.close();
  }
  const median = times.toSorted((a, b) => a - b)[NAVIGATIONS >> 1];
  console.log(`${backend} (${device}): ${times.map(Math.round).join(', ')} ms; median ${Math.round(median)} ms`);
}

const groups = { page: /\.(html|js|css|woff2)$|\/$/, wasm: /\.wasm$/, model: /\/models\// };
let total = 0;
for (const [group, names] of Object.entries(groups)) {
  let [plain, zipped] = [0, 0];
  for (const path of fetched) {
    const file = path.startsWith(FOLDER) ? path.slice(FOLDER.length) || 'index.html' : undefined;
    if (!file || !names.test(path) || (group === 'page' && groups.model.test(path))) continue;
    const bytes = await readFile(WEB + file);
    plain += bytes.length;
    zipped += Math.min(bytes.length, gzipSync(bytes, { level: 9 }).length);
  }
  total += zipped;
  console.log(`${group}: ${kilobytes(plain)}, ${kilobytes(zipped)} with gzip`);
}
console.log(`all: ${kilobytes(total)} with gzip`);

await browser.close();
await site.close();

function kilobytes(bytes) {
  return `${Math.round(bytes / 1000)} KB`;
}
