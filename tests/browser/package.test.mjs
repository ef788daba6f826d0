/** What the package answers: the same as the native engine, on both devices. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openFathom, serveFathom, toPage, readFiles } from './fathom-page.mjs';
import { fileURLToPath } from 'node:url';
import { GOLDEN, fathomProgram, launch } from './harness.mjs';

/** What `fathom run` answers to these. */
const NATIVE = [
  { prompt: '7+5-3*4=', text: '6927', tokens: [8, 11, 4, 9, 1], depths: [1, 1, 1, 1, 1] },
  { prompt: '3*4+5*6-7=', text: '52723', tokens: [7, 4, 9, 4, 5, 1], depths: [2, 1, 1, 1, 1, 1] },
  { prompt: '9-8+7*6-5+4*3=', text: '1738819', tokens: [3, 9, 5, 10, 10, 3, 11, 1], depths: [3, 3, 2, 2, 2, 2, 2, 2] },
];
const DEEP = NATIVE[2].prompt;

let browser, site, page;

before(async () => {
  browser = await launch();
  site = await serveFathom();
  ({ page } = await openFathom(browser, site));
  await page.evaluate(async () => {
    globalThis.warnings = [];
    const open = (device) => fathom.load(BEADS, { device, onWarning: (warning) => warnings.push(warning) });
    globalThis.on = { cpu: await open('cpu'), webgpu: await open('webgpu') };
    globalThis.answer = (device, prompt, options) => all(on[device].generate(prompt, options));
  });
});
after(async () => {
  await browser?.close();
  await site?.close();
});

const answer = (device, prompt, options) =>
  page.evaluate(({ device, prompt, options }) => globalThis.answer(device, prompt, options), { device, prompt, options });
const textOf = (tokens) => tokens.map(({ text }) => text).join('');
const idsOf = (tokens) => tokens.map(({ token }) => token);
const column = (rows, name) => rows.map((row) => row[name]);

test('a model tells what it is', async () => {
  const found = await page.evaluate(() => {
    const { name, config, cached, device } = on.cpu;
    return { name, config, cached, device, other: { ...on.webgpu.device } };
  });
  assert.equal(found.name, 'beads');
  assert.equal(found.cached, true);
  assert.equal(found.device.kind, 'cpu');
  assert.deepEqual([found.other.kind, found.other.name, found.other.why], ['webgpu', 'google swiftshader', undefined]);
  const { nParameters, ...config } = found.config;
  assert.deepEqual(config, {
    modelType: 'cosmicfish_hrm', vocabSize: 16, nEmbd: 96, blockSize: 64, nHead: 4, nKvHead: 2,
    hCycles: 2, lCycles: 1, maxSteps: 16, haltBias: -4.75,
  });
  assert.equal(Math.round(nParameters / 1e4), 56);
});

