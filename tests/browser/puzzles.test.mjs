/** Models of puzzles in the package: against the authors' code, halting, misuse, Sudoku by plain code, a lost device. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openFathom, serveFathom, toPage } from './fathom-page.mjs';
import { DIST, HERE, launch } from './harness.mjs';
import { arcFiles, CASES, expectedOf, filesOf, mazeFiles } from './hrm-models.mjs';

const SHIPPED = '/models/sudoku-6x6/';
const MAZE = 'S #  \n# # #\n#   #\n### #\n###G ';
const TASK = JSON.stringify({ train: [], test: [{ input: [[0, 1], [2, 3]], output: [[5]] }] });

let browser, site, page;

before(async () => {
  browser = await launch();
  site = await serveFathom({
    '/plain/': DIST,
    '/plain/worker.js': join(HERE, 'device.worker.js'),
    '/plain/worker-real.js': join(DIST, 'worker.js'),
  });
  ({ page } = await openFathom(browser, site));
});
after(async () => {
  await browser?.close();
  await site?.close();
});

/** Within a share of the largest magnitude. */
function close(found, expected, share, what) {
  assert.equal(found.length, expected.length, what);
  const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const apart = found.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
  // Written so that a number that is none fails.
  assert.ok(apart <= share * scale, `${what}: ${apart} apart where the largest is ${scale}`);
}

/** Softmax of rows of `n` numbers. */
function shares(logits, n) {
  const found = [];
  for (let at = 0; at < logits.length; at += n) {
    const row = logits.slice(at, at + n);
    const largest = Math.max(...row);
    const exps = row.map((logit) => Math.exp(logit - largest));
    const sum = exps.reduce((a, b) => a + b);
    found.push(...exps.map((exp) => exp / sum));
  }
  return found;
}

for (const device of ['cpu', 'webgpu']) {
  describe(`golden numbers on ${device}`, () => {
    for (const name of CASES) {
      test(name, async () => {
        const { inputs, puzzle_identifiers: rows, logits, q } = await expectedOf(name);
        const [nAll, nPuzzles, nCells, nWords] = logits.shape;
        // A software GPU is slow, and the puzzles are alike: there, less is done of each case.
        const isSlow = device === 'webgpu';
        const nSegments = isSlow ? 2 : nAll;
        const puzzles = Array.from({ length: nPuzzles }, (_, b) => ({
          tokens: inputs.numbers.slice(b * nCells, (b + 1) * nCells), puzzle: rows.numbers[b],
        }));
        const use = ({ files, device, puzzles, nSegments }) =>
          withPuzzles(bytesOf(files), { device }, async (model) => {
            const answers = [];
            for (const { tokens, puzzle } of puzzles) {
              const events = await all(model.solve(tokens, { puzzle, watch: true, halting: { segments: nSegments } }));
              answers.push(events.map(({ cycles, ...rest }) => ({ ...rest, nCycles: cycles.length, shares: [...cycles.at(-1)] })));
            }
            return { kind: model.device.kind, hCycles: model.config.hCycles, answers };
          });
        const asked = isSlow ? puzzles.slice(-1) : puzzles;
        const found = await page.evaluate(use, { files: toPage(await filesOf(name)), device, puzzles: asked, nSegments });
        assert.equal(found.kind, device);
        found.answers.forEach((events, i) => {
          const b = nPuzzles - asked.length + i;
          assert.equal(events.length, nSegments);
          let before;
          events.forEach((event, s) => {
            const what = `puzzle ${b}, segment ${s + 1}`;
            const share = name === 'wide-puzzle-embedding' && s === 4 ? 1.5e-4 : 1e-4;
            const size = nCells * nWords;
            const at = s * nPuzzles + b;
            close(event.shares, shares(logits.numbers.slice(at * size, (at + 1) * size), nWords), share, what);
            close([event.qHalt, event.qContinue], q.numbers.slice(2 * at, 2 * at + 2), share, `halting values, ${what}`);
            assert.equal(event.nCycles, found.hCycles);
            assert.deepEqual(event.answer, likeliest(event.shares, nWords), what);
            assert.deepEqual(event.changed, [...event.answer.keys()].filter((cell) => event.answer[cell] !== before?.[cell]), what);
            assert.ok(Math.abs(event.confidence - 1 / (1 + Math.exp(-event.qHalt))) < 1e-6, what);
            assert.equal(event.wouldHalt, event.qHalt > event.qContinue && event.changed.length === 0, what);
            assert.equal(event.haltedBy, s + 1 === nSegments ? 'forced' : undefined, what);
            before = event.answer;
          });
        });
      });
    }
  });
}

