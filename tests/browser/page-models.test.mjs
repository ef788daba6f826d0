/** Models: from files, from a folder's address, from the browser's cache, and back to the shipped one. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { ask, errorOn, FOLDER, openDemo, query, reached, serveDemo, SHORT, shown } from './demo-page.mjs';
import { readBeads, toPage } from './fathom-page.mjs';
import { launch, openPage } from './harness.mjs';
import { ModelServer, stallAfter } from './model-server.mjs';

const WEIGHTS = 'model.safetensors';
const PROMPT = '7+5-3*4=';

let browser, site, beads, server, context, page, errors;

before(async () => {
  browser = await launch();
  site = await serveDemo();
  beads = await readBeads();
});
after(async () => {
  await browser?.close();
  await site?.close();
});
beforeEach(async () => {
  server = await new ModelServer({ ...beads }).start();
  ({ context, page, errors } = await openDemo(browser, site, { prompt: SHORT }));
});
afterEach(async () => {
  await context.close();
  await server.stop();
});

const model = () => page.getByRole('region', { name: 'Model' });
const current = () => model().locator('.current');
const confirm = () => page.getByTestId('model-confirm').click();
const choose = (files) =>
  page.getByTestId('model-files').setInputFiles(Object.entries(files).map(([name, buffer]) => ({ name, mimeType: '', buffer })));
const look = async (address) => {
  await page.getByTestId('model-url').fill(address);
  await page.getByTestId('model-load').click();
};
/** Asks, and expects the answer that this model gives wherever its files come from. */
async function answers() {
  await ask(page, PROMPT);
  assert.equal((await page.getByTestId('answer').innerText()).replaceAll('\n', ''), '6927');
}

