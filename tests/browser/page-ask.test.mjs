/** Asking: depths while typing, stopping, and taking an answer along. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import {
  answerAfter, ask, choose, errorOn, LONG, LONGEST, openDemo, openPackage, reached, serveDemo, SHORT, shown, traceOf,
} from './demo-page.mjs';
import { launch, openPage } from './harness.mjs';

let browser, site, context, page, errors;

before(async () => {
  browser = await launch();
  site = await serveDemo();
});
after(async () => {
  await browser?.close();
  await site?.close();
});
afterEach(() => context.close());

const open = async (settings, options) =>
  ({ context, page, errors } = await openDemo(browser, site, { prompt: SHORT, ...settings }, options));
const answerText = async () => (await page.getByTestId('answer').innerText()).replaceAll('\n', '');
const copied = () => page.evaluate(() => navigator.clipboard.readText());
const CLIPBOARD = { permissions: ['clipboard-read', 'clipboard-write'] };

test('Enter asks, and under each token of the prompt is its depth', async () => {
  await open();
  await ask(page, LONG);
  assert.equal(await answerText(), '01393983913');
  assert.match(await page.getByLabel('Answer', { exact: true }).innerText(), /12 tokens, deepest at “0” with 7 steps/);

  const other = await openPackage(browser, site, 'cpu');
  const expected = await other.evaluate(async (prompt) => (await model.prefixes(prompt)).map(({ depth }) => `${depth}`), LONG);
  await other.context().close();
  const marks = page.getByTestId('prefix');
  await page.waitForFunction((n) => document.querySelectorAll('[data-testid=prefix]').length === n, expected.length);
  assert.deepEqual(await marks.evaluateAll((all) => all.map(({ dataset }) => dataset.depth)), expected);
  assert.deepEqual(await marks.locator('i').allInnerTexts(), expected);
  assert.equal((await marks.evaluateAll((all) => all.map((mark) => mark.firstChild.data))).join(''), LONG);
  assert.deepEqual(errors, []);
});

test('examples ask at once, from easy to hard', async () => {
  await open();
  const examples = page.getByRole('group', { name: /Examples/ }).getByRole('button');
  for (const [place, answer] of [[0, '27'], [1, '6927'], [3, undefined], [5, undefined]]) {
    await answerAfter(page, () => examples.nth(place).click());
    if (answer) assert.equal(await answerText(), answer);
    // One value for each number of the question.
    const numbers = (await page.getByTestId('prompt').inputValue()).match(/\d/g).length;
    assert.equal((await answerText()).length, numbers);
  }
});

test('a running answer is stopped, what was said stays, and it can be asked again', async () => {
  await open();
  await page.getByTestId('depth').fill('16');
  await page.getByTestId('prompt').fill(LONGEST);
  const tokens = await answerAfter(page, () => page.evaluate(() => {
    document.querySelector('[data-testid=ask]').click();
    const stopAfterTwo = () => {
      const said = document.querySelectorAll('[data-testid=answer] [data-testid=token]').length;
      if (said >= 2) document.querySelector('[data-testid=stop]').click();
      else requestAnimationFrame(stopAfterTwo);
    };
    requestAnimationFrame(stopAfterTwo);
  }));
  assert.ok(tokens.length >= 2 && tokens.length < 17, `${tokens.length} tokens`);
  assert.match(await page.getByLabel('Answer', { exact: true }).innerText(), /stopped/);
  assert.equal(await page.getByTestId('answer').getByTestId('thinking').count(), 0);

  await page.getByTestId('reset').click();
  await ask(page, SHORT);
  assert.equal(await answerText(), '27');
  assert.deepEqual(errors, []);
});

test('asking anew cuts a running answer short', async () => {
  await open();
  await page.getByTestId('depth').fill('16');
  await page.getByTestId('prompt').fill(LONGEST);
  await page.getByTestId('prompt').press('Enter');
  await page.getByTestId('stop').waitFor();
  // Of two in a row the last one counts.
  for (const prompt of ['2+2=', '1+1=']) {
    await page.getByTestId('prompt').fill(prompt);
    await page.getByTestId('prompt').press('Enter');
  }
  await reached(page, 'ready');
  assert.equal(await answerText(), '21');
});

test('an answer is copied as text and as the trace that can be downloaded', async () => {
  await open({}, CLIPBOARD);
  await page.getByTestId('copy-text').click();
  await page.getByText('Text copied.').waitFor();
  assert.equal(await copied(), '7+5=27');
  await page.getByTestId('copy-trace').click();
  await page.getByText('Trace copied.').waitFor();
  const trace = JSON.parse(await copied());
  assert.deepEqual(trace, await traceOf(page));
  assert.deepEqual([trace.prompt, trace.model, trace.tokens.map(({ text }) => text)], [SHORT, 'beads', ['2', '7', '']]);
  for (const { trace: steps, depth } of trace.tokens) assert.equal(steps.length, depth);
});

test('without leave to copy, there is something to copy by hand', async () => {
  await open();
  await page.evaluate(() => (navigator.clipboard.writeText = () => Promise.reject(new Error('no'))));
  await page.getByTestId('copy-text').click();
  assert.equal(await page.getByLabel('To copy by hand').inputValue(), '7+5=27');
});

test('a link asks the same again, with all settings', async () => {
  await open({ backend: 'cpu' }, CLIPBOARD);
  const settings = {
    'max-depth': '9', 'min-depth': '2', 'halt-bias': '-5.5', temperature: '2.5', 'top-k': '8', 'top-p': '0.95', seed: '7',
  };
  for (const [name, value] of Object.entries(settings)) await page.getByTestId(name).fill(value);
  const answer = await ask(page, LONG);
  await choose(page, 0);
  await page.getByTestId('copy-link').click();
  await page.getByText('Link copied.').waitFor();
  const link = await copied();
  assert.ok(link.indexOf('#') < link.indexOf('prompt='), 'no server sees the question');

  const there = await openPage(browser, link);
  await reached(there.page, 'ready');
  for (const [name, value] of Object.entries({ prompt: LONG, ...settings })) {
    assert.equal(await there.page.getByTestId(name).inputValue(), value, name);
  }
  assert.deepEqual(await shown(there.page), answer);
  assert.deepEqual(there.errors, []);
  await there.context.close();
});

test('what the model cannot read is told before and after asking', async () => {
  await open();
  await ask(page, 'why?');
  await page.getByText('This model knows only the digits and + - * =.').waitFor();
  const { code, text } = await errorOn(page);
  assert.equal(code, 'unknown-text');
  assert.match(text, /knows only the digits and \+ - \* =, without spaces/);
  assert.equal(await page.evaluate(() => document.documentElement.dataset.state), 'error');
  await ask(page, SHORT);
  assert.equal(await answerText(), '27');
  assert.equal(await page.getByTestId('error').count(), 0);
});
