/** The package against the authors' code: every golden case and storage form, on both devices (see `tests/golden.rs`). */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openFathom, readFiles, serveFathom, toPage } from './fathom-page.mjs';
import { GOLDEN, launch } from './harness.mjs';
import { numbersOf, readTensors, writeTensors } from './safetensors.mjs';

const CASES = [
  'cosmicfish_hrm/gqa-rope-swiglu',
  'cosmicfish_hrm/head-dim-56',
  'cosmicfish_hrm/learned-positions',
  'cosmicfish_hrm/mha-gelu-bias',
  'cosmicfish_hrm/mha-swiglu-bias',
  'cosmicfish_hrm/one-step',
  'storage/bf16',
  'storage/f16',
  'storage/no-lm_head',
  'storage/no-wte',
  'storage/sharded',
];
const WEIGHTS = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

/** A software GPU is slow: there, less is done of each case, with its first tokens only; fewer of the deepest one. */
const firstTokens = (name) => (name === 'cosmicfish_hrm/head-dim-56' ? 8 : 24);

let browser, site, page;

before(async () => {
  browser = await launch();
  site = await serveFathom();
  ({ page } = await openFathom(browser, site));
});
after(async () => {
  await browser?.close();
  await site?.close();
});

/** A case's files. Two storage forms hold the weights of another case and are written anew (see `golden/forms.rs`). */
async function filesOf(name) {
  const folder = join(GOLDEN, name);
  const files = await readFiles(folder, ['config.json', WEIGHTS, INDEX].filter((file) => existsSync(join(folder, file))));
  if (name !== 'storage/no-wte' && name !== 'storage/sharded') return files;
  const whole = await readFiles(join(GOLDEN, 'cosmicfish_hrm/gqa-rope-swiglu'), [WEIGHTS]);
  const tensors = readTensors(whole[WEIGHTS]);
  const map = files[INDEX] && JSON.parse(files[INDEX]).weight_map;
  const parts = {};
  for (const [tensor, value] of Object.entries(tensors)) {
    const file = map ? map[tensor] : tensor === 'wte.weight' ? undefined : WEIGHTS;
    if (file) (parts[file] ??= {})[tensor] = value;
  }
  for (const [file, part] of Object.entries(parts)) files[file] = writeTensors(part);
  return files;
}

/** The numbers that a case should bring, by name. */
async function expectedOf(name) {
  const file = 'expected.safetensors';
  const tensors = readTensors((await readFiles(join(GOLDEN, name), [file]))[file]);
  return Object.fromEntries(Object.entries(tensors).map(([key, tensor]) => [key, numbersOf(tensor)]));
}

/** What the package makes of a case. */
function run(files, device, job) {
  const use = ({ files, device, job: { tokens, lengths, prompt, count, withAll } }) =>
    withModel(bytesOf(files), { device }, async (model) => {
      const plain = ({ logits, ...rest }) => ({ ...rest, logits: logits.map((row) => [...row]) });
      const forwards = [];
      for (const n of lengths) forwards.push(plain(await model.forward(tokens.slice(0, n))));
      return {
        kind: model.device.kind,
        prefixes: await model.prefixes(tokens),
        forwards,
        full: prompt && withAll && plain(await model.forward(tokens, { allPositions: true })),
        greedy: prompt && (await all(model.generate(prompt, { ignoreEos: true, maxTokens: count }))),
      };
    });
  return page.evaluate(use, { files: toPage(files), device, job });
}

/** Within 1e-4 of the largest magnitude. */
function close(found, expected, what) {
  assert.equal(found.length, expected.length, what);
  const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const apart = found.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
  // Written so that a number that is none fails.
  assert.ok(apart <= 1e-4 * scale, `${what}: ${apart} apart where the largest is ${scale}`);
}

for (const device of ['cpu', 'webgpu']) {
  describe(`golden numbers on ${device}`, () => {
    for (const name of CASES) test(name, () => check(name, device));
  });
}

async function check(name, device) {
  const isSlow = device === 'webgpu';
  const expected = await expectedOf(name);
  const { prefix_q_count: qCount, greedy_generated: generated, greedy_prompt: prompt } = expected;
  // The storage forms have the prefixes only.
  assert.equal(generated !== undefined, name.startsWith('cosmicfish_hrm/'));
  const tokens = expected.tokens.slice(0, isSlow ? firstTokens(name) : undefined);
  const lengths = isSlow ? [tokens.length >> 1] : [1, tokens.length >> 1, tokens.length];
  const count = isSlow ? 3 : generated?.length;
  const found = await run(await filesOf(name), device, { tokens, lengths, prompt, count, withAll: !isSlow });
  assert.equal(found.kind, device);
  const steps = expected.prefix_steps_taken.slice(0, tokens.length);
  assert.deepEqual(found.prefixes.map((prefix) => prefix.stepsTaken), steps);

  found.forwards.forEach(({ stepsTaken, logits, qHalt, qContinue }, i) => {
    const n = lengths[i];
    const what = `prefix of ${n}`;
    assert.equal(stepsTaken, steps[n - 1], what);
    assert.equal(logits.length, 1, what);
    close(logits[0], expected.prefix_last_logits[n - 1], what);
    if (!qCount) return;
    const begin = qCount.slice(0, n - 1).reduce((sum, count) => sum + count, 0);
    const q = expected.prefix_q_logits.slice(begin, begin + qCount[n - 1]);
    close(qHalt.flatMap((value, step) => [value, qContinue[step]]), q.flat(), `halting values, ${what}`);
  });
  if (!generated) return;
  if (!isSlow) {
    assert.equal(found.full.logits.length, tokens.length);
    found.full.logits.forEach((row, i) => close(row, expected.full_logits[i], `position ${i}`));
  }
  assert.deepEqual(found.greedy.map((event) => event.token), generated.slice(0, count));
  assert.deepEqual(found.greedy.map((event) => event.stepsTaken), expected.greedy_steps_taken.slice(0, count));
}
