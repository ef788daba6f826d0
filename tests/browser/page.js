/** Words that the tests use inside a page; `openFathom` puts them there as globals. */
export async function prepare(dist) {
  const words = {
    /** The package. */
    fathom: await import(`${dist}index.js`),
    BEADS: '/models/beads/',
    all,
    textOf: (tokens) => tokens.map(({ text }) => text).join(''),
    withModel: (source, options, use) => within(globalThis.fathom.load(source, options), use),
    withPuzzles: (source, options, use) => within(globalThis.fathom.loadPuzzles(source, options), use),
    failure,
    bytesOf,
  };
  Object.assign(globalThis, words);
}

/** All pieces of an answer. */
async function all(answer) {
  const tokens = [];
  for await (const token of answer) tokens.push(token);
  return tokens;
}

/** Keeps a model for as long as `use` takes, and gives what that gives. */
async function within(loading, use) {
  const model = await loading;
  try {
    return await use(model);
  } finally {
    await model.dispose();
  }
}

/** How something fails, in a form that leaves the page. */
async function failure(run) {
  try {
    await run();
  } catch (error) {
    return { isOurs: error instanceof globalThis.fathom.FathomError, code: error.code, message: error.message };
  }
  return { code: 'nothing failed' };
}

/** Files as they came into the page: base64 by name. */
function bytesOf(files) {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return Object.fromEntries(Object.entries(files).map(([name, text]) => [name, bytes(text)]));
}