function likeliest(shares, n) {
  return Array.from({ length: shares.length / n }, (_, cell) => {
    const row = shares.slice(cell * n, (cell + 1) * n);
    return row.indexOf(Math.max(...row));
  });
}

describe('the shipped model', () => {
  before(() => page.evaluate(async (address) => (globalThis.puzzles = await fathom.loadPuzzles(address, { device: 'cpu' })), SHIPPED));

  test('tells what it is, before and after it is loaded', async () => {
    const { info, config } = await page.evaluate(async (address) => ({ info: await fathom.inspect(address), config: puzzles.config }), SHIPPED);
    assert.deepEqual(info.config, config);
    assert.deepEqual([config.modelType, config.task, config.side, config.seqLen, config.vocabSize], ['hrm_act_v1', 'sudoku', 6, 36, 8]);
    assert.ok(config.nParameters > 1e5);
  });

  test('solves what is generated, and plain code agrees', async () => {
    const solved = await page.evaluate(async () => {
      const found = [];
      for (let seed = 0; seed < 10; seed++) {
        const { puzzle, solution } = await puzzles.sudoku.generate({ grade: 'easy', seed });
        const last = (await all(puzzles.solve(puzzle))).at(-1);
        found.push({ isSolution: last.text === solution, judged: await puzzles.judge(puzzle, last.answer) });
      }
      return found;
    });
    for (const { isSolution, judged } of solved) {
      assert.equal(judged.right, isSolution);
      assert.equal(judged.faults.length === 0, isSolution);
    }
    assert.ok(solved.filter(({ isSolution }) => isSolution).length >= 8, JSON.stringify(solved));
  });

  test('halts by each rule', async () => {
    const { events, forced } = await page.evaluate(async () => {
      const { puzzle } = await puzzles.sudoku.generate({ seed: 1 });
      const events = {};
      for (const halting of ['settled', 'q', { confidence: 0.5 }, { confidence: 0.999999 }]) {
        events[JSON.stringify(halting)] = await all(puzzles.solve(puzzle, { halting }));
      }
      return { events, forced: await all(puzzles.solve(puzzle, { halting: { segments: 12 } })) };
    });
    const ending = (halting) => events[JSON.stringify(halting)].at(-1);
    // Behind its own end it goes on as if there had been none.
    assert.deepEqual([forced.length, forced.at(-1).haltedBy], [12, 'forced']);
    const first = (passes) => forced.findIndex(passes) + 1 || 8;
    assert.equal(ending('settled').segment, Math.min(8, first((each) => each.wouldHalt)));
    assert.equal(ending('q').segment, Math.min(8, first((each) => each.qHalt > each.qContinue)));
    for (const confidence of [0.5, 0.999999]) {
      assert.equal(ending({ confidence }).segment, Math.min(8, first((each) => each.confidence >= confidence)));
    }
    for (const found of Object.values(events)) {
      assert.equal(found.every(({ cycles }) => cycles === undefined), true);
      assert.deepEqual(found.map(({ answer }) => answer), forced.slice(0, found.length).map(({ answer }) => answer));
    }
  });

  test('noise is the same for the same seed', async () => {
    const [plain, one, again, other] = await page.evaluate(async () => {
      const { puzzle } = await puzzles.sudoku.generate({ seed: 1, grade: 'extreme' });
      const q = async (noise) => (await all(puzzles.solve(puzzle, { noise, halting: { segments: 1 } })))[0].qHalt;
      return Promise.all([undefined, { sigma: 1, seed: 1 }, { sigma: 1, seed: 1 }, { sigma: 1 }].map(q));
    });
    assert.equal(one, again);
    assert.equal(new Set([plain, one, other]).size, 3);
  });

  test('is stopped by a signal, by leaving the loop, and then solves again', async () => {
    const { error, told, left, after } = await page.evaluate(async () => {
      const { puzzle } = await puzzles.sudoku.generate({ seed: 1 });
      const controller = new AbortController();
      let told = 0;
      const error = await failure(async () => {
        for await (const _ of puzzles.solve(puzzle, { halting: { segments: 64 }, signal: controller.signal })) {
          if (++told === 2) controller.abort();
        }
      });
      let left;
      for await (const { segment } of puzzles.solve(puzzle, { halting: { segments: 64 } })) if ((left = segment) === 3) break;
      return { error, told, left, after: (await all(puzzles.solve(puzzle, { halting: { segments: 2 } }))).length };
    });
    assert.deepEqual([error.code, error.isOurs, told, left, after], ['aborted', true, 2, 3, 2]);
  });

  test('what is asked wrongly is told by its code', async () => {
    const grid = '.'.repeat(36);
    for (const [code, message, puzzle, options] of [
      ['puzzle', /36 cells, found 3/, '123', {}],
      ['puzzle', /r1c1 holds 7/, `7${grid.slice(1)}`, {}],
      ['puzzle', /'x' has no place/, `x${grid.slice(1)}`, {}],
      ['puzzle', /number of cells must be 36/, [1, 2], {}],
      ['token-out-of-range', /8/, Array(36).fill(8), {}],
      ['puzzle', /confidence must be between 0 and 1/, grid, { halting: { confidence: 1 } }],
      ['puzzle', /segments must be 1 or more/, grid, { halting: { segments: 0 } }],
      ['puzzle', /identifier must be below 1/, grid, { puzzle: 1 }],
      ['option', /halting must be/, grid, { halting: 'never' }],
      ['option', /halting must be/, grid, { halting: { segments: 1, confidence: 0.5 } }],
      ['option', /noise must be/, grid, { noise: { seed: 1 } }],
      ['option', /watch must be/, grid, { watch: 1 }],
      ['option', /no option maxDepth/, grid, { maxDepth: 1 }],
      ['option', /puzzle must be a text/, 7, {}],
    ]) {
      const error = await page.evaluate(({ puzzle, options }) => failure(() => all(puzzles.solve(puzzle, options))), { puzzle, options });
      assert.deepEqual([error.code, error.isOurs], [code, true], error.message);
      assert.match(error.message, message);
    }
  });

  test('knows Sudoku by plain code', async () => {
    const { conflict, none, several, made, same, grade, errors } = await page.evaluate(async () => {
      const { sudoku } = puzzles;
      const blank = '.'.repeat(36);
      const made = await sudoku.generate({ grade: 'medium', givens: [12, 20], seed: 5 });
      return {
        conflict: await sudoku.check(`55${blank.slice(2)}`),
        none: await sudoku.check(`12345.|${'.....6'}|${blank.slice(12)}`),
        several: await sudoku.check(blank),
        made,
        same: await sudoku.generate({ grade: 'medium', givens: [12, 20], seed: 5 }),
        grade: [await sudoku.grade(made.puzzle), await sudoku.grade(blank)],
        errors: [
          await failure(() => sudoku.generate({ grade: 'impossible' })), await failure(() => sudoku.generate({ givens: [40, 50] })),
          await failure(() => sudoku.check(7)), await failure(() => sudoku.grade('1')),
        ],
      };
    });
    assert.deepEqual(conflict.conflicts[0], { message: 'r1c1 and r1c2 both hold 5 (row 1)', cells: [0, 1] });
    assert.deepEqual([conflict.solutions, conflict.givens, conflict.full], ['none', 2, false]);
    assert.deepEqual([none.conflicts, none.solutions], [[], 'none']);
    assert.equal(several.solutions, 'several');
    assert.equal(made.grade, 'medium');
    assert.ok(made.givens >= 12 && made.givens <= 20);
    assert.deepEqual(same, made);
    assert.deepEqual(grade, ['medium', undefined]);
    assert.deepEqual(errors.map(({ code }) => code), ['option', 'puzzle', 'option', 'puzzle']);
  });

  test('is disposed of', async () => {
    const error = await page.evaluate(async () => {
      await puzzles.dispose();
      return failure(() => all(puzzles.solve('.'.repeat(36))));
    });
    assert.equal(error.code, 'disposed');
  });
});

