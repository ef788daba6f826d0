/** Those who use the package: a fresh Vite project in TypeScript, and pages without any tool. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { HERE, MODELS, launch, openPage, serve } from './harness.mjs';

const PACKAGE = join(HERE, '../../wasm/package');
const execute = promisify(execFile);

let browser, folder, project, unpacked;

before(async () => {
  browser = await launch();
  folder = await mkdtemp(join(tmpdir(), 'fathom-'));
  project = join(folder, 'project');
  await execute('npm', ['pack', '--pack-destination', folder], { cwd: PACKAGE });
  const tarball = join(folder, (await readdir(folder)).find((name) => name.endsWith('.tgz')));
  await cp(join(HERE, 'consumer/vite'), project, { recursive: true });
  await cp(join(MODELS, 'beads'), join(project, 'public/models/beads'), { recursive: true });
  await execute('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', tarball], { cwd: project });
  unpacked = join(project, 'node_modules/fathom-engine');
});
after(async () => {
  await browser?.close();
  if (folder) await rm(folder, { recursive: true });
});

const npx = (...args) =>
  execute('npx', args, { cwd: project }).catch(({ stdout, stderr }) => assert.fail(`${args}: ${stdout}${stderr}`));

/** The page at this address answers its prompt, and nothing goes wrong in it. */
async function answers(url) {
  const { context, page, errors } = await openPage(browser, url);
  try {
    await page.waitForSelector('output[data-done]', { state: 'attached', timeout: 60_000 });
    assert.equal(await page.textContent('output'), '6927', errors.join('\n'));
    assert.deepEqual(errors, []);
  } finally {
    await context.close();
  }
}

test('the tarball holds what it should and nothing else', async () => {
  const names = await readdir(unpacked, { recursive: true });
  const known = /^(package\.json|README\.md|LICENSE-(MIT|APACHE)|dist(\/[a-z0-9_-]+\.(js|d\.ts|wasm|wasm\.d\.ts|tiktoken))?)$/;
  assert.deepEqual(names.filter((name) => !known.test(name)), []);
  for (const name of ['dist/index.js', 'dist/index.d.ts', 'dist/worker.js', 'dist/fathom_bg.wasm', 'dist/gpt2.tiktoken']) {
    assert.ok(names.includes(name), name);
  }
});

test('a Vite project is checked, built and answers', async () => {
  await npx('tsc', '--noEmit');
  await npx('vite', 'build');
  const site = await serve({ '/': join(project, 'dist/') });
  try {
    await answers(`${site.origin}/`);
  } finally {
    await site.close();
  }
});

test('Vite’s development server answers', async () => {
  const server = spawn('node', ['node_modules/vite/bin/vite.js', '--port', '0', '--host', '127.0.0.1'], { cwd: project });
  try {
    let said = '';
    const url = await new Promise((resolve, reject) => {
      server.stdout.on('data', (text) => {
        said += String(text).replace(/\x1b\[\d+m/g, '');
        const [found] = /http:\S+/.exec(said) ?? [];
        if (found) resolve(found);
      });
      server.on('exit', () => reject(new Error(`Vite ended: ${said}`)));
    });
    await answers(url);
  } finally {
    server.kill();
  }
});

test('a plain page answers', async () => {
  const site = await serve({ '/': join(HERE, 'consumer/'), '/package/': `${unpacked}/`, '/models/': MODELS });
  try {
    await answers(`${site.origin}/plain.html?from=/package/dist/index.js`);
  } finally {
    await site.close();
  }
});

test('a page answers with the package from another origin', async () => {
  const other = await serve({ '/package/': `${unpacked}/` }, { 'Access-Control-Allow-Origin': '*' });
  const site = await serve({ '/': join(HERE, 'consumer/'), '/models/': MODELS });
  try {
    await answers(`${site.origin}/plain.html?from=${other.origin}/package/dist/index.js`);
  } finally {
    await site.close();
    await other.close();
  }
});

test('every way of resolving modules finds the types', async () => {
  const ways = { node16: 'node16', nodenext: 'nodenext', bundler: 'esnext' };
  for (const [moduleResolution, module] of Object.entries(ways)) {
    const config = { extends: './tsconfig.json', compilerOptions: { moduleResolution, module } };
    await writeFile(join(project, `tsconfig.${moduleResolution}.json`), JSON.stringify(config));
    await npx('tsc', '--noEmit', '-p', `tsconfig.${moduleResolution}.json`);
  }
});
