/** What the page's thread and the worker say to each other. */
import type { SegmentEvent } from './puzzle-types.js';
import type { DeviceChoice, DeviceInfo, ModelSource, Progress, StepTrace, TokenEvent, Warning, WeightsChoice } from './types.js';

/** How a model is to be loaded, without what cannot be sent. */
export interface LoadRequest {
  source: ModelSource;
  device: DeviceChoice;
  weights: WeightsChoice;
  kv: 'f32' | 'f16';
  cache: boolean;
  keepFiles: boolean;
  wasmUrl: string | undefined;
  gpt2Url: string | undefined;
  stallMs: number | undefined;
}

export interface Loaded<Config> {
  name: string;
  config: Config;
  device: DeviceInfo;
  cached: boolean;
}

/** From the page: a call, more pieces wanted of an answer, or that nobody waits for a call any more. */
export type Request =
  | { id: number; call: string; args: unknown[] }
  | { id: number; want: number }
  | { id: number; abort: true };

/** From the worker: a call's end, or something on the way. */
export type Reply =
  | { id: number; value: unknown }
  | { id: number; error: { code: string; message: string } }
  | { id: number; progress: Progress }
  | { warning: Warning; device?: DeviceInfo }
  | { id: number; step: StepTrace; place: number }
  | { id: number; token: TokenEvent }
  | { id: number; segment: SegmentEvent };
