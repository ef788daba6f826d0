/** GPT-2's vocabulary comes with the package, and is fetched where a model needs it only. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openFathom, readFiles, serveFathom, toPage } from './fathom-page.mjs';
import { DIST, GOLDEN, launch } from './harness.mjs';
import { readTensors, writeTensors } from './safetensors.mjs';

const VOCAB_SIZE = 50257;

let browser, site, page, files;

before(async () => {
  browser = await launch();
  site = await serveFathom({ '/elsewhere.tiktoken': `${DIST}gpt2.tiktoken` });
  ({ page } = await openFathom(browser, site));
  files = await withVocabulary();
});
after(async () => {
  await browser?.close();
  await site?.close();
});

/** The smallest golden model with as many tokens as GPT-2 has; their rows are those of its 50, again and again. */
async function withVocabulary() {
  const files = await readFiles(`${GOLDEN}cosmicfish_hrm/one-step`, ['config.json', 'model.safetensors']);
  const config = { ...JSON.parse(files['config.json']), vocab_size: VOCAB_SIZE };
  const tensors = readTensors(files['model.safetensors']);
  for (const tensor of Object.values(tensors)) {
    if (tensor.shape[0] !== 50) continue;
    const rowBytes = tensor.bytes.length / 50;
    tensor.bytes = Buffer.alloc(VOCAB_SIZE * rowBytes, tensor.bytes);
    tensor.shape = [VOCAB_SIZE, tensor.shape[1]];
  }
  return { 'config.json': Buffer.from(JSON.stringify(config)), 'model.safetensors': writeTensors(tensors) };
}

const load = (options) =>
  page.evaluate(async ({ files, options }) => withModel(bytesOf(files), { device: 'cpu', ...options }, async (model) => ({
    tokens: await model.tokenize('Hello, world'),
    back: await model.detokenize([15496, 11, 995]),
    made: await all(model.generate('Hello', { maxTokens: 2, ignoreEos: true })),
  })), { files: toPage(files), options });

test('it lies beside the package or elsewhere', async () => {
  for (const gpt2Url of [undefined, '/elsewhere.tiktoken']) {
    const { tokens, back, made } = await load({ gpt2Url });
    assert.deepEqual(tokens, [{ token: 15496, text: 'Hello' }, { token: 11, text: ',' }, { token: 995, text: ' world' }]);
    assert.equal(back, 'Hello, world');
    assert.equal(made.length, 2);
  }
});

test('it is missed where it is not there', async () => {
  await assert.rejects(load({ gpt2Url: '/none.tiktoken' }), /none\.tiktoken\) cannot be fetched: status 404/);
});

test('it is not fetched for a model with a tokenizer of its own', async () => {
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  await page.evaluate(() => withModel(BEADS, { device: 'cpu' }, () => {}));
  assert.ok(asked.some((url) => url.endsWith('.wasm')), asked.join(' '));
  assert.ok(!asked.some((url) => url.endsWith('.tiktoken')));
});