test('a model of the other kind is refused, with the function that takes it', async () => {
  const [language, puzzles] = await page.evaluate(async (address) => [
    await failure(() => fathom.loadPuzzles(BEADS, { device: 'cpu' })), await failure(() => fathom.load(address, { device: 'cpu' })),
  ], SHIPPED);
  assert.deepEqual([language.code, puzzles.code], ['wrong-kind', 'wrong-kind']);
  assert.match(language.message, /call load instead of loadPuzzles/);
  assert.match(puzzles.message, /call loadPuzzles instead of load\b/);
});

test('a maze is read, answered as a maze, and judged', async () => {
  const { config, tokens, text, judgement, right, error } = await page.evaluate(({ files, maze }) =>
    withPuzzles(bytesOf(files), { device: 'cpu' }, async (model) => {
      const [{ answer, text }] = await all(model.solve(maze, { halting: { segments: 1 } }));
      const tokens = await model.encode(maze);
      const way = tokens.with(1, 5).with(6, 5).with(11, 5).with(12, 5).with(13, 5).with(18, 5);
      return {
        config: model.config, tokens, text,
        judgement: await model.judge(maze, answer), right: await model.judge(maze, way),
        error: await failure(() => model.encode('S')),
      };
    }), { files: toPage(await mazeFiles()), maze: MAZE });
  assert.deepEqual([config.task, config.side], ['maze', 5]);
  assert.deepEqual(tokens.slice(0, 5), [3, 2, 1, 2, 2]);
  assert.deepEqual(text.split('\n').map((row) => row.length), [5, 5, 5, 5, 5, 0]);
  assert.equal(judgement.right, false);
  assert.ok(judgement.faults.some(({ message }) => /do not lead from S to G/.test(message)));
  assert.deepEqual(right, { right: true, faults: [] });
  assert.deepEqual([error.code, /one G, found 0/.test(error.message)], ['puzzle', true]);
});

