/** What a model is before it is downloaded, and how far the download is. */

import type { ModelInfo } from 'fathom-engine';
import { useEffect, useRef } from 'preact/hooks';
import { bytes, count } from '../lib/format.ts';
import { busy, cancel, model, offer, open } from '../state/model.ts';

export function Offer() {
  if (busy.value) return <Busy />;
  return offer.value ? <Question {...offer.value} /> : null;
}

function Question({ source, info }: NonNullable<typeof offer.value>) {
  const card = useRef<HTMLDivElement>(null);
  // It may have come by a link, with this panel out of view.
  useEffect(() => card.current?.scrollIntoView({ block: 'nearest' }), [info]);
  const { name, config, bytesAll, cached } = info;
  const local = typeof source !== 'string';
  return (
    <div class="offer" ref={card} role="status">
      <p>
        <strong>{name}</strong> {count(config.nParameters)} parameters, {bytes(bytesAll)}
        {cached && <> <span class="badge" data-testid="offer-cached">cached</span></>}
      </p>
      <p class="hint">{whereItRuns(info)}</p>
      <div class="row">
        <button type="button" class="primary" data-testid="model-confirm" onClick={() => void open(source)}>
          {local || cached ? 'Load it' : bytesAll ? `Download ${bytes(bytesAll)}` : 'Download it'}
        </button>
        <button type="button" onClick={() => (offer.value = undefined)}>No</button>
      </div>
    </div>
  );
}

function whereItRuns({ fitsGpu, reason }: ModelInfo): string {
  if (!fitsGpu) return `It runs on the processor, slower: ${(reason ?? 'no GPU can hold it').replace(/\.$/, '')}.`;
  return model.value?.device.kind === 'cpu' ? 'It runs on the processor, as this one does.' : 'It fits this browser’s GPU.';
}

function Busy() {
  const { what, progress } = busy.value!;
  const known = progress?.bytesAll ? progress : undefined;
  const doing = what === 'inspect' ? 'Looking at the model' : progress?.phase === 'upload' ? 'Putting it onto the device' : 'Downloading';
  return (
    <div class="offer">
      <p>{doing}{known ? ` — ${bytes(known.bytesDone)} of ${bytes(known.bytesAll)}` : ' …'}</p>
      <div class="row">
        <progress aria-label={doing} {...(known && { value: known.bytesDone, max: known.bytesAll })} />
        <button type="button" data-testid="model-cancel" onClick={cancel}>Cancel</button>
      </div>
    </div>
  );
}
