/** What goes wrong with options and files is told by its code, and a faulty download is not kept. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { openFathom, readBeads, serveFathom, toPage } from './fathom-page.mjs';
import { launch } from './harness.mjs';
import { ModelServer } from './model-server.mjs';
import { readTensors, writeTensors } from './safetensors.mjs';

const servers = [];
let browser, site, page, beads;

before(async () => {
  browser = await launch();
  site = await serveFathom();
  ({ page } = await openFathom(browser, site));
  await page.evaluate(async () => (globalThis.model = await fathom.load(BEADS, { device: 'cpu' })));
  beads = await readBeads();
});
after(async () => {
  await browser?.close();
  await site?.close();
});

afterEach(() => Promise.all(servers.splice(0).map((server) => server.stop())));

/** A server of these files, which ends with the test. */
const serverOf = async (files) => {
  const server = await new ModelServer(files).start();
  servers.push(server);
  return server;
};

describe('options', () => {
  const cases = [
    ['option', [{ maxTokens: -1 }, { maxTokens: 1.5 }, { maxTokens: '7' }, { temperature: NaN }, { temperature: '1' }]],
    ['option', [{ topK: -1 }, { topP: Infinity }, { seed: -1 }, { seed: 2 ** 60 }, { stop: 'text' }, { stop: [1] }]],
    ['option', [{ ignoreEos: 1 }, { trace: 'yes' }, { overflow: 'wrap' }, { maxtokens: 1 }, { haltBias: Infinity }]],
    ['depth-too-large', [{ depth: 17 }, { maxDepth: 99 }, { minDepth: 17 }]],
    ['depth-zero', [{ depth: 0 }, { maxDepth: 0 }]],
    ['depth-floor-above-cap', [{ minDepth: 5, maxDepth: 4 }]],
    ['sampling', [{ temperature: -1 }, { topP: -0.5 }, { minP: 2 }, { repeatPenalty: 0 }]],
  ];
  for (const [code, options] of cases) {
    for (const option of options) {
      test(`${Object.entries(option).map(([name, value]) => `${name}: ${value}`)} is ${code}`, async () => {
        const error = await page.evaluate((option) => failure(() => all(model.generate('1+2=', option))), option);
        assert.deepEqual([error.code, error.isOurs], [code, true], error.message);
        if (code === 'option') assert.match(error.message, new RegExp(Object.keys(option)[0]));
      });
    }
  }

  test('a prompt is a text or token ids', async () => {
    const at = (prompt) => page.evaluate((prompt) => failure(() => model.forward(prompt)), prompt);
    for (const prompt of [7, [1.5], [-1], ['1'], undefined, {}]) assert.equal((await at(prompt)).code, 'option');
    for (const prompt of ['', []]) assert.equal((await at(prompt)).code, 'empty-prompt');
    assert.equal((await at([16])).code, 'token-out-of-range');
    assert.equal((await at(Array(65).fill(2))).code, 'context-full');
  });

  test('unset options are as if they were not there', async () => {
    const text = await page.evaluate(async () => {
      return textOf(await all(model.generate('7+5-3*4=', { depth: undefined, maxTokens: null, seed: undefined })));
    });
    assert.equal(text, '6927');
  });

  test('of loading', async () => {
    const at = (source, options) =>
      page.evaluate(({ source, options }) => failure(() => fathom.load(source, options)), { source, options });
    assert.equal((await at('/models/beads/', { device: 'gpu' })).code, 'option');
    for (const source of [7, undefined, null]) assert.equal((await at(source)).code, 'bad-source');
    assert.equal((await at('http://[')).code, 'bad-source');
    assert.equal((await at('/models/none/')).code, 'not-found');
  });
});

