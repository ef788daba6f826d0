/** GPUs that are lost, compute wrongly, are too small or not there at all. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { openFathom, readBeads, serveFathom, toPage } from './fathom-page.mjs';
import { DIST, HERE, launch } from './harness.mjs';
import { ModelServer } from './model-server.mjs';

const PROMPT = '3*4+5*6-7=';
const ANSWER = '52723';
const FOLDERS = ['/plain/', '/wrong/', '/wrong,real/', '/small/', '/small,real/'];

const servers = [];
let browser, site, context, page;

before(async () => {
  browser = await launch();
  const mounts = {};
  for (const folder of FOLDERS) {
    mounts[folder] = DIST;
    mounts[`${folder}worker.js`] = join(HERE, 'device.worker.js');
    mounts[`${folder}worker-real.js`] = join(DIST, 'worker.js');
  }
  site = await serveFathom(mounts);
});
after(async () => {
  await browser?.close();
  await site?.close();
});
afterEach(async () => {
  await context?.close();
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

/** A server of these files, which ends with the test. */
const serverOf = async (files) => {
  const server = await new ModelServer(files).start();
  servers.push(server);
  return server;
};

/** Runs something in a page whose GPU has the faults that the folder names. */
async function within(folder, run, input) {
  ({ context, page } = await openFathom(browser, site, folder));
  await page.evaluate(() => {
    /** Makes the device be lost, now or later. */
    globalThis.lose = (when) =>
      new Promise((resolve) => {
        const channel = new BroadcastChannel('device');
        channel.onmessage = () => resolve(channel.close());
        channel.postMessage(when);
      });
    /** Loads a model and notes its warnings. */
    globalThis.warnings = [];
    globalThis.open = (source, options) =>
      fathom.load(source, { onWarning: ({ code, message }) => warnings.push({ code, message }), ...options });
  });
  return page.evaluate(run, input);
}

const codes = (warnings) => warnings.map(({ code }) => code);

describe('a lost device', () => {
  for (const when of ['token 2', 'step 2']) {
    test(`is replaced, and the answer goes on: behind ${when}`, async () => {
      const { whole, found, warnings, kind } = await within('/plain/', async ({ prompt, when }) => {
        const model = await open(BEADS, { device: 'webgpu' });
        const options = { trace: when.startsWith('step') };
        const whole = await all(model.generate(prompt, options));
        await lose(when);
        const found = await all(model.generate(prompt, options));
        return { whole, found, warnings, kind: model.device.kind };
      }, { prompt: PROMPT, when });
      assert.equal(whole.map(({ text }) => text).join(''), ANSWER);
      assert.deepEqual(comparable(found), comparable(whole));
      assert.deepEqual(codes(warnings), ['device-lost']);
      assert.match(warnings[0].message, /replaced/);
      assert.equal(kind, 'webgpu');
    });
  }

  test('may be lost while nothing or anything is computed', async () => {
    const { before, after, warnings, device } = await within('/plain/', async (prompt) => {
      const model = await open(BEADS, { device: 'webgpu' });
      const look = async () => {
        const { logits, ...rest } = await model.forward(prompt);
        return { prefixes: await model.prefixes(prompt), logits: [...logits[0]], ...rest };
      };
      const before = await look();
      const after = [];
      // Before a forward, before prefixes, and while one runs.
      await lose('now');
      after.push(await look());
      await model.forward(prompt);
      await lose('now');
      const prefixes = await model.prefixes(prompt);
      after.push({ ...(await look()), prefixes });
      const looking = look();
      await lose('now');
      after.push(await looking);
      return { before, after, warnings, device: model.device };
    }, PROMPT);
    for (const look of after) assert.deepEqual(look, before);
    assert.deepEqual(codes(warnings), ['device-lost', 'device-lost', 'device-lost']);
    assert.equal(device.name, 'google swiftshader');
  });

  test('is replaced once for all that run on it', async () => {
    const { texts, depths, warnings } = await within('/plain/', async (prompt) => {
      const model = await open(BEADS, { device: 'webgpu' });
      await lose('token 2');
      const answers = [0, 1].map(async () => textOf(await all(model.generate(prompt))));
      const looks = [model.forward(prompt), model.prefixes(prompt).then((prefixes) => prefixes.at(-1))];
      const depths = (await Promise.all(looks)).map(({ depth }) => depth);
      return { texts: await Promise.all(answers), depths, warnings };
    }, PROMPT);
    assert.deepEqual(texts, [ANSWER, ANSWER]);
    assert.deepEqual(depths, [2, 2]);
    assert.deepEqual(codes(warnings), ['device-lost']);
  });

  for (const when of ['upload', 'warning device-lost']) {
    test(`is not replaced for ever, as when the other is lost behind ${when}`, async () => {
      const { lost, warnings, text } = await within('/plain/', async ({ prompt, when }) => {
        const model = await open(BEADS, { device: 'webgpu' });
        await lose(when);
        await lose('now');
        const lost = await failure(() => all(model.generate(prompt)));
        const text = textOf(await all(model.generate(prompt)));
        return { lost, warnings, text };
      }, { prompt: PROMPT, when });
      assert.deepEqual([lost.code, lost.isOurs], ['device-lost', true], lost.message);
      assert.equal(text, ANSWER, 'the next answer gets a device again');
      assert.ok(codes(warnings).every((code) => code === 'device-lost'));
    });
  }

  test('is not replaced where the files were not kept', async () => {
    const { lost, again, text } = await within('/plain/', async ({ prompt, beads }) => {
      const model = await open(bytesOf(beads), { device: 'webgpu', keepFiles: false });
      const text = textOf(await all(model.generate(prompt)));
      await lose('now');
      return { lost: await failure(() => all(model.generate(prompt))), again: await failure(() => model.forward(prompt)), text };
    }, { prompt: PROMPT, beads: toPage(await readBeads()) });
    assert.equal(text, ANSWER);
    for (const error of [lost, again]) {
      assert.equal(error.code, 'device-lost');
      assert.match(error.message, /not kept.*load it again/);
    }
  });

  test('is replaced from the cache, without the network', async () => {
    const server = await serverOf(await readBeads());
    const loaded = await within('/plain/', async (folder) => {
      globalThis.model = await open(folder, { device: 'webgpu', keepFiles: false });
      return model.cached;
    }, server.folder);
    assert.equal(loaded, true);
    await servers.pop().stop();
    server.asked();
    const text = await page.evaluate(async (prompt) => {
      await lose('token 1');
      return textOf(await all(model.generate(prompt)));
    }, PROMPT);
    assert.equal(text, ANSWER);
    assert.deepEqual(server.asked(), []);
  });
});

