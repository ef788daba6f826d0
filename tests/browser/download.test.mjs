/** Downloading and caching in a real browser, against a server that does everything wrong that a server can. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { DIST, HERE, launch, openPage, serve } from './harness.mjs';
import { ModelServer, cutAfter, ignoreRange, promise, stallAfter, status } from './model-server.mjs';

const CONFIG = '{"model_type": "tiny"}';
const WEIGHTS = Buffer.alloc(1_000_000, 'weights of a model, which repeat themselves a little; ');
const OTHER = Buffer.alloc(1_000_000, 'others, trained for longer; ');
const LOOKS = ['HEAD tokenizer.json', 'HEAD model.safetensors'];
const FIRST = ['GET config.json', ...LOOKS, 'GET model.safetensors'];
const CACHED = ['HEAD config.json', ...LOOKS];

let browser, site, context, page, server;

before(async () => {
  browser = await launch();
  site = await serve({ '/dist/': DIST, '/tests/': HERE });
});
after(async () => {
  await browser?.close();
  await site?.close();
});
beforeEach(async () => {
  server = await new ModelServer({ 'config.json': Buffer.from(CONFIG), 'model.safetensors': WEIGHTS }).start();
  ({ context, page } = await openPage(browser, site.origin));
});
afterEach(async () => {
  await context.close();
  await server.stop();
});

/** Lists a model and opens its weights, in a worker. */
function run(job = {}) {
  return page.evaluate(async (job) => {
    const worker = new Worker('/tests/download.worker.js', { type: 'module' });
    worker.postMessage(job);
    const answer = await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    });
    worker.terminate();
    return answer;
  }, { source: server.folder, ...job });
}

/** The same; it must work and bring the right bytes. */
async function load(job, bytes = WEIGHTS) {
  const { model, error } = await run(job);
  assert.equal(error, undefined);
  for (const weight of model.weights) assert.equal(weight.sha256, sha256(bytes), weight.name);
  return model;
}

/** The same; it must fail. */
async function fail(code, job) {
  const { error } = await run(job);
  assert.equal(error?.code, code, JSON.stringify(error));
  assert.equal(error.name, 'FathomError');
  return error.message;
}

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const store = (call, ...rest) =>
  page.evaluate(async ({ call, rest }) => (await import('/dist/store.js'))[call](...rest), { call, rest });

describe('a server that behaves', () => {
  test('is asked once for each file, and then only whether something has changed', async () => {
    const [weights] = (await load()).weights;
    assert.deepEqual(server.asked(), FIRST);
    assert.deepEqual([weights.bytes, weights.cached, weights.kept], [WEIGHTS.length, false, true]);
    assert.deepEqual([weights.rising, weights.last], [true, WEIGHTS.length]);

    const again = await load();
    assert.deepEqual(server.asked(), CACHED);
    assert.equal(again.weights[0].cached, true);
    assert.deepEqual([again.name, again.config, again.tokenizer], ['tiny', CONFIG, undefined]);
  });

  test('may compress, so that the length it tells is not that of the file', async () => {
    for (const cors of [server.cors, { 'Access-Control-Allow-Origin': '*' }]) {
      server.cors = cors;
      server.etag = `"compressed, ${Object.keys(cors).length}"`;
      server.always['model.safetensors'] = (request, response, body) => {
        const packed = gzipSync(body);
        const headers = { ...cors, ETag: server.etag, 'Content-Encoding': 'gzip', 'Content-Length': packed.length };
        response.writeHead(200, headers).end(packed);
      };
      await load();
      await store('remove');
    }
  });

  test('may keep its weights in several files', async () => {
    const index = { weight_map: { a: 'one.safetensors', b: 'two.safetensors', c: 'one.safetensors' } };
    const names = { 'one.safetensors': WEIGHTS, 'two.safetensors': WEIGHTS };
    server.files = { 'config.json': Buffer.from(CONFIG), 'tokenizer.json': Buffer.from('{}'), ...names };
    server.files['model.safetensors.index.json'] = Buffer.from(JSON.stringify(index));
    const model = await load();
    assert.deepEqual(model.weights.map(({ name }) => name), Object.keys(names));
    assert.deepEqual([JSON.parse(model.index), model.tokenizer], [index, '{}']);
    assert.equal((await store('list'))[0].complete, true);
    await server.stop();
    await load();
  });

  test('may know nothing of HEAD requests', async () => {
    server.head = status(405);
    server.files['tokenizer.json'] = Buffer.from('{"a": 1}');
    const model = await load();
    assert.deepEqual([model.tokenizer, model.weights[0].bytes], ['{"a": 1}', 0]);
    server.asked();
    await load();
    assert.deepEqual(server.asked().filter((request) => request.startsWith('GET')), []);
  });

  test('may answer with a page where a file is missing', async () => {
    server.missing = (request, response) =>
      response.writeHead(200, { ...server.cors, 'Content-Type': 'text/html; charset=utf-8' }).end('<!doctype html>');
    assert.equal((await load()).tokenizer, undefined);
    server.head = status(405);
    assert.equal((await load()).tokenizer, undefined);
    server.head = undefined;
    delete server.files['config.json'];
    await store('remove');
    assert.match(await fail('not-found'), /config\.json/);
  });

  test('keeps a query, and an address needs no slash at its end', async () => {
    const model = await load({ source: `${server.folder.slice(0, -1)}?key=1` });
    assert.equal(model.name, 'tiny');
    assert.deepEqual(await store('list'), [
      { url: `${server.folder}?key=1`, bytes: WEIGHTS.length + CONFIG.length, complete: true },
    ]);
  });
});

