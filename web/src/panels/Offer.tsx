/** What a model is before it is downloaded, and how far the download is. */

import type { ModelInfo, ModelSource } from 'fathom-engine';
import { useEffect, useRef } from 'preact/hooks';
import { bytes, count } from '../lib/format.ts';
import type { AnyLoader } from '../state/loader.ts';

export function Offer({ of }: { of: AnyLoader }) {
  if (of.busy.value) return <Busy of={of} />;
  return of.offer.value ? <Question of={of} {...of.offer.value} /> : null;
}

function Question({ of, source, info }: { of: AnyLoader; source: ModelSource; info: ModelInfo }) {
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
      <p class="hint">{whereItRuns(of, info)}</p>
      <div class="row">
        <button type="button" class="primary" data-testid="model-confirm" onClick={() => void of.open(source)}>
          {local || cached ? 'Load it' : bytesAll ? `Download ${bytes(bytesAll)}` : 'Download it'}
        </button>
        <button type="button" onClick={() => (of.offer.value = undefined)}>No</button>
      </div>
    </div>
  );
}

function whereItRuns({ model }: AnyLoader, { fitsGpu, reason }: ModelInfo): string {
  if (!fitsGpu) return `It runs on the processor, slower: ${(reason ?? 'no GPU can hold it').replace(/\.$/, '')}.`;
  return model.value?.device.kind === 'cpu' ? 'It runs on the processor, as this one does.' : 'It fits this browser’s GPU.';
}

function Busy({ of: { busy, cancel } }: { of: AnyLoader }) {
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
