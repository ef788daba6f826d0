/** What the tests in a real browser share: Chromium, a static server, and an ear for errors. */
import { chromium } from 'playwright-core';
import { createServer } from 'node:http';
import { createReadStream, existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package as `tsc` leaves it; relative paths start at this folder. */
export const DIST = fileURLToPath(new URL(`${process.env.FATHOM_DIST ?? '../../wasm/package/dist'}/`, import.meta.url));
/** This folder. */
export const HERE = fileURLToPath(new URL('.', import.meta.url));
/** The models of this repository. */
export const MODELS = fileURLToPath(new URL('../../models/', import.meta.url));
/** The cases of golden numbers. */
export const GOLDEN = fileURLToPath(new URL('../golden/', import.meta.url));

const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** SwiftShader stands in for a GPU. */
const WEBGPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-features=Vulkan'];
const FLAGS = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.mjs': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.woff2': 'font/woff2',
};

/** Starts Chromium: `CHROMIUM` from the environment, or where systems have it. `flags` say what WebGPU there is. */
export function launch(flags = WEBGPU) {
  const executablePath = process.env.CHROMIUM ?? CANDIDATES.find(existsSync);
  if (!executablePath) throw new Error(`No Chromium: set CHROMIUM, or install one of ${CANDIDATES.join(', ')}.`);
  return chromium.launch({ executablePath, headless: true, args: [...flags, ...FLAGS] });
}

/** Starts a node server on a free port of this machine; `origin` is its address, `close` ends its connections too. */
export async function listen(handler) {
  const server = createServer(handler);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () =>
    new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  return { origin: `http://127.0.0.1:${server.address().port}`, close };
}

/** Serves folders, as `{ '/dist/': '/path/of/dist' }`, and files likewise, without a slash at the end; an
 * empty page is at `/`. `headers` come with every file. */
export function serve(mounts, headers = {}) {
  return listen(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
    if (path === '/' && !('/' in mounts)) {
      response.writeHead(200, { 'Content-Type': TYPES['.html'] });
      return response.end('<!doctype html><link rel="icon" href="data:,"><title>test</title>');
    }
    const mount = Object.keys(mounts)
      .filter((prefix) => path.startsWith(prefix))
      .sort((a, b) => b.length - a.length)[0];
    const isFile = mount !== undefined && !mount.endsWith('/') && path === mount;
    const rest = mount === undefined || isFile ? '' : normalize(path.slice(mount.length) || 'index.html');
    const file = mount === undefined || rest.startsWith('..') ? undefined : join(mounts[mount], rest);
    const found = file && (await stat(file).catch(() => undefined));
    if (!found?.isFile()) return response.writeHead(404).end();
    send(request, response, file, found, headers);
  });
}

function send(request, response, file, { size, mtimeMs }, more) {
  const headers = {
    ...more,
    'Accept-Ranges': 'bytes',
    'Content-Length': size,
    'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
    ETag: `"${size}-${Math.round(mtimeMs)}"`,
  };
  const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
  const start = Number(from ?? 0);
  if (from !== undefined && start >= size) {
    return response.writeHead(416, { 'Content-Range': `bytes */${size}` }).end();
  }
  if (from !== undefined) {
    headers['Content-Length'] = size - start;
    headers['Content-Range'] = `bytes ${start}-${size - 1}/${size}`;
  }
  response.writeHead(from === undefined ? 200 : 206, headers);
  if (request.method === 'HEAD') return response.end();
  createReadStream(file, { start }).pipe(response);
}

/** A page in a context of its own, with storage of its own; `errors` collects what goes wrong in it. */
export async function openPage(browser, url, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const errors = [];
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(url);
  return { context, page, errors };
}

/** The command line, as `cargo build` leaves it. */
export const fathomProgram = () =>
  join(process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL('../../target', import.meta.url)), 'debug', 'fathom');
