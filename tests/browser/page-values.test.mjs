/** What the page shows against what the package tells, number by number, on both devices. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { choose, openDemo, openPackage, serveDemo, shown, traceOf } from './demo-page.mjs';
import { launch } from './harness.mjs';

const PROMPTS = { cpu: '3+8-2*7+5=', webgpu: '7+5-3*4=' };
const TOLERANCE = 1e-5;

let browser, site;

before(async () => {
  browser = await launch();
  site = await serveDemo();
});
after(async () => {
  await browser?.close();
  await site?.close();
});

for (const [backend, prompt] of Object.entries(PROMPTS)) {
  describe(`on ${backend}`, () => {
    let page, other, trace;
    /** The answer before a token. */
    const textBefore = (place) => trace.tokens.slice(0, place).map(({ text }) => text).join('');
    const forward = (place, options) => other.evaluate(async ({ text, options }) => {
      const { logits, ...rest } = await model.forward(text, options);
      return { ...rest, logits: [...logits[0]] };
    }, { text: prompt + textBefore(place), options });

    before(async () => {
      ({ page } = await openDemo(browser, site, { backend, prompt }));
      other = await openPackage(browser, site, backend);
      trace = await traceOf(page);
    });

    test('the answer is what the package generates', async () => {
      const expected = await other.evaluate(async (prompt) => {
        const tokens = [];
        for await (const { token, depth } of model.generate(prompt)) tokens.push({ token, depth });
        return tokens;
      }, prompt);
      assert.deepEqual(await shown(page), expected);
      assert.deepEqual(trace.tokens.map(({ token, depth }) => ({ token, depth })), expected);
      assert.equal(trace.device.kind, backend);
    });

    for (const place of [0, 3]) {
      test(`token ${place}: its depth and halting values are those of one uncached forward`, async () => {
        await choose(page, place);
        const { depth, qHalt, qContinue } = await forward(place);
        const marks = page.getByTestId('q-chart').locator('[data-step]');
        const steps = await marks.evaluateAll((all) => all.map(({ dataset }) => ({ ...dataset })));
        assert.deepEqual(steps.map(({ step }) => Number(step)), Array.from({ length: depth }, (_, i) => i + 1));
        assert.deepEqual(steps.map((step) => Number(step.qHalt)), qHalt);
        assert.deepEqual(steps.map((step) => Number(step.qContinue)), qContinue);
        assert.equal((await shown(page))[place].depth, depth);
        assert.match(await page.getByTestId('step-label').innerText(), new RegExp(`step ${depth} of ${depth}$`));
      });

      test(`token ${place}: what it would say is the softmax of a forward forced to that depth`, async () => {
        await choose(page, place);
        const rows = await page.getByTestId('would-say').locator('li').evaluateAll((rows) => rows.map((row) =>
          [...row.querySelectorAll('.share')].map((share) => Number(share.style.getPropertyValue('--p')))));
        assert.equal(rows.length, trace.tokens[place].depth);
        for (const [i, row] of rows.entries()) {
          const { top } = trace.tokens[place].trace[i];
          const probabilities = softmax((await forward(place, { depth: i + 1 })).logits);
          const likeliest = [...probabilities].sort((a, b) => b - a);
          assert.equal(row.length, top.length);
          row.forEach((shown, k) => {
            near(shown, likeliest[k], TOLERANCE, `step ${i + 1}, place ${k}`);
            near(shown, probabilities[top[k].token], TOLERANCE, `step ${i + 1}, token ${top[k].token}`);
          });
        }
      });

      test(`token ${place}: the movements are drawn where the trace has them`, async () => {
        await choose(page, place);
        const cycles = trace.tokens[place].trace.flatMap((step) => step.cycles);
        const drawn = await movementsOn(page);
        for (const level of ['H', 'L']) {
          const expected = cycles.filter((cycle) => cycle.level === level).map(({ moved }) => Math.log10(moved.at(-1)));
          assert.equal(drawn[level].length, expected.length);
          drawn[level].forEach((value, i) => near(value, expected[i], 0.01, `${level} cycle ${i}`));
        }
      });

      test(`token ${place}: the heat map's cells have the shades of the trace's movements`, async () => {
        await choose(page, place);
        const map = heatOf(trace.tokens);
        const rows = trace.tokens[place].depth;
        const columns = trace.promptTokens.length + place;
        const { width, height, alphas } = await cellsOn(page);
        assert.deepEqual([width, height], [columns, rows]);
        for (let row = 0; row < rows; row++) {
          for (let column = 0; column < columns; column++) {
            const moved = map[row]?.[column];
            const expected = moved === undefined ? 0 : shadeOf(moved);
            near(alphas[row * columns + column], expected, 1.01, `step ${row + 1}, position ${column} moved ${moved}`);
          }
        }
        const resting = map[rows - 1].slice(0, columns).filter((moved) => moved < 0.01).length;
        const readout = `Step ${rows}: ${resting} of ${columns} positions have come to rest (moved less than 0.01).`;
        await page.getByText(readout).waitFor({ timeout: 2000 });
      });
    }
  });
}

function near(actual, expected, tolerance, what) {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: ${actual} instead of ${expected}`);
}

function softmax(logits) {
  const most = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - most));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

/** Powers of ten, read off the chart with the help of its own grid. */
function movementsOn(page) {
  return page.getByTestId('movement-chart').evaluate((chart) => {
    const grid = [...chart.querySelectorAll('.axis g')].map((line) => {
      const text = line.querySelector('text').textContent;
      const small = [...text].map((letter) => '⁰¹²³⁴⁵⁶⁷⁸⁹'.indexOf(letter)).filter((digit) => digit >= 0).join('');
      const power = text === '' ? undefined : small ? -Number(small) : Math.log10(Number(text));
      return { power, y: Number(line.querySelector('line').getAttribute('y1')) };
    }).filter(({ power }) => power !== undefined);
    const [a, b] = [grid.at(0), grid.at(-1)];
    const valueAt = (y) => a.power + ((y - a.y) / (b.y - a.y)) * (b.power - a.power);
    const H = [...chart.querySelectorAll('circle.high')].map((mark) => valueAt(Number(mark.getAttribute('cy'))));
    const L = [...chart.querySelectorAll('rect.low')].map((mark) => valueAt(Number(mark.getAttribute('y')) + 3.5));
    return { H, L };
  });
}

/** The last movement of z_H that anybody computed, [step][position]. */
function heatOf(tokens) {
  const map = [];
  for (const { step, firstPosition, cycles } of tokens.flatMap(({ trace }) => trace)) {
    const { moved = [] } = cycles.findLast(({ level }) => level === 'H') ?? {};
    moved.forEach((each, i) => ((map[step - 1] ??= [])[firstPosition + i] = each));
  }
  return map;
}

/** Pale at 0.001 and full at 1, on a logarithmic scale. */
const shadeOf = (moved) => 255 * Math.min(1, Math.max(0.05, 0.05 + 0.95 * ((Math.log10(moved + 1e-9) + 3) / 3)));

function cellsOn(page) {
  return page.getByTestId('heat-map').evaluate((canvas) => {
    const { width, height } = canvas;
    const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
    return { width, height, alphas: [...data].filter((_, i) => i % 4 === 3) };
  });
}
