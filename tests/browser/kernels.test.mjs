/**
 * Every kernel against its twin in a real browser, where the shaders go through the browser's own compiler. The
 * tests are those of `tests/kernels/`, as wasm: `cargo run -p fathom-package -- kernels` builds them.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch, openPage, serve } from './harness.mjs';

const BUILT = fileURLToPath(new URL('../../target/browser-kernels/', import.meta.url));

let browser, site;

before(async () => {
  browser = await launch();
  site = await serve({ '/kernels/': BUILT });
});
after(async () => {
  await browser?.close();
  await site?.close();
});

/** Calls a function of the wasm, in a page of its own; a panic in it is thrown where nobody awaits it. */
async function call(name, ...rest) {
  const { context, page, errors } = await openPage(browser, site.origin);
  const job = async ({ name, rest }) => {
    const panic = new Promise((_, reject) => {
      addEventListener('error', ({ error, message }) => reject(error ?? new Error(message)));
      addEventListener('unhandledrejection', ({ reason }) => reject(reason));
    });
    const kernels = await import('/kernels/kernels.js');
    await kernels.default({ module_or_path: '/kernels/kernels_bg.wasm' });
    return Promise.race([kernels[name](...rest), panic]);
  };
  try {
    const answer = await page.evaluate(job, { name, rest });
    assert.deepEqual(errors, []);
    return answer;
  } finally {
    await context.close();
  }
}

test('kernels', async (t) => {
  const started = performance.now();
  const compared = [];
  for (const name of await call('tests')) {
    await t.test(name, async () => compared.push(...(await call('run', name))));
  }
  await t.test('every kernel was compared', async () => {
    assert.deepEqual([...new Set(compared)].sort(), (await call('kernels')).sort());
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  t.diagnostic(`${compared.length} comparisons of ${new Set(compared).size} kernels in ${seconds} s`);
});