test('an ARC task has to name its row of the table', async () => {
  const { task, without, events, unknown, judged } = await page.evaluate(({ files, task }) =>
    withPuzzles(bytesOf(files), { device: 'cpu' }, async (model) => {
      const events = await all(model.solve(task, { puzzle: 3, halting: { segments: 1 } }));
      const untold = JSON.stringify({ train: [], test: [{ input: [[0]] }] });
      return {
        task: model.config.task, events, without: await failure(() => all(model.solve(task))),
        judged: await model.judge(task, events[0].answer), unknown: await model.judge(untold, events[0].answer),
      };
    }), { files: toPage(await arcFiles()), task: TASK });
  assert.equal(task, 'arc');
  assert.equal(without.code, 'puzzle');
  assert.match(without.message, /number of its row/);
  assert.equal(events[0].answer.length, 900);
  assert.equal(judged.right, false);
  assert.equal(unknown, undefined);
});

test('where the device is lost, the puzzle is solved on with the same segments, each told once', async () => {
  const { page } = await openFathom(browser, site, '/plain/');
  const { undisturbed, disturbed, warnings } = await page.evaluate(async (address) => {
    const warnings = [];
    const model = await fathom.loadPuzzles(address, { device: 'webgpu', onWarning: ({ code }) => warnings.push(code) });
    const { puzzle } = await model.sudoku.generate({ seed: 3 });
    const ask = async (watch) => (await all(model.solve(puzzle, { halting: { segments: 4 }, watch }))).map(({ segment, text }) => ({ segment, text }));
    const undisturbed = await ask(false);
    const channel = new BroadcastChannel('device');
    const heard = new Promise((resolve) => (channel.onmessage = resolve));
    channel.postMessage('segment 2');
    await heard;
    return { undisturbed, disturbed: await ask(true), warnings };
  }, SHIPPED);
  assert.deepEqual(disturbed, undisturbed);
  assert.deepEqual(disturbed.map(({ segment }) => segment), [1, 2, 3, 4]);
  assert.deepEqual(warnings, ['device-lost']);
});
