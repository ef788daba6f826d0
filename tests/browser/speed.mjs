/**
 * Tokens per second in the browser beside the native engine, on the same SwiftShader, turn by turn:
 * `cargo build --release && node speed.mjs`. The median of single tokens behind a prompt of 32, every step
 * traced, as the page does it.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openFathom, serveFathom } from './fathom-page.mjs';
import { launch } from './harness.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const DRIVER = process.env.SWIFTSHADER_ICD ?? '/usr/lib/chromium/vk_swiftshader_icd.json';
const PROMPT = '7+5-3*4+8-2*3+9-1+6*2-7+5-3*4+8=';
const DEPTHS = [1, 4];
const TOKENS = 16;
const TURNS = 3;
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
/** The prompt and the first tokens that compile something are left out. */
const perToken = (events) => median(events.slice(4).map((event) => event.ms));

function native(depth) {
  const trace = join(mkdtempSync(join(tmpdir(), 'fathom-')), 'trace.jsonl');
  const args = ['run', '-q', '--device', 'gpu', '--depth', `${depth}`, '-n', `${TOKENS}`, '--ignore-eos', '--trace', trace, PROMPT];
  execFileSync('target/release/fathom', args, { cwd: ROOT, env: { ...process.env, VK_DRIVER_FILES: DRIVER }, stdio: 'ignore' });
  return perToken(readFileSync(trace, 'utf8').trim().split('\n').map((line) => JSON.parse(line)));
}

async function inBrowser(depth) {
  const answer = ({ prompt, depth, maxTokens }) =>
    withModel(BEADS, { device: 'webgpu' }, (model) =>
      all(model.generate(prompt, { depth, maxTokens, ignoreEos: true, trace: true })),
    );
  return perToken(await page.evaluate(answer, { prompt: PROMPT, depth, maxTokens: TOKENS }));
}

const site = await serveFathom();
const browser = await launch();
const { page } = await openFathom(browser, site);
for (const depth of DEPTHS) {
  const ratios = [];
  for (let turn = 0; turn < TURNS; turn++) {
    const [here, there] = [await inBrowser(depth), native(depth)];
    ratios.push(there / here);
    console.log(`depth ${depth}: browser ${here.toFixed(1)} ms a token, native ${there.toFixed(1)} ms`);
  }
  console.log(`depth ${depth}: ${(100 * median(ratios)).toFixed(0)} % of the native tokens per second (median of ${TURNS})`);
}
await browser.close();
await site.close();
