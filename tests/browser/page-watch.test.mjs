/** Watching: steps as they come, and moving through them afterwards. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { answerAfter, choose, depthsOf, drawn, LONG, openDemo, serveDemo, SHORT, shown } from './demo-page.mjs';
import { launch } from './harness.mjs';

let browser, site, page, errors;

before(async () => {
  browser = await launch();
  site = await serveDemo();
  ({ page, errors } = await openDemo(browser, site, { prompt: LONG }));
});
after(async () => {
  await browser?.close();
  await site?.close();
});

const label = () => page.getByTestId('step-label').innerText();

/** Which step all parts of the page point to. */
const pointedAt = async () => {
  await drawn(page);
  return page.evaluate(() => {
    const find = (selector) => document.querySelector(selector);
    const pixels = (selector, side) => parseFloat(find(selector).style[side]);
    const centre = (mark) => Number(mark.getAttribute('x')) + Number(mark.getAttribute('width')) / 2;
    const now = centre(find('[data-testid=q-chart] .now'));
    const steps = [...document.querySelectorAll('[data-testid=q-chart] [data-step]')];
    const rows = [...document.querySelectorAll('[data-testid=would-say] button')];
    return {
      chart: steps.findIndex((step) => Math.abs(step.querySelector('.halt').getAttribute('cx') - now) < 1) + 1,
      wouldSay: rows.findIndex((row) => row.ariaPressed === 'true') + 1,
      heatMap: Math.round((pixels('.heat-now', 'top') - pixels('.heat canvas', 'top')) / pixels('.heat-now', 'height')) + 1,
      path: Number(find('[data-testid=path-chart] .stop.current text').textContent),
      token: Number(find('[data-testid=answer] [aria-pressed=true]').dataset.place),
    };
  });
};
const everywhere = (token, step) => ({ chart: step, wouldSay: step, heatMap: step, path: step, token });

test('the deepest token is shown first', async () => {
  const depths = depthsOf(await shown(page));
  const place = depths.indexOf(Math.max(...depths));
  assert.deepEqual(await pointedAt(), everywhere(place, depths[place]));
});

test('the slider moves through all steps of all tokens', async () => {
  const depths = depthsOf(await shown(page));
  const scrub = page.getByTestId('scrub');
  const all = depths.flatMap((depth, place) => Array.from({ length: depth }, (_, i) => [place, i + 1]));
  assert.equal(await scrub.getAttribute('max'), `${all.length - 1}`);
  const text = (await page.getByTestId('answer').getByTestId('token').allInnerTexts()).map((each) => (each ? `“${each}”` : 'the end'));
  for (const index of [0, 1, depths[0], all.length - 1]) {
    await scrub.fill(`${index}`);
    const [place, step] = all[index];
    assert.equal(await label(), `${text[place]}, token ${place + 1} of ${depths.length}, step ${step} of ${depths[place]}`);
    assert.deepEqual(await pointedAt(), everywhere(place, step));
  }
});

test('arrow keys on the slider go a step on and back', async () => {
  const [depth] = depthsOf(await shown(page));
  const scrub = page.getByTestId('scrub');
  await scrub.fill('0');
  await scrub.press('ArrowRight');
  assert.deepEqual(await pointedAt(), everywhere(0, 2));
  assert.match(await scrub.getAttribute('aria-valuetext'), new RegExp(`step 2 of ${depth}$`));
  await scrub.press('ArrowLeft');
  assert.deepEqual(await pointedAt(), everywhere(0, 1));
});

test('a token is chosen by click and by keyboard', async () => {
  const depths = depthsOf(await shown(page));
  await choose(page, 2);
  assert.deepEqual(await pointedAt(), everywhere(2, depths[2]));
  for (const [key, place] of [['ArrowRight', 3], ['ArrowLeft', 2], ['Home', 0], ['End', depths.length - 1]]) {
    await page.keyboard.press(key);
    assert.deepEqual(await pointedAt(), everywhere(place, depths[place]), key);
    assert.equal(await page.evaluate(() => document.activeElement.dataset.place), `${place}`);
  }
});

test('a step is chosen by what it would have said', async () => {
  await choose(page, 0);
  await page.getByTestId('would-say').getByRole('button').nth(1).click();
  assert.deepEqual(await pointedAt(), everywhere(0, 2));
});

test('the heat map tells what it shows under the pointer', async () => {
  await choose(page, 0);
  await page.getByTestId('heat-map').hover({ position: { x: 5, y: 5 } });
  await page.getByText(/^“3” at position 1, step 1: moved by 0\.\d+\.$/).waitFor();
});

test('the player goes from the first step to the last, and can be paused', async () => {
  await answerAfter(page, () => page.getByRole('button', { name: SHORT, exact: true }).click());
  const scrub = page.getByTestId('scrub');
  const last = Number(await scrub.getAttribute('max'));
  await scrub.fill(`${last}`);
  const values = [];
  await page.getByTestId('play').click();
  await page.waitForFunction(() => document.querySelector('[data-testid=scrub]').value === '1');
  await page.getByTestId('play').click();
  await page.waitForTimeout(700);
  assert.equal(await scrub.inputValue(), '1', 'paused');
  await page.getByTestId('play').click();
  while (await page.getByRole('button', { name: 'Pause' }).count()) {
    values.push(Number(await scrub.inputValue()));
    await page.waitForTimeout(60);
  }
  values.push(Number(await scrub.inputValue()));
  assert.deepEqual([...new Set(values)], Array.from({ length: last }, (_, i) => i + 1));
});

test('steps are shown as they come, one after the other', async () => {
  const live = await openDemo(browser, site, { backend: 'webgpu', prompt: SHORT, depth: '5' });
  await live.page.evaluate(() => {
    globalThis.seen = [];
    const look = () => {
      const player = document.querySelector('.player')?.innerText ?? '';
      const steps = document.querySelectorAll('[data-testid=q-chart] [data-step]').length;
      const sinking = document.querySelectorAll('[data-testid=thinking]').length;
      if (player.includes('live')) seen.push({ steps, sinking });
      requestAnimationFrame(look);
    };
    look();
  });
  const tokens = await answerAfter(live.page, () => live.page.getByTestId('ask').click());
  assert.deepEqual(depthsOf(tokens), [5, 5, 5]);
  const seen = await live.page.evaluate(() => seen);
  assert.deepEqual([...new Set(seen.map(({ steps }) => steps))].filter((steps) => steps > 0), [1, 2, 3, 4, 5]);
  assert.ok(seen.some(({ sinking }) => sinking === 1), 'the token that is thought is shown too');
  assert.deepEqual([...live.errors, ...errors], []);
  await live.context.close();
});
