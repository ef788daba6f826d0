/** An answer that comes in pieces, computed as they are read, a few ahead. */
import { throwIfAborted } from './errors.js';
import type { Link } from './link.js';
import type { Reply } from './protocol.js';

/** Pieces that the worker may be ahead of the reader: none is computed that nobody asks for but these. */
const AHEAD = 4;

/** Calls a function of the worker's and yields what `pieceOf` finds in its events; leaving the loop ends it. */
export async function* stream<Piece>(
  link: Link,
  call: string,
  args: unknown[],
  signal: AbortSignal | undefined,
  pieceOf: (event: Reply) => Piece | undefined,
): AsyncGenerator<Piece, void, void> {
  const ready: Piece[] = [];
  let wake = (): void => {};
  let over = false;
  const { id, result } = link.call<void>(call, [...args, AHEAD], signal, (event) => {
    const piece = pieceOf(event);
    if (piece !== undefined) ready.push(piece);
    wake();
  });
  const ended = result.finally(() => {
    over = true;
    wake();
  });
  // Whoever reads on is told of the failure below; who has left is not.
  ended.catch(() => {});
  const onAbort = () => wake();
  signal?.addEventListener('abort', onAbort);
  try {
    for (;;) {
      // At once, not when the worker has come to the end of its piece.
      throwIfAborted(signal, 'The answer');
      const piece = ready.shift();
      if (piece !== undefined) {
        link.send({ id, want: 1 });
        yield piece;
      } else if (over) {
        return await ended;
      } else {
        await new Promise<void>((resolve) => (wake = resolve));
      }
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    if (!over) link.send({ id, abort: true });
  }
}
