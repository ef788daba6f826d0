/**
 * Every code of a `FathomError` that comes from the package itself, with its meaning. The engine has codes of its own, for
 * what is wrong with a model or its options (`tensor-shape`, `context-full`, …); its `error.rs` lists them.
 */
export const ERROR_CODES = {
  aborted: 'The caller’s AbortSignal ended it; what was downloaded stays and is taken up next time.',
  'bad-source': 'What was given as a model is not an address, files or bytes.',
  'file-missing': 'Among the given files one is missing that a model needs.',
  'not-found': 'The server does not have the file.',
  http: 'The server answered with an error status.',
  network: 'The connection failed or broke off, even after several attempts.',
  stalled: 'The server stopped sending, even after several attempts.',
  'wrong-length': 'The server sent more or fewer bytes than it had promised, even after several attempts.',
  'bad-index': 'model.safetensors.index.json does not say which files hold the weights.',
  unreadable: 'A given file can no longer be read, as when it has changed since it was chosen.',
  'wrong-kind': 'It is a model of the other kind: `load` takes language models, `loadPuzzles` models of puzzles.',
  option: 'An option is not of the kind that is expected.',
  'no-adapter': 'The GPU that was asked for is not there.',
  'device-lost': 'The GPU was lost and could not be replaced.',
  'no-tokenizer': 'The model knows token ids only, no text.',
  disposed: 'The model was disposed.',
  worker: 'The worker failed or its script did not load.',
  internal: 'A mistake of ours.',
  'in-use': 'A cached file cannot be deleted while it is being downloaded.',
} as const;

/** One of the codes above, or one of the engine's. */
export type ErrorCode = keyof typeof ERROR_CODES | (string & {});

/** Everything that goes wrong: `code` never changes, `message` is a plain sentence. */
export class FathomError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'FathomError';
    this.code = code;
  }
}

/** Throws `aborted` if the signal says so; `what` was being done. */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) {
    throw new FathomError('aborted', `${what} was aborted.`, { cause: signal.reason });
  }
}