describe('a connection that breaks', () => {
  test('is taken up where it stopped', async () => {
    server.script['model.safetensors'] = [cutAfter(400_000), cutAfter(300_000)];
    const [weights] = (await load()).weights;
    assert.deepEqual(server.asked(), [...FIRST, 'GET model.safetensors 400000-', 'GET model.safetensors 700000-']);
    assert.equal(weights.rising, true);
  });

  test('is given up when nothing more comes, and what came is not taken for the file', async () => {
    server.script['model.safetensors'] = [cutAfter(400_000)];
    server.always['model.safetensors'] = cutAfter(0);
    assert.match(await fail('network'), /400000 bytes/);
    assert.deepEqual(server.asked(), [...FIRST, ...Array(5).fill('GET model.safetensors 400000-')]);
    assert.equal((await store('list'))[0].complete, false);

    server.always = {};
    await load();
    assert.deepEqual(server.asked(), [...CACHED, 'GET model.safetensors 400000-']);
  });

  test('is taken up when it stalls, and given up when it only stalls', async () => {
    server.script['model.safetensors'] = [stallAfter(400_000)];
    await load({ stallMs: 500 });
    assert.deepEqual(server.asked(), [...FIRST, 'GET model.safetensors 400000-']);

    await store('remove');
    server.always['model.safetensors'] = stallAfter(0);
    await fail('stalled', { stallMs: 300 });
    assert.deepEqual(server.asked(), [...FIRST, ...Array(4).fill('GET model.safetensors')]);
  });

  test('begins anew where the server ignores ranges', async () => {
    server.script['model.safetensors'] = [cutAfter(400_000), ignoreRange];
    await load();
    assert.deepEqual(server.asked(), [...FIRST, 'GET model.safetensors 400000-']);
  });

  test('begins anew after 416', async () => {
    server.script['model.safetensors'] = [cutAfter(400_000), status(416)];
    await load();
    assert.deepEqual(server.asked(), [...FIRST, 'GET model.safetensors 400000-', 'GET model.safetensors']);
  });

  test('begins anew where the file has changed', async () => {
    server.script['model.safetensors'] = [
      (request, response, body, it) => {
        cutAfter(400_000)(request, response, body, it);
        server.etag = '"two"';
        server.files['model.safetensors'] = OTHER;
      },
    ];
    await load({}, OTHER);
    assert.deepEqual(server.asked(), [...FIRST, 'GET model.safetensors 400000-', 'GET model.safetensors']);
  });

  test('is taken up by its date where other origins may not read more, and not without one', async () => {
    const origin = { 'Access-Control-Allow-Origin': '*' };
    server.cors = { ...origin, 'Last-Modified': 'Tue, 24 Nov 2026 08:00:00 GMT' };
    server.script['model.safetensors'] = [cutAfter(400_000)];
    await load();
    assert.deepEqual(server.asked(), [...FIRST, 'GET model.safetensors 400000-']);

    // Another file of the same length could have taken its place.
    await store('remove');
    server.cors = origin;
    server.script['model.safetensors'] = [cutAfter(400_000)];
    await load();
    assert.deepEqual(server.asked(), [...FIRST, 'GET model.safetensors']);
  });

  test('goes on after an abort', async () => {
    server.script['model.safetensors'] = [stallAfter(400_000)];
    assert.match(await fail('aborted', { abortAt: 400_000 }), /aborted/);
    assert.deepEqual(await store('list'), [
      { url: server.folder, bytes: 400_000 + CONFIG.length, complete: false },
    ]);
    server.asked();
    await load();
    assert.deepEqual(server.asked(), [...CACHED, 'GET model.safetensors 400000-']);
    await fail('aborted', { abortListing: true });
  });
});