for (const device of ['cpu', 'webgpu']) {
  describe(`on ${device}`, () => {
    test('answers are the native engine’s', async () => {
      for (const { prompt, text, tokens, depths } of NATIVE) {
        const found = await answer(device, prompt);
        assert.deepEqual([textOf(found), idsOf(found), column(found, 'depth')], [text, tokens, depths]);
      }
    });

    test('each token tells how it came about', async () => {
      const found = await answer(device, DEEP);
      assert.deepEqual(column(found, 'place'), [0, 1, 2, 3, 4, 5, 6, 7]);
      assert.deepEqual(column(found, 'done'), [...Array(7).fill(undefined), 'end']);
      assert.equal(found.at(-1).text, '');
      for (const { depth, stepsTaken, haltedBy, qHalt, qContinue, ms, trace } of found) {
        // The authors do not count the step that halts.
        assert.deepEqual([haltedBy, stepsTaken, trace], ['test', depth - 1, undefined]);
        assert.ok(qHalt - 4.75 > qContinue && ms > 0);
      }
    });

    test('an answer may begin with token ids', async () => {
      const ids = await page.evaluate(async (prompt) => {
        return (await on.cpu.tokenize(prompt)).map(({ token }) => token);
      }, DEEP);
      assert.equal(textOf(await answer(device, ids)), NATIVE[2].text);
    });

    test('every step is told as it happens, with the halting values of a forward', async () => {
      const { told, order, tokens, forwards, plain } = await page.evaluate(async ({ device, prompt }) => {
        const told = [];
        const order = [];
        const tokens = [];
        const onStep = (step, place) => {
          told.push({ ...step, place });
          order.push(`${place}.${step.step}`);
        };
        for await (const token of on[device].generate(prompt, { onStep, maxTokens: 3 })) tokens.push(token);
        const ids = (await on[device].tokenize(prompt)).map(({ token }) => token);
        const forwards = [];
        for (const { place } of tokens) {
          const context = [...ids, ...tokens.slice(0, place).map(({ token }) => token)];
          const { qHalt, qContinue, depth } = await on[device].forward(context);
          forwards.push({ qHalt, qContinue, depth });
        }
        return { told, order, tokens, forwards, plain: await answer(device, prompt, { trace: true, maxTokens: 3 }) };
      }, { device, prompt: DEEP });
      assert.deepEqual(order, ['0.1', '0.2', '0.3', '1.1', '1.2', '1.3', '2.1', '2.2']);
      assert.deepEqual(tokens.flatMap(({ trace, place }) => trace.map((step) => ({ ...step, place }))), told);
      tokens.forEach(({ trace, depth, qHalt, qContinue }, i) => {
        assert.deepEqual(forwards[i], { qHalt: column(trace, 'qHalt'), qContinue: column(trace, 'qContinue'), depth });
        assert.deepEqual([trace.at(-1).qHalt, trace.at(-1).qContinue], [qHalt, qContinue]);
      });
      for (const { qHalt, qContinue, margin, zH, cycles, firstPosition, top, place } of told) {
        assert.ok(Math.abs(margin - (qHalt - 4.75 - qContinue)) < 1e-5);
        assert.deepEqual(zH.map((row) => row.length), [96, 96]);
        assert.deepEqual(column(cycles, 'level'), ['L', 'H', 'L', 'H']);
        for (const { moved } of cycles) assert.equal(moved.length, DEEP.length + place - firstPosition);
        const chances = column(top, 'probability');
        assert.deepEqual(chances, [...chances].sort((a, b) => b - a));
        assert.ok(chances[0] > 0 && chances[0] <= 1);
      }
      tokens.forEach(({ trace, token }) => assert.equal(trace.at(-1).top[0].token, token));
      assert.deepEqual(idsOf(plain), idsOf(tokens));
    });

    test('an answer ends where it is told to', async () => {
      const at = async (options) => {
        const found = await answer(device, DEEP, options);
        return [textOf(found), found.length, found.at(-1)?.done];
      };
      assert.deepEqual(await at({ maxTokens: 2 }), ['17', 2, 'length']);
      assert.deepEqual(await at({ maxTokens: 0 }), ['', 0, undefined]);
      assert.deepEqual(await at({ stop: ['nothing', '88'] }), ['173', 5, 'stop']);
      // What might have become a stop text comes with the last token.
      assert.deepEqual(await at({ stop: ['19+'] }), ['1738819', 8, 'end']);
      assert.deepEqual((await at({ ignoreEos: true, maxTokens: 10 })).slice(1), [10, 'length']);
    });

    test('depth can be limited and forced', async () => {
      const at = async (options) => {
        const found = await answer(device, DEEP, { maxTokens: 2, ...options });
        return found.map(({ depth, haltedBy }) => `${depth} ${haltedBy}`);
      };
      assert.deepEqual(await at({ depth: 4 }), ['4 forced', '4 forced']);
      assert.deepEqual(await at({ maxDepth: 2 }), ['2 cap', '2 cap']);
      assert.deepEqual(await at({ minDepth: 5 }), ['5 test', '5 test']);
      assert.deepEqual(await at({ haltBias: 20 }), ['1 test', '1 test']);
      assert.deepEqual(await at({ haltBias: -50, maxDepth: 6 }), ['6 cap', '6 cap']);
    });

    test('a forward gives one position or all', async () => {
      const { last, every } = await page.evaluate(async ({ device, prompt }) => {
        const last = await on[device].forward(prompt);
        const every = await on[device].forward(prompt, { allPositions: true });
        const kinds = [...last.logits, ...every.logits].every((row) => row instanceof Float32Array && row.length === 16);
        if (!kinds) throw new Error('rows of 16 were expected');
        const plain = (result) => ({ ...result, logits: result.logits.map((row) => [...row]) });
        return { last: plain(last), every: plain(every) };
      }, { device, prompt: DEEP });
      assert.deepEqual([last.depth, last.stepsTaken, last.haltedBy, last.qHalt.length], [3, 2, 'test', 3]);
      assert.equal(every.logits.length, DEEP.length);
      assert.deepEqual(every.logits.at(-1), last.logits[0]);
      assert.deepEqual({ ...every, logits: [] }, { ...last, logits: [] });
      assert.equal(last.logits[0].indexOf(Math.max(...last.logits[0])), NATIVE[2].tokens[0]);
    });

    test('prefixes do not depend on what was typed before', async () => {
      const { typed, forwards } = await page.evaluate(async ({ device, prompt }) => {
        const typed = [];
        const forwards = [];
        const texts = [prompt.slice(0, 5), prompt.slice(0, 6), prompt, `${prompt.slice(0, 4)}9=`, prompt];
        for (const text of texts) typed.push(await on[device].prefixes(text));
        for (let n = 1; n <= prompt.length; n++) {
          const { logits, qHalt, qContinue, ...rest } = await on[device].forward(prompt.slice(0, n));
          const next = logits[0].indexOf(Math.max(...logits[0]));
          forwards.push({ ...rest, next, qHalt: qHalt.at(-1), qContinue: qContinue.at(-1) });
        }
        return { typed, forwards };
      }, { device, prompt: DEEP });
      const [five, six, whole, other, again] = typed;
      assert.deepEqual(whole.map(({ nextText, ...rest }) => rest), forwards);
      assert.deepEqual(again, whole);
      assert.deepEqual([five, six], [whole.slice(0, 5), whole.slice(0, 6)]);
      assert.deepEqual([other.length, other.slice(0, 4)], [6, whole.slice(0, 4)]);
      assert.deepEqual([whole.at(-1).depth, whole.at(-1).nextText], [3, '1']);
    });
  });
}

