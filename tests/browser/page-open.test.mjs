/** The page as a stranger opens it: it answers by itself, and drawing never gets in the way. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { answerAfter, LONG, openDemo, SHORT, serveDemo, shown } from './demo-page.mjs';
import { launch } from './harness.mjs';

let browser, site;

before(async () => {
  browser = await launch();
  site = await serveDemo();
});
after(async () => {
  await browser?.close();
  await site?.close();
});

const text = (page, testId) => page.getByTestId(testId).innerText();

for (const [settings, kind, prompt, answer] of [
  [{}, 'cpu', LONG, '01393983913'],
  [{ backend: 'webgpu', prompt: SHORT }, 'webgpu', SHORT, '27'],
]) {
  test(`it answers by itself and tells how fast, on ${kind}`, async () => {
    const { context, page, errors } = await openDemo(browser, site, settings);
    assert.equal(await page.getByTestId('prompt').inputValue(), prompt);
    assert.equal((await page.getByTestId('answer').innerText()).replaceAll('\n', ''), answer);
    assert.equal(await page.getByTestId('verdict').getAttribute('data-right'), 'true');

    assert.equal(await page.getByTestId('device').getAttribute('data-kind'), kind);
    assert.notEqual(await text(page, 'device'), '');
    assert.ok(Number(await text(page, 'speed')) > 0, await text(page, 'speed'));
    assert.match(await text(page, 'step-time'), /^\d+(\.\d)? m?s$/);
    assert.deepEqual(errors, []);

    const first = await page.evaluate(() => performance.getEntriesByName('fathom:first-answer').map(({ startTime }) => startTime));
    assert.equal(first.length, 1);
    await context.close();
  });
}

test('the first answer is shown once more, slowly', async () => {
  const { context, page } = await openDemo(browser, site, { prompt: SHORT }, { reducedMotion: 'no-preference' });
  await page.getByRole('button', { name: 'Pause' }).waitFor();
  await page.getByRole('button', { name: 'Replay slowly' }).waitFor();
  const steps = (await shown(page)).at(-1).depth;
  assert.match(await text(page, 'step-label'), new RegExp(`^the end, token 3 of 3, step ${steps} of ${steps}$`));
  await context.close();
});

test('drawing a streaming answer takes little of each frame', async (t) => {
  const { context, page } = await openDemo(browser, site, { prompt: SHORT });
  let p95 = Infinity;
  // What is meant is 16 ms. Other programs may take the processor away in the middle of a frame, but not for ever.
  for (let run = 0; run < 3 && p95 >= 50; run++) {
    await answerAfter(page, () => page.getByRole('button', { name: '16 operations' }).click());
    const frames = await page.evaluate(() => performance.getEntriesByName('fathom:frame').map(({ duration }) => duration));
    frames.sort((a, b) => a - b);
    const [median, longest] = [frames[frames.length >> 1], frames.at(-1)];
    p95 = frames[Math.floor(0.95 * frames.length)];
    const [half, most, all] = [median, p95, longest].map((ms) => `${ms.toFixed(1)} ms`);
    t.diagnostic(`${frames.length} frames, median ${half}, 95th percentile ${most}, longest ${all}`);
    assert.ok(frames.length > 20, 'the answer was drawn while it came');
  }
  assert.ok(p95 < 50);
  await context.close();
});
