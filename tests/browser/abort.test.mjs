/** Answers that are broken off, that run side by side, and what is left of a model that was disposed. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { openFathom, serveFathom } from './fathom-page.mjs';
import { launch } from './harness.mjs';

let browser, site, context, page;

before(async () => {
  browser = await launch();
  site = await serveFathom();
});
after(async () => {
  await browser?.close();
  await site?.close();
});
beforeEach(async () => {
  ({ context, page } = await openFathom(browser, site));
  await page.evaluate(() => {
    globalThis.PROMPT = '3*4+5*6-7=';
    /** An answer that would take long. */
    globalThis.LONG = { ignoreEos: true, maxTokens: 4000, overflow: 'slide', depth: 16 };
  });
});
afterEach(() => context.close());

for (const device of ['cpu', 'webgpu']) {
  describe(`on ${device}`, () => {
    test('an answer can be aborted before its first token, in its middle, and when it waits', async () => {
      const found = await page.evaluate((device) => withModel(BEADS, { device }, async (model) => {
        const before = await failure(() => all(model.generate(PROMPT, { ...LONG, signal: AbortSignal.abort() })));
        const soon = new AbortController();
        const first = model.generate(PROMPT, { ...LONG, signal: soon.signal }).next();
        soon.abort();
        const early = await failure(() => first);
        const middle = new AbortController();
        let count = 0;
        const inMiddle = await failure(async () => {
          for await (const token of model.generate(PROMPT, { ...LONG, signal: middle.signal })) {
            if (++count === 3) middle.abort();
          }
        });
        const late = new AbortController();
        const whole = textOf(await all(model.generate(PROMPT, { signal: late.signal })));
        late.abort();
        return { errors: [before, early, inMiddle], count, whole, after: textOf(await all(model.generate(PROMPT))) };
      }), device);
      for (const error of found.errors) assert.deepEqual([error.code, error.isOurs], ['aborted', true], error.message);
      // A few may have been computed ahead.
      assert.ok(found.count >= 3 && found.count <= 3 + 5, String(found.count));
      assert.deepEqual([found.whole, found.after], ['52723', '52723']);
    });

    test('leaving the loop ends the work', async () => {
      const { steps, later, text } = await page.evaluate((device) => withModel(BEADS, { device }, async (model) => {
        let steps = 0;
        for await (const token of model.generate(PROMPT, { ...LONG, depth: 1, onStep: () => (steps += 1) })) {
          if (token.place === 2) break;
        }
        await model.forward(PROMPT);
        const atOnce = steps;
        await new Promise((resolve) => setTimeout(resolve, 500));
        return { steps: atOnce, later: steps, text: textOf(await all(model.generate(PROMPT))) };
      }), device);
      assert.ok(steps <= 3 + 5, `${steps} steps for three tokens`);
      assert.equal(later, steps);
      assert.equal(text, '52723');
    });

    test('no token is computed that nobody reads, but for a few', async () => {
      const steps = await page.evaluate((device) => withModel(BEADS, { device }, async (model) => {
        let steps = 0;
        const answer = model.generate(PROMPT, { ...LONG, depth: 1, onStep: () => (steps += 1) });
        await answer.next();
        await new Promise((resolve) => setTimeout(resolve, 1500));
        await answer.return();
        return steps;
      }), device);
      assert.ok(steps >= 1 && steps <= 6, `${steps} steps`);
    });

    test('answers run side by side as alone, and forwards and prefixes between them', async () => {
      const { texts, forward, prefixes } = await page.evaluate((device) => withModel(BEADS, { device }, async (model) => {
        const texts = ['3*4+5*6-7=', '7+5-3*4='].map(async (prompt) => textOf(await all(model.generate(prompt))));
        const [forward, prefixes] = await Promise.all([model.forward(PROMPT), model.prefixes(PROMPT)]);
        return { texts: await Promise.all(texts), forward: forward.depth, prefixes: prefixes.at(-1).depth };
      }), device);
      assert.deepEqual(texts, ['52723', '6927']);
      assert.deepEqual([forward, prefixes], [2, 2]);
    });

    test('a disposed model ends everything', async () => {
      const { during, forward, afterwards } = await page.evaluate(async (device) => {
        const model = await fathom.load(BEADS, { device });
        const answer = model.generate(PROMPT, LONG);
        await answer.next();
        const during = failure(async () => {
          for await (const token of answer) void token;
        });
        const forward = failure(() => model.forward(PROMPT, { depth: 16 }));
        await Promise.all([model.dispose(), model.dispose()]);
        const afterwards = [
          await failure(() => model.forward(PROMPT)),
          await failure(() => all(model.generate(PROMPT))),
          await failure(() => model.tokenize('1')),
        ];
        return { during: await during, forward: await forward, afterwards };
      }, device);
      assert.ok(['aborted', 'disposed'].includes(during.code), `${during.code}: ${during.message}`);
      assert.ok(['nothing failed', 'disposed'].includes(forward.code), `${forward.code}: ${forward.message}`);
      for (const error of afterwards) assert.equal(error.code, 'disposed', error.message);
    });
  });
}

test('loading can be aborted, before and on the way', async () => {
  const found = await page.evaluate(async () => {
    const before = await failure(() => fathom.load(BEADS, { signal: AbortSignal.abort() }));
    const way = new AbortController();
    const onProgress = ({ phase }) => phase === 'upload' && way.abort();
    const onWay = await failure(() => fathom.load(BEADS, { device: 'cpu', signal: way.signal, onProgress }));
    return [before.code, onWay.code];
  });
  assert.deepEqual(found, ['aborted', 'aborted']);
});

test('a forward and prefixes can be aborted, and the model goes on', async () => {
  const found = await page.evaluate(() => withModel(BEADS, { device: 'cpu' }, async (model) => {
    const soon = () => AbortSignal.timeout(1);
    const text = '4+7+0+6+5+9+2-8+9+5+4-4-0-2-7*9*7=';
    const failed = await Promise.all([
      failure(() => model.prefixes(text, { depth: 16, signal: AbortSignal.abort() })),
      failure(() => model.forward(text, { depth: 16, signal: AbortSignal.abort() })),
    ]);
    // Those that come too late change nothing.
    const late = await model.forward(PROMPT, { signal: AbortSignal.timeout(5000) });
    const many = Array.from({ length: 20 }, () => failure(() => model.prefixes(text.slice(0, 20), { depth: 16, haltBias: Math.random(), signal: soon() })));
    const codes = new Set((await Promise.all(many)).map(({ code }) => code));
    return { codes: [...codes], failed: failed.map(({ code }) => code), depth: late.depth, text: textOf(await all(model.generate('7+5-3*4='))) };
  }));
  assert.deepEqual(found.failed, ['aborted', 'aborted']);
  assert.ok(found.codes.includes('aborted') && found.codes.every((code) => code === 'aborted' || code === 'nothing failed'), found.codes.join());
  assert.ok(found.depth >= 1);
  assert.equal(found.text, '6927');
});

test('a source or an address that is none is told', async () => {
  const codes = await page.evaluate(async () => {
    const tries = [
      () => fathom.load(BEADS, { wasmUrl: 'http://[' }),
      () => fathom.load(BEADS, { stallMs: NaN }),
      () => fathom.load('http://['),
      () => fathom.load({ 'config.json': () => {} }),
      () => fathom.load(BEADS, { wasmUrl: '/dist/not-there.wasm' }),
    ];
    return Promise.all(tries.map(async (run) => (await failure(run)).code));
  });
  assert.deepEqual(codes, ['option', 'option', 'bad-source', 'option', 'worker']);
});
