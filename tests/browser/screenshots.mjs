/** Takes the pictures of the page that are kept in `web/docs`: `node screenshots.mjs`. */
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { choose, drawn, openDemo, serveDemo } from './demo-page.mjs';
import { launch } from './harness.mjs';

const OUT = fileURLToPath(new URL('../../web/docs/', import.meta.url));
const DESK = { width: 1280, height: 900 };
/** High enough for a whole part of the page, with nothing that sticks to an edge in front of it. */
const TALL = { width: 1280, height: 2600 };
/** Paper around a part. */
const EDGE = 20;
const PHONE = { width: 390, height: 844 };
/** The model thinks longer about it than about most. */
const PUZZLE = '1...25........4.6..6..5.2.3...6..2..';

const browser = await launch();
const site = await serveDemo();
await mkdir(OUT, { recursive: true });

async function showDeepest(page) {
  await page.waitForFunction(() => document.querySelectorAll('[data-testid=prefix]').length > 10);
  await choose(page, 0);
}

/** In the middle of the thinking. */
async function showSecondCycle(page) {
  await page.getByTestId('puzzle-verdict').waitFor();
  await page.getByTestId('scrub').fill('1');
}

/** Opens the page, does something on it, and takes a picture of all that is in view or of a part. */
async function picture(name, { settings = {}, viewport = DESK, colorScheme = 'light', prepare = showDeepest, part }) {
  const { context, page } = await openDemo(browser, site, settings, { viewport, colorScheme });
  await prepare(page);
  await page.evaluate(() => (document.activeElement.blur(), scrollTo(0, 0)));
  await page.mouse.move(0, 0);
  await drawn(page);
  const box = part && (await page.locator(part).boundingBox());
  const clip = box && { x: box.x - EDGE, y: box.y - EDGE, width: box.width + 2 * EDGE, height: box.height + 2 * EDGE };
  await page.screenshot({ path: `${OUT}${name}.png`, clip });
  await context.close();
}

await picture('page-light', {});
await picture('page-dark', { colorScheme: 'dark' });
await picture('watch-light', { viewport: TALL, part: '.watch' });
await picture('phone', { viewport: PHONE });
await picture('comparison', {
  viewport: TALL,
  part: '.compare',
  prepare: async (page) => {
    await showDeepest(page);
    await page.getByTestId('compare').click();
    await page.getByText(/steps in all/).nth(1).waitFor();
  },
});
await picture('puzzle-light', { settings: { puzzle: PUZZLE }, prepare: showSecondCycle });
await picture('puzzle-phone', { settings: { puzzle: PUZZLE }, prepare: showSecondCycle, viewport: PHONE });

await browser.close();
await site.close();
