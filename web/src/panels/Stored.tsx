/** The models whose files lie in this browser. */

import { bytes } from '../lib/format.ts';
import { consider, forget, SHIPPED, stored } from '../state/model.ts';

const nameOf = (url: string) => (url === SHIPPED ? 'the shipped model' : url.replace(/^https?:\/\//, '').replace(/\/resolve\/.*$|\/$/, ''));

export function Stored() {
  if (stored.value.length === 0) return null;
  return (
    <div class="stored">
      <h3>Kept in this browser</h3>
      <ul>
        {stored.value.map(({ url, bytes: size, complete }) => (
          <li key={url}>
            <button type="button" class="name" title={url} onClick={() => void consider(url, { loadIfCached: true })}>{nameOf(url)}</button>
            <span>{bytes(size)}{!complete && ', in part'}</span>
            <button type="button" aria-label={`Delete ${nameOf(url)}`} onClick={() => void forget(url)}>✕</button>
          </li>
        ))}
      </ul>
      <button type="button" data-testid="clear-cache" onClick={() => void forget()}>Clear all</button>
    </div>
  );
}