describe('a server that lies', () => {
  test('about a rest that is too long', async () => {
    const longer = promise(WEIGHTS.length, 700_000);
    server.script['model.safetensors'] = [cutAfter(400_000), longer];
    await load();
    assert.deepEqual(server.asked(), [...FIRST, 'GET model.safetensors 400000-', 'GET model.safetensors']);
  });

  test('about a rest that is too short', async () => {
    server.script['model.safetensors'] = [cutAfter(400_000), promise(WEIGHTS.length, 100_000)];
    await load();
    assert.deepEqual(server.asked(), [...FIRST, 'GET model.safetensors 400000-', 'GET model.safetensors 500000-']);

    await store('remove');
    server.script['model.safetensors'] = [cutAfter(400_000)];
    server.always['model.safetensors'] = promise(WEIGHTS.length, 0);
    assert.match(await fail('wrong-length'), /should have 1000000 bytes, but it has 400000/);
    assert.equal((await store('list'))[0].complete, false);
  });

  test('about the whole length', async () => {
    server.always['model.safetensors'] = cutAfter(WEIGHTS.length, { 'Content-Length': WEIGHTS.length + 1 });
    await fail('network');
    assert.equal((await store('list'))[0].complete, false);
  });
});

describe('a server that refuses', () => {
  test('because there is no model', async () => {
    server.files = {};
    assert.match(await fail('not-found'), /config\.json/);
    server.files = { 'config.json': Buffer.from(CONFIG) };
    assert.match(await fail('not-found'), /model\.safetensors/);
  });

  test('with a status', async () => {
    server.always['config.json'] = status(403);
    assert.match(await fail('http'), /403/);
    assert.deepEqual(server.asked(), ['GET config.json']);
    server.always = {};
    server.script['config.json'] = [status(503)];
    await load();
  });

  test('to let other origins read', async () => {
    server.cors = {};
    assert.match(await fail('network'), /CORS/);
  });

  test('by naming files outside of the folder', async () => {
    for (const name of ['../secret', 'https://example.org/x', 'a\\b', '', 7]) {
      server.files = { 'config.json': Buffer.from(CONFIG) };
      server.files['model.safetensors.index.json'] = Buffer.from(JSON.stringify({ weight_map: { a: name } }));
      server.etag = `"${name}"`;
      await fail('bad-index');
    }
  });
});