describe('files', () => {
  test('that are dropped become the model', async () => {
    const shipped = await shown(page);
    await page.evaluate((files) => {
      const dropped = new DataTransfer();
      for (const [name, text] of Object.entries(files)) {
        dropped.items.add(new File([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], name));
      }
      const target = document.querySelector('.files');
      for (const type of ['dragover', 'drop']) {
        const event = new DragEvent(type, { dataTransfer: dropped, bubbles: true, cancelable: true });
        target.dispatchEvent(event);
        if (!event.defaultPrevented) throw new Error(`the browser would ${type} the files itself`);
      }
    }, toPage(beads));
    await page.getByText(/0\.56 M parameters, 1\.1 MB/).waitFor();
    await confirm();
    await page.getByRole('button', { name: 'Back to the shipped one' }).waitFor();
    assert.equal(await page.getByTestId('cached').count(), 0, 'local files are not kept');
    assert.deepEqual(await ask(page, SHORT), shipped);

    await page.getByRole('button', { name: 'Back to the shipped one' }).click();
    await page.getByTestId('cached').waitFor();
    await answers();
    assert.deepEqual(errors, []);
  });

  test('that are chosen become the model', async () => {
    await choose(beads);
    await confirm();
    await page.getByRole('button', { name: 'Back to the shipped one' }).waitFor();
    await answers();
  });

  test('that are no model bring a plain error with advice, and the old model goes on', async () => {
    const half = beads[WEIGHTS].subarray(0, 500_000);
    for (const [what, files, code, message, advice] of [
      ['half weights', { ...beads, [WEIGHTS]: half }, 'weights-truncated', /model\.safetensors/, /damaged or incomplete/],
      ['no config', { [WEIGHTS]: beads[WEIGHTS] }, 'file-missing', /config\.json/, /together/],
      ['no weights', { 'config.json': beads['config.json'] }, 'file-missing', /model\.safetensors/, /together/],
      ['a text', { 'notes.txt': Buffer.from('not a model') }, 'file-missing', /config\.json/, /together/],
      ['a text for weights', { ...beads, [WEIGHTS]: Buffer.from('not a model') }, 'weights-header', /model\.safetensors/, /damaged/],
      ['another kind', { ...beads, 'config.json': Buffer.from('{"model_type": "llama"}') }, 'model-type', /llama/, /CosmicFish-HRM/],
    ]) {
      await choose(files);
      // Some is only found out when it is loaded.
      const offered = page.getByTestId('model-confirm');
      await offered.or(page.getByTestId('error')).waitFor();
      if (await offered.count()) await confirm();
      const error = await errorOn(page);
      assert.equal(error.code, code, `${what}: ${error.text}`);
      assert.match(error.text, message, what);
      assert.match(error.text, advice, what);
      assert.doesNotMatch(error.text, /undefined|\[object|Error:|at \w+ \(/, what);
      await answers();
    }
  });
});

describe('an address', () => {
  test('is looked at before anything large is downloaded, and then kept for when there is no server', async () => {
    await look(server.folder);
    await page.getByTestId('model-confirm').getByText('Download 1.1 MB').waitFor();
    assert.match(await model().innerText(), /tiny 0\.56 M parameters, 1\.1 MB/);
    assert.equal(server.asked().some((request) => request.startsWith(`GET ${WEIGHTS}`)), false);

    await confirm();
    await current().getByText('tiny').waitFor();
    await current().getByText('cached').waitFor();
    assert.ok(server.asked().includes(`GET ${WEIGHTS}`));
    await answers();

    await page.getByRole('button', { name: 'Back to the shipped one' }).click();
    await current().getByText('beads').waitFor();
    await server.stop();
    await look(server.folder);
    await page.getByTestId('offer-cached').waitFor();
    await confirm();
    await current().getByText('tiny').waitFor();
    await answers();
  });

  test('by a link is offered, not loaded, until it lies in the browser', async () => {
    const address = site.origin + FOLDER + query({ model: server.folder, prompt: PROMPT });
    await page.goto(address);
    await page.getByTestId('model-confirm').waitFor();
    assert.equal(server.asked().some((request) => request.startsWith(`GET ${WEIGHTS}`)), false);
    await confirm();
    await reached(page, 'ready');
    await page.goto(address);
    await reached(page, 'ready');
    assert.match(await current().innerText(), /tiny.*cached/s);
    assert.equal(server.asked().filter((request) => request.startsWith(`GET ${WEIGHTS}`)).length, 1);
  });

  test('that is none is explained, by a link too', async () => {
    await page.goto(site.origin + FOLDER + query({ model: 'http://[' }));
    await page.locator('[data-code=bad-source]').waitFor();
    assert.match((await errorOn(page)).text, /not the address of a model/);
  });

  test('without a model, or without a server, is explained', async () => {
    server.files = {};
    await look(server.folder);
    assert.match((await errorOn(page)).text, /folder that holds config\.json/);
    await look('http://127.0.0.1:9/nothing/');
    await page.locator('[data-code=network]').waitFor({ timeout: 15_000 });
    assert.match((await errorOn(page)).text, /Check the connection/);
    await answers();
  });
});

describe('a download', () => {
  test('can be cancelled, and the old model goes on', async () => {
    server.script[WEIGHTS] = [stallAfter(300_000)];
    await look(server.folder);
    await confirm();
    await page.getByText(/Downloading — \d+ KB of 1\.1 MB/).waitFor();
    await page.getByTestId('model-cancel').click();
    await page.getByRole('progressbar').waitFor({ state: 'detached' });
    assert.equal(await page.getByTestId('error').count(), 0);
    await answers();
  });

  test('of the first model can be cancelled in favour of the shipped one', async () => {
    server.script[WEIGHTS] = [stallAfter(300_000)];
    const first = await openPage(browser, site.origin + FOLDER + query({ model: server.folder, prompt: SHORT }));
    await first.page.getByTestId('model-confirm').click();
    await first.page.getByText(/Downloading — /).waitFor();
    await first.page.getByTestId('model-cancel').click();
    await first.page.getByRole('button', { name: 'Load the shipped model' }).click();
    await reached(first.page, 'ready');
    assert.equal(await first.page.getByTestId('verdict').getAttribute('data-right'), 'true');
    await first.context.close();
  });
});

test('the cache is listed with its sizes, and cleared', async () => {
  await page.getByTestId('cached').waitFor();
  await look(server.folder);
  await confirm();
  await current().getByText('tiny').waitFor();
  const list = model().getByRole('listitem');
  await list.nth(1).waitFor();
  const texts = await list.allInnerTexts();
  assert.ok(texts.every((text) => text.includes('1.1 MB')), texts.join());
  await page.getByRole('button', { name: 'Delete the shipped model' }).click();
  await page.getByText('the shipped model', { exact: true }).waitFor({ state: 'detached' });
  assert.equal(await list.count(), 1);
  await page.getByTestId('clear-cache').click();
  await page.getByText('Kept in this browser').waitFor({ state: 'detached' });
  server.asked();
  await look(server.folder);
  await page.getByTestId('model-confirm').getByText('Download 1.1 MB').waitFor();
});
