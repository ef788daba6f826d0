/** What WebGPU offers here, asked of the browser itself. */
import type { AdapterInfo, Support } from './types.js';

/** The part of WebGPU that is asked; TypeScript's own library does not know it yet. */
interface Gpu {
  requestAdapter(options: { powerPreference: string }): Promise<Adapter | null>;
}
interface Adapter {
  features: Iterable<string>;
  limits: Record<string, number>;
  /** Missing in the first browsers with WebGPU. */
  info?: Info;
  /** Where it stood before it moved to `info`. */
  isFallbackAdapter?: boolean;
}
interface Info {
  vendor: string;
  architecture: string;
  description: string;
  isFallbackAdapter?: boolean;
}

const FEATURES = ['shader-f16', 'subgroups', 'timestamp-query'];
const LIMITS = ['maxBufferSize', 'maxStorageBufferBindingSize'];

/** Whether WebGPU can be used, and if not, why. */
export async function support(): Promise<Support> {
  if (!globalThis.isSecureContext) {
    return { webgpu: false, reason: 'WebGPU needs a page served over https, or from localhost.' };
  }
  const gpu = (globalThis.navigator as Navigator & { gpu?: Gpu }).gpu;
  if (!gpu) {
    return {
      webgpu: false,
      reason: 'This browser has no WebGPU. Chrome and Edge 127, Safari 26 and Firefox 141 or later have it.',
    };
  }
  // The same question as the engine asks.
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
  if (!adapter) {
    return {
      webgpu: false,
      reason: 'The browser has WebGPU but offers no GPU: hardware acceleration may be off, or the driver too old.',
    };
  }
  if (!adapter.info) {
    return { webgpu: false, reason: 'The WebGPU of this browser is too old; Chrome and Edge 127 or later have a newer one.' };
  }
  return { webgpu: true, adapter: describe(adapter, adapter.info) };
}

/** The largest buffer that an adapter allows. */
export function mostBufferBytes(adapter: AdapterInfo): number {
  return Math.min(...LIMITS.map((name) => adapter.limits[name] ?? 0));
}

function describe({ features, limits, isFallbackAdapter }: Adapter, info: Info): AdapterInfo {
  const all = new Set(features);
  return {
    name: info.description || [info.vendor, info.architecture].filter(Boolean).join(' ') || 'GPU',
    kind: (info.isFallbackAdapter ?? isFallbackAdapter) ? 'software' : 'other',
    features: FEATURES.filter((name) => all.has(name)),
    limits: Object.fromEntries(LIMITS.map((name) => [name, limits[name] ?? 0])),
  };
}