describe('the cache', () => {
  test('works without a network', async () => {
    await load();
    await server.stop();
    assert.equal((await load()).weights[0].cached, true);
  });

  test('notices that the server has other files now', async () => {
    await load();
    server.asked();
    server.etag = '"two"';
    server.files['model.safetensors'] = OTHER;
    assert.equal((await load({}, OTHER)).weights[0].cached, false);
    assert.deepEqual(server.asked(), ['HEAD config.json', 'GET config.json', ...LOOKS, 'GET model.safetensors']);
  });

  test('notices that a file was cut', async () => {
    await load();
    await page.evaluate(async () => {
      const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('fathom');
      for await (const folder of root.values()) {
        const file = await folder.getFileHandle('data');
        if ((await file.getFile()).size < 1000) continue;
        const writer = await file.createWritable({ keepExistingData: true });
        await writer.truncate(5000);
        await writer.close();
      }
    });
    assert.equal((await store('list'))[0].complete, false);
    server.asked();
    await load();
    assert.deepEqual(server.asked(), [...CACHED, 'GET model.safetensors']);
  });

  test('lists and deletes', async () => {
    assert.deepEqual(await store('list'), []);
    await load();
    const copy = server.folder.replace('tiny', 'copy');
    await load({ source: copy });
    const bytes = WEIGHTS.length + CONFIG.length;
    const byUrl = (models) => models.sort((a, b) => (a.url < b.url ? -1 : 1));
    assert.deepEqual(byUrl(await store('list')), [
      { url: copy, bytes, complete: true },
      { url: server.folder, bytes, complete: true },
    ]);
    await store('remove', copy.slice(0, -1));
    assert.deepEqual(await store('list'), [{ url: server.folder, bytes, complete: true }]);
    await store('remove');
    assert.deepEqual(await store('list'), []);
  });

  test('shows what is being downloaded, and does not delete it', async () => {
    server.script['model.safetensors'] = [stallAfter(400_000)];
    const loading = load({ stallMs: 2000 });
    let seen;
    do [seen] = await store('list');
    while (seen?.bytes !== 400_000 + CONFIG.length);
    assert.equal(seen.complete, false);
    await assert.rejects(store('remove'), /model\.safetensors cannot be deleted while it is being downloaded/);
    await loading;
  });

  test('knows a folder by one address, and a page of the hub as the files behind it', async () => {
    const address = (source) =>
      page.evaluate(async (source) => (await import('/dist/store.js')).folderAddress(source).href, source);
    const hub = 'https://huggingface.co/org/name';
    assert.equal(await address(hub), `${hub}/resolve/main/`);
    assert.equal(await address(`${hub}/tree/v2`), `${hub}/resolve/v2/`);
    assert.equal(await address(`${hub}/resolve/main`), `${hub}/resolve/main/`);
    assert.equal(await address('models/beads#top'), `${site.origin}/models/beads/`);
  });

  test('is left alone on demand', async () => {
    assert.equal((await load({ cache: false })).weights[0].kept, false);
    assert.deepEqual(await store('list'), []);
  });

  test('forgets a model that is faulty', async () => {
    await load({ thenForget: true });
    assert.deepEqual(await store('list'), []);
  });

  test('takes one download at a time, and the second finds the file', async () => {
    await Promise.all([load(), load()]);
    const got = server.asked().filter((request) => request === 'GET model.safetensors');
    assert.equal(got.length, 1);
  });

  for (const stub of ['noFileSystem', 'fullDisk', 'diskOf600kB']) {
    test(`is not needed: ${stub}`, async () => {
      server.script['model.safetensors'] = [cutAfter(700_000)];
      const [weights] = (await load({ stub })).weights;
      assert.equal(weights.kept, false);
      assert.deepEqual(server.asked(), [...FIRST, 'GET model.safetensors 700000-']);
      assert.equal((await store('list'))[0]?.complete ?? false, false);
    });
  }
});

describe('files of the user', () => {
  const model = { 'config.json': CONFIG, 'model.safetensors': 'weights' };
  const names = ({ weights }) => weights.map(({ name }) => name);
  const open = async (texts, asFiles) => {
    const answer = await run({ source: undefined, texts, asFiles });
    assert.equal(answer.error, undefined);
    return answer.model;
  };

  test('are found by their names, as bytes or as files of a folder', async () => {
    const got = await open({ ...model, 'tokenizer.json': '{}', 'README.md': '' });
    assert.deepEqual([got.config, got.tokenizer, got.weights[0].last], [CONFIG, '{}', 7]);
    const inFolder = { 'beads/old/config.json': 'old', 'beads/config.json': CONFIG, 'beads/model.safetensors': 'w' };
    const found = await open(inFolder, true);
    assert.deepEqual([found.name, found.config, names(found)], ['beads', CONFIG, ['model.safetensors']]);
  });

  test('may be several, or have a name of their own', async () => {
    const index = JSON.stringify({ weight_map: { a: 'b.safetensors', b: 'a.safetensors' } });
    const parts = { 'config.json': CONFIG, 'a.safetensors': 'a', 'b.safetensors': 'b' };
    assert.deepEqual(names(await open({ ...parts, 'model.safetensors.index.json': index })), [
      'b.safetensors',
      'a.safetensors',
    ]);
    assert.deepEqual(names(await open({ 'config.json': CONFIG, 'a.safetensors': 'a' })), ['a.safetensors']);
    assert.match(await fail('file-missing', { source: undefined, texts: parts }), /a\.safetensors, b\.safetensors/);
  });

  test('must be there', async () => {
    assert.match(await fail('file-missing', { source: undefined, texts: { 'a.txt': '' } }), /config\.json.*a\.txt/);
    await fail('bad-source', { source: 7 });
  });
});
