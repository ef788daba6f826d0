/** Models that are disposed give their memory back, and a GPU process that dies is got over. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { openFathom, serveFathom } from './fathom-page.mjs';
import { launch } from './harness.mjs';

const MB = 1 << 20;

let browser, site, page, cdp;

before(async () => {
  browser = await launch();
  site = await serveFathom();
  ({ page } = await openFathom(browser, site));
  cdp = await browser.newBrowserCDPSession();
});
after(async () => {
  await browser?.close();
  await site?.close();
});

/** The processes of a type, by Chromium's word. */
async function processes(type) {
  const { processInfo } = await cdp.send('SystemInfo.getProcessInfo');
  return processInfo.filter((process) => process.type === type).map(({ id }) => id);
}

/** Memory that processes of a type hold, in MB. */
async function memoryOf(type) {
  const held = (id) => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${id}/status`, 'utf8'))[1]) * 1024;
  return (await processes(type)).reduce((sum, id) => sum + held(id), 0) / MB;
}

/** Loads, answers and disposes so many times. */
const cycle = (device, count) =>
  page.evaluate(async ({ device, count }) => {
    for (let i = 0; i < count; i++) {
      await withModel(BEADS, { device }, (model) => all(model.generate('1+2=', { maxTokens: 1 })));
    }
  }, { device, count });

/** What memory grows by, in MB, from one round to a later one. */
async function growth(device, type, warmUp, count) {
  await cycle(device, warmUp);
  await page.requestGC();
  const before = await memoryOf(type);
  await cycle(device, count);
  await page.requestGC();
  // Workers end some time after they were told to.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  return (await memoryOf(type)) - before;
}

const isLinux = process.platform === 'linux';

test('on the processor', { skip: !isLinux }, async () => {
  const grown = await growth('cpu', 'renderer', 20, 80);
  // One model with its wasm is some 15 MB; a leak of one in eight would be seen.
  assert.ok(grown < 150, `${grown.toFixed(1)} MB more after 80 models`);
  assert.equal(page.workers().length, 0);
});

test('on the GPU', { skip: !isLinux }, async () => {
  const grown = await growth('webgpu', 'GPU', 4, 10);
  assert.ok(grown < 60, `${grown.toFixed(1)} MB more after 10 models`);
});

test('a GPU process that dies is got over', { skip: !isLinux }, async () => {
  await page.evaluate(async () => {
    globalThis.warnings = [];
    globalThis.model = await fathom.load(BEADS, { device: 'webgpu', onWarning: ({ code }) => warnings.push(code) });
    await model.forward('1+2=');
  });
  const [gpu] = await processes('GPU');
  process.kill(gpu, 'SIGKILL');
  const found = await page.evaluate(async () => ({ text: textOf(await all(model.generate('7+5-3*4='))), warnings }));
  assert.deepEqual(found, { text: '6927', warnings: ['device-lost'] });
});
