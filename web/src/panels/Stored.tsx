/** The models whose files lie in this browser. */

import { bytes } from '../lib/format.ts';
import type { AnyLoader } from '../state/loader.ts';
import { SHIPPED } from '../state/model.ts';
import { forget, stored } from '../state/stored.ts';

const OWN = new URL('models/', document.baseURI).href;

const nameOf = (url: string) =>
  url === SHIPPED ? 'the shipped model' : url.startsWith(OWN) ? url.slice(OWN.length, -1) : url.replace(/^https?:\/\//, '').replace(/\/resolve\/.*$|\/$/, '');

export function Stored({ of }: { of: AnyLoader }) {
  if (stored.value.length === 0) return null;
  return (
    <div class="stored">
      <h3>Kept in this browser</h3>
      <ul>
        {stored.value.map(({ url, bytes: size, complete }) => (
          <li key={url}>
            <button type="button" class="name" title={url} onClick={() => void of.consider(url, { loadIfCached: true })}>{nameOf(url)}</button>
            <span>{bytes(size)}{!complete && ', in part'}</span>
            <button type="button" aria-label={`Delete ${nameOf(url)}`} onClick={() => void forget(url)}>✕</button>
          </li>
        ))}
      </ul>
      <button type="button" data-testid="clear-cache" onClick={() => void forget()}>Clear all</button>
    </div>
  );
}