test('draws are the same on both devices and each time, and another seed brings others', async () => {
  const options = { temperature: 20, topK: 12, topP: 0.98, minP: 0.001, repeatPenalty: 1.1, ignoreEos: true, maxTokens: 8 };
  const draw = async (device, seed) => idsOf(await answer(device, '1+2=', { ...options, seed }));
  const first = await draw('cpu', 7);
  assert.deepEqual(await draw('cpu', 7), first);
  assert.deepEqual(await draw('webgpu', 7), first);
  assert.notDeepEqual(await draw('cpu', 8), first);
  assert.deepEqual(await draw('cpu', Number.MAX_SAFE_INTEGER), await draw('cpu', Number.MAX_SAFE_INTEGER));
});

test('a full window is dealt with as told, and told of once', async () => {
  const run = (overflow) =>
    page.evaluate(async (overflow) => {
      warnings.length = 0;
      const found = await answer('cpu', '1+2*3-4'.repeat(9).slice(0, 62), { overflow, ignoreEos: true, maxTokens: 6 });
      return { count: found.length, done: found.at(-1).done, warnings: [...warnings] };
    }, overflow);
  for (const [overflow, words] of [[undefined, /drops the oldest/], ['recompute', /drops the oldest/], ['slide', /half/]]) {
    const { count, done, warnings } = await run(overflow);
    assert.deepEqual([count, done], [6, 'length']);
    assert.deepEqual(warnings.map(({ code }) => code), ['window-full']);
    assert.match(warnings[0].message, words);
  }
  assert.deepEqual(await run('stop'), { count: 3, done: 'context', warnings: [] });
});

test('text becomes tokens and tokens text', async () => {
  const found = await page.evaluate(async () => ({
    pieces: await on.cpu.tokenize('7+5='),
    text: await on.webgpu.detokenize([9, 12, 7, 15]),
    unknown: await failure(() => on.cpu.tokenize('7+x=')),
    none: [await on.cpu.tokenize(''), await on.cpu.detokenize([])],
  }));
  assert.deepEqual(found.pieces, [
    { token: 9, text: '7' }, { token: 12, text: '+' }, { token: 7, text: '5' }, { token: 15, text: '=' },
  ]);
  assert.equal(found.text, '7+5=');
  assert.equal(found.unknown.code, 'unknown-text');
  assert.deepEqual(found.none, [[], '']);
});

test('a model without a tokenizer takes token ids', async () => {
  const files = await readFiles(`${GOLDEN}cosmicfish_hrm/one-step`, ['config.json', 'model.safetensors']);
  const found = await page.evaluate((files) => withModel(bytesOf(files), { device: 'cpu' }, async (model) => ({
    name: model.name,
    cached: model.cached,
    errors: [
      await failure(() => all(model.generate('text'))),
      await failure(() => model.tokenize('text')),
      await failure(() => model.detokenize([1])),
      await failure(() => model.prefixes('text')),
    ],
    count: (await all(model.generate([1, 2, 3], { maxTokens: 2 }))).length,
    next: (await model.prefixes([1, 2, 3]))[2].nextText,
  })), toPage(files));
  assert.deepEqual([found.name, found.cached, found.count], ['model', false, 2]);
  for (const error of found.errors) assert.equal(error.code, 'no-tokenizer', error.message);
  assert.equal(typeof found.next, 'string');
});

test('narrow: a file that the command line wrote, and the shipped model narrowed as it is loaded', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fathom-q8-'));
  try {
    execFileSync(fathomProgram(), ['convert', fileURLToPath(new URL('../../models/beads', import.meta.url)), folder, '--weights', 'q8', '--force', '-q']);
    const files = await readFiles(folder, ['config.json', 'model.safetensors', 'tokenizer.json']);
    assert.ok(files['model.safetensors'].length < 640_000);
    for (const device of ['cpu', 'webgpu']) {
      const found = await page.evaluate(async ({ files, device, prompt }) => {
        const seen = async (source, weights, kv) => {
          const model = await fathom.load(source, { device, weights, kv });
          const { depth, q, logits } = await model.forward(prompt);
          const tokens = (await all(model.generate(prompt))).map(({ token }) => token);
          model.dispose();
          return JSON.stringify({ depth, q, logits: logits.map((row) => [...row]), tokens });
        };
        return { file: await seen(bytesOf(files)), loaded: await seen(BEADS, 'q8'), plain: await seen(BEADS), halves: await seen(BEADS, 'keep', 'f16') };
      }, { files: toPage(files), device, prompt: DEEP });
      assert.equal(found.file, found.loaded);
      assert.notEqual(found.file, found.plain);
      assert.notEqual(found.halves, found.plain);
      for (const narrow of [found.file, found.halves]) assert.deepEqual(JSON.parse(narrow).tokens, NATIVE[2].tokens);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