describe('a GPU that computes wrongly', () => {
  test('is refused where it was asked for', async () => {
    const error = await within('/wrong/', () => failure(() => open(BEADS, { device: 'webgpu' })));
    assert.deepEqual([error.code, error.isOurs], ['wrong-gpu', true], error.message);
  });

  test('is passed over by auto', async () => {
    const { device, warnings, text } = await within('/wrong,real/', loadWithAuto, PROMPT);
    assert.equal(device.kind, 'cpu');
    assert.deepEqual(codes(warnings), ['wrong-gpu']);
    assert.equal(warnings[0].message, `${device.why}.`);
    assert.equal(text, ANSWER);
  });
});

describe('a GPU that is too small', () => {
  test('is refused before any weights are downloaded', async () => {
    const server = await serverOf(await readBeads());
    const { error, info } = await within('/small/', async (folder) => {
      return { error: await failure(() => open(folder, { device: 'webgpu' })), info: await fathom.inspect(folder) };
    }, server.folder);
    assert.equal(error.code, 'gpu-memory');
    assert.match(error.message, /100000/);
    assert.deepEqual(server.asked().filter((request) => request.startsWith('GET model')), []);
    assert.deepEqual([info.fitsGpu, info.reason], [false, error.message]);
  });

  test('is passed over by auto', async () => {
    const { device, warnings, text } = await within('/small,real/', loadWithAuto, PROMPT);
    assert.equal(device.kind, 'cpu');
    assert.deepEqual(codes(warnings), ['gpu-memory']);
    assert.equal(text, ANSWER);
  });
});

async function loadWithAuto(prompt) {
  const model = await open(BEADS, { device: 'auto' });
  return { device: model.device, warnings, text: textOf(await all(model.generate(prompt))) };
}

/** Tokens, and their steps, without times and without which positions a step computed: behind a loss it is all of them. */
function comparable(tokens) {
  const passing = ['ms', 'cycles', 'firstPosition'];
  return JSON.parse(JSON.stringify(tokens, (key, value) => (passing.includes(key) ? undefined : value)));
}
