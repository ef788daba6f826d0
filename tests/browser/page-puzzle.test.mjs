/** The tab of puzzles: typing, making, solving, looking back, comparing, sharing; with keys only and on a phone. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { errorOn, openDemo, reached, serveDemo } from './demo-page.mjs';
import { launch } from './harness.mjs';
import { arcFiles, mazeFiles } from './hrm-models.mjs';

const AXE = fileURLToPath(new URL('node_modules/axe-core/axe.min.js', import.meta.url));
const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true };
const CLIPBOARD = { permissions: ['clipboard-read', 'clipboard-write'] };
/** Any model should solve it: the first two rows are given. */
const PUZZLE = '136425425631..4.6..6..5.2.3...6..2..';
const SOLUTION = '136425425631514362362154243516651243';
const BLANK = '.'.repeat(36);

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

const open = async (settings = { puzzle: PUZZLE }, options = {}) =>
  ({ context, page, errors } = await openDemo(browser, site, settings, options));
const worth = () => page.getByTestId('worth').innerText();
const cell = (i) => page.getByTestId('board').locator(`[data-cell="${i}"]`);
const digits = (board = 'board') =>
  page.getByTestId(board).locator('[data-cell]').evaluateAll((cells) => cells.map(({ dataset }) => (dataset.digit === '0' ? '.' : dataset.digit)).join(''));
const solved = () => page.locator('[data-testid=outcome][data-status=done]').waitFor();
const type = async (text) => {
  await page.getByTestId('puzzle-text').fill(text);
  await page.getByTestId('puzzle-text').press('Enter');
};
const solve = async () => {
  await page.getByTestId('solve').click();
  await solved();
};
const sentence = (text) => page.getByTestId('worth').filter({ hasText: text }).waitFor();

test('it opens on a link, solves its puzzle, and says that it obeys the rules', async () => {
  await open();
  await solved();
  assert.equal(await digits(), SOLUTION);
  assert.equal(await page.getByTestId('puzzle-verdict').getAttribute('data-right'), 'true');
  assert.match(await page.getByTestId('outcome').innerText(), /every row, column and box.*\d segments?, \d+ ms.*by its own test.*%/s);
  assert.match(await worth(), /20 givens, one solution, easy for a person/);
  assert.equal(await page.getByTestId('device').getAttribute('data-kind'), 'cpu');
  assert.equal(await cell(1).getAttribute('aria-label'), 'row 1 column 2, 3, given');
  assert.match(await cell(12).getAttribute('aria-label'), /^row 3 column 1, 5, .*sure/);
  assert.deepEqual(errors, []);
});

