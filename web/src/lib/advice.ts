/** What to do about an error, by its code. */

const GROUPS: [codes: string[], advice: string][] = [
  [['bad-source', 'not-found', 'config-missing'], 'Give the folder that holds config.json and model.safetensors; on a hub it is the address that ends in /resolve/main/.'],
  [['file-missing', 'shard-missing'], 'Choose config.json, all model.safetensors files and tokenizer.json together.'],
  [['http'], 'The server refused. If a login or a licence stands before the model, download it yourself and drop its files here.'],
  [['network', 'stalled'], 'Check the connection and try again; what was downloaded so far is kept.'],
  [['wrong-length', 'weights-truncated', 'weights-header'], 'The file is damaged or incomplete. Clear the cache and load it again.'],
  [['unreadable'], 'Choose the files again.'],
  [['in-use'], 'Another tab is downloading this model. Wait until it is done.'],
  [['model-type', 'config-type', 'config-value', 'tensor-missing', 'tensor-shape', 'tensor-type', 'tensor-unexpected', 'tokenizer-file'], 'This does not look like a CosmicFish-HRM or HRM model. Try another one, or go back to the shipped one.'],
  [['no-adapter', 'no-gpu', 'device-lost', 'gpu', 'gpu-memory', 'wrong-gpu'], 'Open the page with ?backend=cpu to compute on the processor, or close other tabs that use the GPU.'],
  [['wrong-kind'], 'Language models belong to the tab Language, models of puzzles to the tab Puzzle.'],
  [['context-full'], 'Ask something shorter.'],
  [['puzzle'], 'Correct the puzzle, or the row of the table that is given for it.'],
  [['unknown-text'], 'The shipped model knows only the digits and + - * =, without spaces.'],
  [['depth-zero', 'depth-too-large', 'depth-floor-above-cap', 'sampling', 'option'], 'Change the settings under Control, or reset them.'],
];

const ADVICE = new Map(GROUPS.flatMap(([codes, advice]) => codes.map((code) => [code, advice] as const)));

export function adviceFor(code: string): string {
  return ADVICE.get(code) ?? 'Try again. If it stays, reload the page, or open it with ?backend=cpu to compute on the processor.';
}
