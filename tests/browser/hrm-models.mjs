/** Models of puzzles for tests: the golden cases, and what can be made of them for puzzles that they were not made for. */
import { join } from 'node:path';
import { readFiles } from './fathom-page.mjs';
import { GOLDEN } from './harness.mjs';
import { numbersOf, readTensors, writeTensors } from './safetensors.mjs';

export const CASES = ['learned-positions-no-puzzle', 'sudoku-shape', 'wide-puzzle-embedding'];

const CONFIG = 'config.json';
const WEIGHTS = 'model.safetensors';

export const filesOf = (name) => readFiles(join(GOLDEN, 'hrm', name), [CONFIG, WEIGHTS]);

/** What the authors' code computed: each tensor's shape, and its numbers in one row. */
export async function expectedOf(name) {
  const file = 'expected.safetensors';
  const tensors = readTensors((await readFiles(join(GOLDEN, 'hrm', name), [file]))[file]);
  const flat = (tensor) => ({ shape: tensor.shape, numbers: numbersOf({ ...tensor, shape: [tensor.bytes.length / 4] }) });
  return Object.fromEntries(Object.entries(tensors).map(([key, tensor]) => [key, flat(tensor)]));
}

const withConfig = (files, change) =>
  ({ ...files, [CONFIG]: Buffer.from(JSON.stringify({ ...JSON.parse(files[CONFIG]), ...change })) });

/** Knows nothing, but takes ARC tasks: turned positions are there for any number of cells. */
export const arcFiles = async () => withConfig(await filesOf('wide-puzzle-embedding'), { seq_len: 900, halt_max_steps: 2 });

/** Knows nothing, but takes mazes of 5x5: its learned positions are cut off behind that. */
export async function mazeFiles() {
  const files = withConfig(await filesOf('learned-positions-no-puzzle'), { seq_len: 25 });
  const tensors = readTensors(files[WEIGHTS]);
  const [name] = Object.keys(tensors).filter((each) => each.includes('embed_pos'));
  const { dtype, shape: [n, width], bytes } = tensors[name];
  tensors[name] = { dtype, shape: [25, width], bytes: bytes.subarray(0, (bytes.length / n) * 25) };
  return { ...files, [WEIGHTS]: writeTensors(tensors) };
}