describe('files', () => {
  const config = (change) => Buffer.from(JSON.stringify({ ...JSON.parse(beads['config.json']), ...change }));
  const weights = (change) => writeTensors(change(readTensors(beads['model.safetensors'])));
  const without = ({ 'wte.weight': _, ...rest }) => rest;
  /** What is wrong, what it is called, and the files that differ. */
  const faults = [
    ['cut weights', 'weights-truncated', () => ({ 'model.safetensors': beads['model.safetensors'].subarray(0, 500_000) })],
    ['no weights at all', 'weights-header', () => ({ 'model.safetensors': Buffer.from('not tensors, but a text that is long') })],
    ['a missing tensor', 'tensor-missing', () => ({ 'model.safetensors': weights(without) })],
    ['other shapes', 'tensor-shape', () => ({ 'config.json': config({ vocab_size: 17 }) })],
    ['another kind of model', 'model-type', () => ({ 'config.json': config({ model_type: 'llama' }) })],
    ['a config without a width', 'config-missing', () => ({ 'config.json': config({ n_embd: undefined }) })],
    ['a config that is no JSON', 'json', () => ({ 'config.json': Buffer.from('{') })],
    ['a faulty tokenizer', 'tokenizer-file', () => ({ 'tokenizer.json': Buffer.from('{"model": {"type": "?"}}') })],
  ];
  for (const [what, code, change] of faults) {
    test(`${what}: ${code}`, async () => {
      const files = { ...beads, ...change() };
      const error = await page.evaluate((files) => failure(() => fathom.load(bytesOf(files), { device: 'cpu' })), toPage(files));
      assert.deepEqual([error.code, error.isOurs], [code, true], error.message);
    });

    test(`${what}: not kept when downloaded`, async () => {
      const server = await serverOf({ ...beads, ...change() });
      const load = () => page.evaluate(async (folder) => {
        const error = await failure(() => withModel(folder, { device: 'cpu' }, () => {}));
        const kept = (await fathom.listCache()).filter(({ url }) => url === folder);
        return { error, kept };
      }, server.folder);
      const { error, kept } = await load();
      assert.equal(error.code, code, error.message);
      assert.deepEqual(kept, []);
      // The same address works as soon as the server has the right files, with the same tag even.
      server.files = beads;
      assert.equal((await load()).error.code, 'nothing failed');
    });
  }

  test('a faulty config is not kept either where it is looked at before anything else', async () => {
    const { 'tokenizer.json': _, ...files } = { ...beads, 'config.json': config({ model_type: 'llama' }) };
    const server = await serverOf(files);
    for (const device of ['webgpu', 'cpu']) {
      const { error, kept } = await page.evaluate(async ({ folder, device }) => {
        return { error: await failure(() => fathom.load(folder, { device })), kept: await fathom.listCache() };
      }, { folder: server.folder, device });
      assert.equal(error.code, 'model-type');
      assert.deepEqual(kept.filter(({ url }) => url === server.folder), [], device);
    }
  });

  test('are missing', async () => {
    for (const missing of ['config.json', 'model.safetensors']) {
      const { [missing]: _, ...files } = beads;
      const error = await page.evaluate((files) => failure(() => fathom.load(bytesOf(files))), toPage(files));
      assert.deepEqual([error.code, error.message.includes(missing)], ['file-missing', true]);
    }
  });

  test('can be looked at before they are loaded', async () => {
    const server = await serverOf(beads);
    const { first, loaded, second, local } = await page.evaluate(async ({ folder, files }) => ({
      first: await fathom.inspect(folder),
      loaded: await withModel(folder, { device: 'cpu' }, ({ cached, name }) => ({ cached, name })),
      second: await fathom.inspect(folder),
      local: await fathom.inspect(bytesOf(files)),
    }), { folder: server.folder, files: toPage(beads) });
    const bytes = beads['model.safetensors'].length;
    assert.deepEqual([first.name, first.bytesAll, first.cached, first.fitsGpu], ['tiny', bytes, false, true]);
    assert.deepEqual(first.files, [{ name: 'model.safetensors', bytes, cached: false }]);
    assert.equal(first.config.maxSteps, 16);
    assert.deepEqual(loaded, { cached: true, name: 'tiny' });
    assert.deepEqual([second.cached, second.files[0].cached], [true, true]);
    assert.deepEqual([local.name, local.bytesAll, local.cached], ['model', bytes, false]);
  });
});
