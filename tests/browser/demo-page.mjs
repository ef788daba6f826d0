/** The demo page as a static host shows it, and the package in a page of its own to compare it with. */
import { fileURLToPath } from 'node:url';
import { DIST, MODELS, openPage, serve } from './harness.mjs';

/** The built page. */
export const WEB = fileURLToPath(new URL('../../web/dist/', import.meta.url));
/** Where it is served: a project page has a folder of its own too. */
export const FOLDER = '/some/project/';

export const serveDemo = () => serve({ [FOLDER]: WEB, '/dist/': DIST, '/models/': MODELS });

/** A digit's worth of thinking, and an answer with several depths. */
export const SHORT = '7+5=';
export const LONG = '3+8-2*7+5-9+4*3-6+8-1=';
export const LONGEST = '4+7+0+6+5+9+2-8+9+5+4-4-0-2-7*9*7=';

/** The part of an address behind the page's own. */
export const query = (settings) => `?${new URLSearchParams(settings)}`;

/**
 * Opens the page and waits until it has answered. Nothing moves by itself unless `options` say so: the replay of the
 * first answer would choose other steps than the test does.
 */
export async function openDemo(browser, site, settings = {}, options = {}) {
  const opened = await openPage(browser, site.origin + FOLDER + query(settings), {
    viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce', ...options,
  });
  await reached(opened.page, 'ready');
  await opened.page.evaluate(() => {
    const { dataset } = document.documentElement;
    globalThis.states = [];
    new MutationObserver(() => states.push(dataset.state)).observe(document.documentElement, { attributeFilter: ['data-state'] });
  });
  return opened;
}

/** Waits for `<html data-state>`. */
export const reached = (page, state) =>
  page.waitForFunction((state) => document.documentElement.dataset.state === state, state, { timeout: 60_000 });

/** Does what should bring an answer, waits for it, and gives its tokens. */
export async function answerAfter(page, act) {
  await page.evaluate(() => (states.length = 0));
  await act();
  await page.waitForFunction(() => states.includes('answering') && states.at(-1) !== 'answering', null, { timeout: 60_000 });
  return shown(page);
}

/** Types a question and presses Enter. */
export const ask = (page, prompt) =>
  answerAfter(page, async () => {
    await page.getByTestId('prompt').fill(prompt);
    await page.getByTestId('prompt').press('Enter');
  });

/** The tokens of an answer on the page. */
export const shown = (page, testId = 'answer') =>
  page.getByTestId(testId).getByTestId('token').evaluateAll((tokens) => tokens.map(({ dataset }) => {
    return { token: Number(dataset.token), depth: Number(dataset.depth) };
  }));
export const depthsOf = (tokens) => tokens.map(({ depth }) => depth);

/** Chooses a token of the answer, and waits until all charts show its last step. */
export async function choose(page, place) {
  await page.getByTestId('answer').locator(`[data-place="${place}"]`).click();
  await drawn(page);
}

/** The charts are drawn in turns, one part in each frame. */
export const drawn = (page) =>
  page.evaluate(async () => {
    for (let i = 0; i < 5; i++) await new Promise(requestAnimationFrame);
  });

/** What the page writes into its trace. */
export async function traceOf(page) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByTestId('download-trace').click()]);
  const chunks = await (await download.createReadStream()).toArray();
  return JSON.parse(Buffer.concat(chunks));
}

/** The package in a blank page, with the same model on a device: `model` there. */
export async function openPackage(browser, site, device) {
  const { page } = await openPage(browser, site.origin);
  await page.evaluate(async (device) => {
    const { load } = await import('/dist/index.js');
    globalThis.model = await load('/models/beads/', { device });
  }, device);
  return page;
}

/** The error that is shown, as its code and its sentence. */
export async function errorOn(page) {
  const error = page.getByTestId('error');
  await error.waitFor();
  return { code: await error.getAttribute('data-code'), text: await error.locator('p').innerText() };
}
