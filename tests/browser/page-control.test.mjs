/** The settings: each changes how the model thinks or chooses, and what is wrong is told and not used. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { answerAfter, ask, depthsOf, LONG, openDemo, serveDemo, shown } from './demo-page.mjs';
import { launch } from './harness.mjs';

let browser, site, page, errors, own;

before(async () => {
  browser = await launch();
  site = await serveDemo();
  ({ page, errors } = await openDemo(browser, site, { prompt: LONG }));
  own = await shown(page);
});
after(async () => {
  await browser?.close();
  await site?.close();
});
beforeEach(async () => {
  if (await page.getByTestId('reset').isEnabled()) await page.getByTestId('reset').click();
});

/** An answer with some settings. */
async function answerWith(settings) {
  for (const [name, value] of Object.entries(settings)) await page.getByTestId(name).fill(value);
  return answerAfter(page, () => page.getByTestId('ask').click());
}
const deepest = (tokens) => Math.max(...depthsOf(tokens));
const shallowest = (tokens) => Math.min(...depthsOf(tokens));
const ending = () => page.locator('.halted text').innerHTML();

test('a forced depth is the depth of every token', async () => {
  const tokens = await answerWith({ depth: '3' });
  assert.deepEqual([shallowest(tokens), deepest(tokens)], [3, 3]);
  assert.equal(await ending(), 'forced depth');
});

test('a cap and a floor bound the depth and change nothing between them', async () => {
  assert.ok(deepest(own) > 5 && shallowest(own) < 4, 'the model itself goes beyond both');
  const capped = await answerWith({ 'max-depth': '3' });
  assert.equal(deepest(capped), 3);
  assert.equal(await ending(), 'depth limit');
  await page.getByTestId('reset').click();
  const floored = await answerWith({ 'min-depth': '4' });
  assert.equal(shallowest(floored), 4);
  assert.deepEqual(depthsOf(floored), depthsOf(own).map((depth) => Math.max(4, depth)));
});

test('a higher bias makes it shallower, a lower one deeper', async () => {
  assert.deepEqual(new Set(depthsOf(await answerWith({ 'halt-bias': '100' }))), new Set([1]));
  assert.deepEqual(new Set(depthsOf(await answerWith({ 'halt-bias': '-100', 'max-depth': '12' }))), new Set([12]));
});

test('the same seed draws the same answer, another seed another one', async () => {
  const drawn = [];
  for (const seed of ['1', '1', '2', '3']) drawn.push(JSON.stringify(await answerWith({ temperature: '4', seed })));
  assert.equal(drawn[0], drawn[1]);
  assert.ok(new Set(drawn).size > 1);
  assert.deepEqual(await answerWith({ 'top-k': '1' }), own, 'the likeliest of one is the likeliest');
});

test('invalid values are explained and not used', async () => {
  for (const [name, value, problem] of [
    ['depth', '17', 'From 1 to 16, please.'],
    ['max-depth', '0', 'From 1 to 16, please.'],
    ['min-depth', '1.5', 'A whole number, please.'],
    ['halt-bias', 'high', 'A number, please.'],
    ['temperature', '-1', 'From 0 to 100, please.'],
    ['top-p', '2', 'From 0 to 1, please.'],
    ['seed', '1e99', 'From 0 to 4294967295, please.'],
  ]) {
    await page.getByTestId(name).fill(value);
    await page.getByText(problem).waitFor();
    assert.equal(await page.getByTestId(name).getAttribute('aria-invalid'), 'true');
    const described = await page.getByTestId(name).getAttribute('aria-describedby');
    assert.equal(await page.locator(`#${described}`).innerText(), problem);
    await page.getByTestId('reset').click();
  }

  const answered = await answerWith({ depth: '2' });
  await page.getByTestId('depth').fill('99');
  await page.evaluate(() => (states.length = 0));
  await page.getByTestId('prompt').press('Enter');
  await page.getByText('A setting is not valid; its line under Control says which.').waitFor();
  await page.waitForTimeout(300);
  assert.deepEqual(await page.evaluate(() => states), []);
  assert.deepEqual(await shown(page), answered);
});

test('a floor above the cap is explained', async () => {
  await page.getByTestId('min-depth').fill('9');
  await page.getByTestId('max-depth').fill('4');
  await page.getByText('The floor lies above the cap.').waitFor();
  assert.equal(await page.getByTestId('compare').isDisabled(), true);
});

test('after a reset the model decides again', async () => {
  await answerWith({ depth: '1' });
  await page.getByTestId('reset').click();
  for (const name of ['max-depth', 'min-depth', 'depth', 'halt-bias', 'temperature', 'top-k', 'top-p', 'seed']) {
    assert.equal(await page.getByTestId(name).inputValue(), '');
  }
  assert.deepEqual(await ask(page, LONG), own);
});

test('a comparison answers at both depths, beside each other', async () => {
  await page.getByTestId('compare-a').selectOption('2');
  await page.getByTestId('compare-b').selectOption('own');
  await page.getByTestId('compare').click();
  await page.getByText(/steps in all/).nth(1).waitFor();
  const [a, b] = [await shown(page, 'compare-a-result'), await shown(page, 'compare-b-result')];
  assert.deepEqual(new Set(depthsOf(a)), new Set([2]));
  assert.deepEqual(b, own);
  const sums = await page.getByText(/steps in all/).allInnerTexts();
  const sum = (tokens) => depthsOf(tokens).reduce((x, y) => x + y);
  assert.deepEqual(sums, [a, b].map((tokens) => `${sum(tokens)} steps in all`));
  const verdicts = page.locator('.compare').getByTestId('verdict');
  assert.deepEqual(await verdicts.evaluateAll((all) => all.map(({ dataset }) => dataset.right)), ['false', 'true']);
  assert.deepEqual(errors, []);
});