test('each tab loads its own model only, and remembers what was there', async () => {
  const asked = () => page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => /models\/([^/]+)\//.exec(name)?.[1]).filter(Boolean));
  await open({ puzzle: '' });
  assert.equal(await page.getByTestId('tab-puzzle').getAttribute('aria-current'), 'page');
  assert.ok(!(await asked()).includes('beads'));
  assert.equal(await page.getByTestId('prompt').count(), 0);
  await solved();
  const puzzle = await digits();
  await page.getByTestId('tab-language').click();
  await page.getByTestId('verdict').waitFor();
  await page.getByTestId('tab-puzzle').click();
  assert.match(page.url(), /#puzzle$/);
  assert.equal(await digits(), puzzle);
});

test('digits are typed, and a conflict is shown at once with its sentence', async () => {
  await open();
  await page.getByTestId('clear').click();
  assert.equal(await digits(), BLANK);
  await sentence('0 givens, several solutions');
  await cell(0).click();
  await page.keyboard.press('5');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('5');
  await sentence('r1c1 and r1c2 both hold 5 (row 1).');
  assert.equal(await page.getByTestId('solve').isDisabled(), true);
  assert.equal(await cell(1).getAttribute('aria-label'), 'row 1 column 2, 5, given, against the rules');
  await page.keyboard.press('Backspace');
  await sentence('1 given, several solutions');
  // No conflict, and still nothing fits into the last cell of the first row.
  await type(`12345.${'.....6'}${BLANK.slice(12)}`);
  await sentence('no solution');
  assert.equal(await page.getByTestId('solve').isDisabled(), true);
  await type('123');
  await page.getByText('a Sudoku must have 36 cells, found 3.').waitFor();
  assert.deepEqual(errors, []);
});

test('one with several solutions is said to be so, and solved', async () => {
  await open({ puzzle: SOLUTION.slice(0, 24) + BLANK.slice(24) });
  await solved();
  assert.match(await worth(), /solution/);
  assert.equal(await page.getByTestId('puzzle-verdict').count(), 1);
});

test('a puzzle of each grade is made and solved', async () => {
  await open();
  for (const grade of ['easy', 'medium', 'hard', 'extreme']) {
    await page.getByTestId(`new-${grade}`).click();
    await sentence(`${grade} for a person`);
    assert.equal(await page.getByTestId('outcome').count(), 0);
  }
  await page.getByTestId('new-easy').click();
  await sentence('easy');
  const givens = await digits();
  await solve();
  const answer = await digits();
  assert.ok([...givens].every((digit, i) => digit === '.' || digit === answer[i]));
  assert.doesNotMatch(answer, /\./);
});

test('all cycles can be looked at, by slider and keys, also behind where it would stop', async () => {
  await open();
  await page.getByTestId('halting-segments').check();
  await page.getByTestId('rule-value').fill('10');
  await solve();
  const chart = page.getByTestId('confidence-chart');
  assert.equal(await chart.locator('[data-segment]').count(), 10);
  await chart.getByText('it would stop here').waitFor();
  assert.equal(await page.getByTestId('halted-by').innerText(), 'as told');
  const slider = page.getByTestId('scrub');
  const label = () => page.getByTestId('cycle-label').innerText();
  assert.match(await label(), /^Segment 10 of 10/);
  await slider.focus();
  await page.keyboard.press('Home');
  assert.match(await label(), /^Segment 1 of 10/);
  await page.keyboard.press('ArrowRight');
  assert.match(await label(), /^Segment [12] of 10.*: (nothing|\d+ cells?) changed/);
  await page.getByTestId('rule-value').fill('0');
  await page.getByText('From 1 to 64, please.').waitFor();
  assert.equal(await page.getByTestId('solve').isDisabled(), true);
});

test('it plays what it thought, and pauses', async () => {
  await open({ puzzle: PUZZLE, halting: 'segments', segments: '4' }, { reducedMotion: 'no-preference' });
  await page.getByRole('button', { name: 'Pause' }).waitFor();
  await page.getByRole('button', { name: 'Replay slowly' }).waitFor();
  assert.match(await page.getByTestId('cycle-label').innerText(), /^Segment 4 of 4/);
  await page.getByTestId('play').click();
  await page.getByTestId('play').click();
  assert.equal(await page.getByTestId('play').getAttribute('aria-label'), 'Replay slowly');
});

test('two depths are compared, and what differs is marked', async () => {
  await open({ puzzle: BLANK.replace(/^./, '1') });
  await page.getByTestId('puzzle-compare').click();
  await page.getByText(/cells? differs?;|Both answers are the same/).waitFor();
  const [a, b] = [await digits('puzzle-compare-a-result'), await digits('puzzle-compare-b-result')];
  const marked = await page.getByTestId('puzzle-compare-a-result').locator('.differs').count();
  assert.equal(marked, [...a].filter((digit, i) => digit !== b[i]).length);
  assert.match(await page.getByLabel('The same puzzle at two depths').innerText(), /exactly 1 segment/i);
});

test('a link restores puzzle and settings', async () => {
  await open(undefined, CLIPBOARD);
  await page.getByTestId('halting-confidence').check();
  await page.getByTestId('rule-value').fill('0.75');
  await cell(12).click();
  await page.keyboard.press('5');
  await page.getByTestId('copy-puzzle-link').click();
  await page.getByText('Link copied').waitFor();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(link, /#puzzle=/);
  await page.goto('about:blank');
  await page.goto(link);
  await reached(page, 'ready');
  await solved();
  assert.equal(await page.getByTestId('puzzle-text').inputValue(), PUZZLE.replace('..4', '5.4'));
  assert.equal(await page.getByTestId('halting-confidence').isChecked(), true);
  assert.equal(await page.getByTestId('rule-value').inputValue(), '0.75');
});

test('everything goes without a mouse', async () => {
  await open();
  const tabTo = async (name) => {
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      if ((await page.evaluate(() => document.activeElement.dataset.testid ?? document.activeElement.getAttribute('role'))) === name) return;
    }
    assert.fail(`Tab does not reach ${name}`);
  };
  await tabTo('gridcell');
  await page.keyboard.press('End');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Delete');
  assert.equal((await digits()).slice(0, 3), '.36');
  await page.keyboard.press('1');
  await page.keyboard.press('Enter');
  await solved();
  assert.equal(await digits(), SOLUTION);
  for (const name of ['key-1', 'scrub', 'new-easy', 'solve', 'puzzle-text', 'copy-puzzle-link', 'puzzle-compare', 'halting-settled', 'model-url']) await tabTo(name);
});

test('a phone shows all of it, and axe finds nothing in either theme', async () => {
  for (const [colorScheme, options] of [['light', PHONE], ['dark', {}]]) {
    await open(undefined, { colorScheme, ...options });
    await solved();
    await page.getByTestId('puzzle-compare').click();
    await page.getByTestId('puzzle-compare-b-result').waitFor();
    assert.ok(await page.evaluate(() => document.scrollingElement.scrollWidth <= innerWidth));
    await page.addScriptTag({ path: AXE });
    const found = await page.evaluate(async () => (await axe.run()).violations.map(({ id, nodes }) => `${id} at ${nodes.map(({ target }) => target).slice(0, 3).join(' and ')}`));
    assert.deepEqual(found, []);
    if (options === PHONE) await context.close();
  }
});

const give = async (files) => {
  await page.getByTestId('model-files').setInputFiles(Object.entries(files).map(([name, buffer]) => ({ name, mimeType: '', buffer })));
  await page.getByTestId('model-confirm').click();
};

test('models of mazes and of ARC tasks draw their grids', async () => {
  await open();
  await give(await mazeFiles());
  await page.getByLabel('A maze').fill('S #  \n# # #\n#   #\n### #\n###G ');
  await page.getByLabel(/^The maze, 5 by 5/).waitFor();
  await solve();
  assert.equal(await page.getByTestId('puzzle-verdict').getAttribute('data-right'), 'false');

  await give(await arcFiles());
  await page.getByLabel('An ARC task').fill(JSON.stringify({ train: [], test: [{ input: [[0, 1], [2, 3]] }] }));
  await sentence('An ARC task needs the number of its row');
  assert.equal(await page.getByTestId('solve').isDisabled(), true);
  await page.getByTestId('identifier').fill('9');
  await sentence('From 0 to 6');
  await page.getByTestId('identifier').fill('3');
  await page.getByLabel(/input, 2 by 2/).waitFor();
  await solve();
  await page.getByText('nobody can tell').waitFor();
});

test('a language model has no place here, and that is said', async () => {
  await open();
  await page.getByTestId('model-url').fill(`${site.origin}/models/beads/`);
  await page.getByTestId('model-load').click();
  const { code, text } = await errorOn(page);
  assert.equal(code, 'wrong-kind');
  assert.match(text, /tab Language/);
});
