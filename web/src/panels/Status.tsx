/** Always in view: what it computes on, how fast, and what went wrong. */

import type { ComponentChildren } from 'preact';
import type { AnyLoader } from '../state/loader.ts';
import { trouble, warnings } from '../state/trouble.ts';

export function Status({ of: { busy, model }, children }: { of: AnyLoader; children: ComponentChildren }) {
  const device = model.value?.device;
  return (
    <footer class="status">
      {trouble.value && (
        <div class="trouble" role="alert" data-testid="error" data-code={trouble.value.code}>
          <p><strong>{trouble.value.message}</strong> {trouble.value.advice}</p>
          <button type="button" aria-label="Dismiss" onClick={() => (trouble.value = undefined)}>✕</button>
        </div>
      )}
      <dl>
        <div class="device">
          <dt>Computes on</dt>
          <dd data-testid="device" data-kind={device?.kind} title={device?.why}>
            {device ? <>{device.name}{device.why && <span class="why"> — {device.why}</span>}</> : busy.value ? 'loading …' : '–'}
          </dd>
        </div>
        {children}
      </dl>
      {warnings.value.filter(({ message }) => !device?.why || !message.includes(device.why)).map(({ code, message }) => <p key={message} class="warning" data-code={code}>{message}</p>)}
    </footer>
  );
}
