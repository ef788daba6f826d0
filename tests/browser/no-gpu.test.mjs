/** A browser without WebGPU. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openFathom, serveFathom } from './fathom-page.mjs';
import { launch } from './harness.mjs';

let browser, site, page;

before(async () => {
  browser = await launch(['--disable-blink-features=WebGPU', '--disable-features=WebGPU,WebGPUService']);
  site = await serveFathom();
  ({ page } = await openFathom(browser, site));
});
after(async () => {
  await browser?.close();
  await site?.close();
});

test('it is told of, and why', async () => {
  const { has, found } = await page.evaluate(async () => ({ has: 'gpu' in navigator, found: await fathom.support() }));
  assert.equal(found.webgpu, false);
  assert.match(found.reason, has ? /offers no GPU/ : /has no WebGPU/);
  assert.equal(found.adapter, undefined);
});

test('auto takes the processor and says so', async () => {
  const { device, warnings, text } = await page.evaluate(async () => {
    const warnings = [];
    const options = { onWarning: (warning) => warnings.push(warning) };
    return withModel(BEADS, options, async (model) => {
      return { device: model.device, warnings, text: textOf(await all(model.generate('7+5-3*4='))) };
    });
  });
  assert.equal(device.kind, 'cpu');
  assert.deepEqual(warnings.map(({ code }) => code), ['no-gpu']);
  assert.equal(warnings[0].message, `${device.why}.`);
  assert.equal(text, '6927');
});

test('a GPU that was asked for is missed', async () => {
  const error = await page.evaluate(() => failure(() => fathom.load(BEADS, { device: 'webgpu' })));
  assert.deepEqual([error.code, error.isOurs], ['no-adapter', true], error.message);
});

test('a model is known not to fit', async () => {
  const info = await page.evaluate(() => fathom.inspect(BEADS));
  assert.equal(info.fitsGpu, false);
  assert.match(info.reason, /GPU/);
});
