/** The page for everybody: small screens, no mouse, no motion, both themes, and what axe finds. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { answerAfter, drawn, openDemo, SHORT, serveDemo, shown } from './demo-page.mjs';
import { launch } from './harness.mjs';

const AXE = fileURLToPath(new URL('node_modules/axe-core/axe.min.js', import.meta.url));
const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true };

let browser, site;

before(async () => {
  browser = await launch();
  site = await serveDemo();
});
after(async () => {
  await browser?.close();
  await site?.close();
});

/** The page with everything on it: an answer, a comparison, an invalid setting, an error. */
async function openFull(settings, options) {
  const opened = await openDemo(browser, site, settings, options);
  const { page } = opened;
  await page.getByTestId('compare').click();
  await page.getByText(/steps in all/).nth(1).waitFor();
  await page.getByTestId('top-p').fill('7');
  await page.getByTestId('model-files').setInputFiles([{ name: 'notes.txt', mimeType: '', buffer: Buffer.from('no') }]);
  await page.getByTestId('error').waitFor();
  await drawn(page);
  return opened;
}

describe('on a phone', () => {
  for (const prompt of [undefined, '4+7+0+6+5+9+2-8+9+5+4-4-0-2-7*9*7=']) {
    test(`nothing is cut off or out of reach${prompt ? ', with a long answer' : ''}`, async () => {
      const { context, page, errors } = await openFull(prompt ? { prompt } : {}, PHONE);
      const [wide, high] = await page.evaluate(() => [document.scrollingElement.scrollWidth, innerWidth]);
      assert.ok(wide <= high, `${wide} pixels on a screen of ${high}`);
      // Scrolled to, it is there and nothing lies on it.
      const hidden = await page.evaluate(async () => {
        const found = [];
        for (const element of document.querySelectorAll('button, input, select, textarea, [tabindex="0"]')) {
          if (element.disabled) continue;
          element.scrollIntoView({ block: 'center' });
          const { left, right, top, height, width } = element.getBoundingClientRect();
          const inside = left >= 0 && right <= innerWidth && width > 0 && height > 0;
          const there = document.elementFromPoint((left + right) / 2, top + Math.min(height / 2, 200));
          if (!inside || !(element === there || element.contains(there) || there?.closest('label')?.contains(element))) {
            found.push(`${element.outerHTML.slice(0, 120)} under ${there?.outerHTML.slice(0, 80)}`);
          }
        }
        return found;
      });
      assert.deepEqual(hidden, []);
      assert.deepEqual(errors, []);
      await context.close();
    });
  }
});

describe('without a mouse', () => {
  test('Tab reaches everything in the order of the page, and shows where it is', async () => {
    const { context, page } = await openDemo(browser, site);
    await page.waitForFunction(() => document.querySelectorAll('[data-testid=prefix]').length > 10);
    await page.evaluate(() => scrollTo(0, 0));
    const visited = [];
    for (let i = 0; i < 80; i++) {
      await page.keyboard.press('Tab');
      const here = await page.evaluate(() => {
        const element = document.activeElement;
        if (element === document.body) return undefined;
        // Two fields hand on their frame to what they lie in.
        const framed = [element, element.closest('.prompt-field, .files')].filter(Boolean).map((each) => getComputedStyle(each));
        const { top, bottom } = element.getBoundingClientRect();
        const bars = [...document.querySelectorAll('.player, .status')].filter((bar) => !bar.contains(element));
        const covers = bars.map((bar) => bar.getBoundingClientRect());
        return {
          name: element.dataset.testid ?? element.getAttribute('aria-label') ?? element.textContent,
          shown: framed.some(({ outlineStyle, boxShadow }) => outlineStyle !== 'none' || boxShadow !== 'none'),
          covered: covers.some((bar) => bar.top <= top && bottom <= bar.bottom),
        };
      });
      if (!here) break;
      visited.push(here);
    }
    const names = visited.map(({ name }) => name);
    const inOrder = [
      'theme', 'prompt', 'ask', SHORT, 'Surprise me', 'token', 'copy-text', 'copy-link', 'copy-trace',
      'download-trace', 'play', 'scrub', 'Heat map, can be scrolled', 'compare-a', 'compare-b', 'compare',
      'max-depth', 'min-depth', 'depth', 'halt-bias', 'temperature', 'top-k', 'top-p', 'seed',
      'model-url', 'model-load', 'model-files', 'clear-cache',
    ];
    assert.deepEqual(names.filter((name) => inOrder.includes(name)), inOrder);
    assert.equal(names.filter((name) => /^Step \d/.test(name)).length, 7, 'each step that it would have stopped at');
    assert.deepEqual(visited.filter(({ shown }) => !shown).map(({ name }) => name), [], 'without a visible focus');
    assert.deepEqual(visited.filter(({ covered }) => covered).map(({ name }) => name), [], 'hidden behind a bar');
    await context.close();
  });

  test('it is asked, and a token is chosen', async () => {
    const { context, page } = await openDemo(browser, site);
    const tabTo = async (name) => {
      do await page.keyboard.press('Tab');
      while ((await page.evaluate(() => document.activeElement.dataset.testid)) !== name);
    };
    await tabTo('prompt');
    await page.keyboard.press('Control+A');
    await page.keyboard.type('7+5-3*4=');
    const tokens = await answerAfter(page, () => page.keyboard.press('Enter'));
    assert.equal(tokens.length, 5);
    await tabTo('token');
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowRight');
    assert.match(await page.getByTestId('step-label').innerText(), /^“9”, token 2 of 5/);
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowLeft');
    assert.match(await page.getByTestId('step-label').innerText(), /^“6”, token 1 of 5/);
    await context.close();
  });
});

test('with reduced motion, nothing moves', async () => {
  const { context, page } = await openDemo(browser, site, {}, { reducedMotion: 'reduce' });
  await page.getByTestId('theme').click();
  await page.getByTestId('answer').getByTestId('token').nth(3).click();
  assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
  assert.equal(await page.getByTestId('play').getAttribute('aria-label'), 'Replay slowly');
  await context.close();
});

test('the theme is the system’s until somebody chooses one, which is remembered', async () => {
  for (const [system, other] of [['light', 'dark'], ['dark', 'light']]) {
    const { context, page } = await openDemo(browser, site, { prompt: SHORT }, { colorScheme: system });
    const isDark = () => page.evaluate(() => {
      const [red, green, blue] = getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number);
      return red + green + blue < 3 * 128;
    });
    const looks = async (theme) => {
      assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), theme);
      assert.equal(await isDark(), theme === 'dark');
    };
    await looks(system);
    await page.getByTestId('theme').click();
    await looks(other);
    await page.reload();
    await looks(other);
    await context.close();
  }
});

for (const [colorScheme, screen, options] of [['light', 'a desk', {}], ['dark', 'a desk', {}], ['light', 'a phone', PHONE]]) {
  test(`axe finds nothing in the ${colorScheme} theme on ${screen}`, async () => {
    const { context, page } = await openFull({}, { colorScheme, ...options });
    assert.ok((await shown(page)).length > 5);
    await page.addScriptTag({ path: AXE });
    const found = await page.evaluate(async () => (await axe.run()).violations.map(({ id, impact, nodes }) =>
      `${impact}: ${id} at ${nodes.map(({ target }) => target).slice(0, 3).join(' and ')}`));
    assert.deepEqual(found, []);
    await context.close();
  });
}
