/** What the package takes and gives; for puzzles see `puzzle-types.ts`. Sizes are in bytes, times in milliseconds, depths in reasoning steps. */

import type { PuzzleConfig } from './puzzle-types.js';

/** Where a model computes: `auto` takes a GPU where there is a real one, else the processor. */
export type DeviceChoice = 'auto' | 'webgpu' | 'cpu';

/**
 * How a device stores a model's matrices: `keep`, as its files do, or another type. `q8` and `q4` are blocks of 32 small
 * numbers with a scale: 8.5 and 4.5 bits a weight.
 */
export type WeightsChoice = 'keep' | 'f32' | 'f16' | 'bf16' | 'q8' | 'q4';

/** A model's folder by its address (a hub's `…/resolve/main/` too), its files, or its bytes by file name. */
export type ModelSource =
  | string
  | URL
  | Iterable<File>
  | Record<string, Blob | ArrayBuffer | Uint8Array>;

/** How far loading has come; one total over all files. */
export interface Progress {
  /** `download`: from the network or the cache; `upload`: onto the device. Each counts from 0. */
  phase: 'download' | 'upload';
  bytesDone: number;
  /** 0 while a server does not tell. */
  bytesAll: number;
}

export interface LoadOptions {
  device?: DeviceChoice;
  /** Default: `keep`. */
  weights?: WeightsChoice;
  /** How keys and values are cached; `f16` takes half the memory, rounded (default: `f32`). */
  kv?: 'f32' | 'f16';
  onProgress?: (progress: Progress) => void;
  /** One plain sentence for everything that a user may want to know: a fallback, a lost device. */
  onWarning?: (warning: Warning) => void;
  signal?: AbortSignal;
  /** Keep downloaded files in the browser (default: true). */
  cache?: boolean;
  /**
   * Keep hold of files that were given as bytes, so that a lost device can be replaced (default: true). Files of the
   * cache or of the user's disk take no memory and are always kept hold of.
   */
  keepFiles?: boolean;
  /** Where `fathom_bg.wasm` lies, if not beside the package's own files. */
  wasmUrl?: string | URL;
  /** Where GPT-2's vocabulary lies, if not beside the package's own files. Only fetched where it is needed. */
  gpt2Url?: string | URL;
  /** A download that brings nothing for so long is taken up anew (default: 20 000). */
  stallMs?: number;
}

export interface Warning {
  /**
   * The processor computes because there is no GPU (`no-gpu`), it is too small for the model (`gpu-memory`) or it
   * failed the check at loading (`wrong-gpu`); a lost device was replaced; the files could not be kept in the
   * browser; the window is full.
   */
  code: 'no-gpu' | 'gpu-memory' | 'wrong-gpu' | 'device-lost' | 'not-cached' | 'window-full';
  message: string;
}

/** What a model computes on. */
export interface DeviceInfo {
  kind: 'webgpu' | 'cpu';
  name: string;
  /** Why `auto` did not take a GPU. */
  why?: string;
  /** The GPU is software: the processor plays it, slowly. `auto` never takes one. */
  software?: boolean;
}

/** What WebGPU offers here. */
export interface AdapterInfo {
  name: string;
  /** `software` where the processor plays a GPU; a browser tells nothing more than `other` of a real one. */
  kind: string;
  features: string[];
  limits: Record<string, number>;
}

export interface Support {
  /** Whether WebGPU can be used. */
  webgpu: boolean;
  /** If not, why, and what can be done about it. */
  reason?: string;
  adapter?: AdapterInfo;
}

/** A model's dimensions, from its `config.json`. */
export interface ModelConfig {
  modelType: 'cosmicfish_hrm';
  vocabSize: number;
  nEmbd: number;
  /** The window, in tokens. */
  blockSize: number;
  nHead: number;
  nKvHead: number;
  hCycles: number;
  lCycles: number;
  /** The most reasoning steps. */
  maxSteps: number;
  haltBias: number;
  nParameters: number;
}

/** What is known of a model before it is downloaded. */
export interface ModelInfo {
  name: string;
  /** `modelType` tells of which kind it is: for `load` or for `loadPuzzles`. */
  config: ModelConfig | PuzzleConfig;
  files: { name: string; bytes: number; cached: boolean }[];
  /** Of all files; 0 where a server does not tell. */
  bytesAll: number;
  /** Whether all of it lies in the browser already. */
  cached: boolean;
  /** Whether a GPU of this browser can hold it, and if not, why. */
  fitsGpu: boolean;
  reason?: string;
}

/** How long to think. Without any of these the model decides. */
export interface DepthOptions {
  /** The most steps. */
  maxDepth?: number;
  /** The fewest steps. */
  minDepth?: number;
  /** Exactly so many steps. */
  depth?: number;
  /** Added to q_halt before it is compared with q_continue; above the model's own: shallower. */
  haltBias?: number;
}

export interface GenerateOptions extends DepthOptions {
  /** The most tokens, the end token included (default: 128). */
  maxTokens?: number;
  /** 0: always the likeliest token (default). */
  temperature?: number;
  /** 0: no limit (default). */
  topK?: number;
  /** 1: no limit (default). */
  topP?: number;
  /** 0: no limit (default). */
  minP?: number;
  /** 1: no penalty (default). */
  repeatPenalty?: number;
  /** Of the draws; a whole number from 0 (default: 0). */
  seed?: number;
  /** Texts before which the answer ends. */
  stop?: string[];
  /** Go on behind the end token. */
  ignoreEos?: boolean;
  /** When the window is full: drop one token each time (default), drop half of it once, or end. */
  overflow?: 'recompute' | 'slide' | 'stop';
  /** Keep every step of every token. It costs a submission a step. */
  trace?: boolean;
  /** Told of each step as it happens; `place` is the token's place in the answer. Implies `trace`. */
  onStep?: (step: StepTrace, place: number) => void;
  signal?: AbortSignal;
}

export type HaltedBy = 'test' | 'cap' | 'forced';

/** One token of an answer. */
export interface TokenEvent {
  /** Its place in the answer, from 0. */
  place: number;
  token: number;
  /** The text that is certain now: whole characters; empty for the end token. */
  text: string;
  /** Steps that were thought. */
  depth: number;
  /** The authors' count of them, which leaves out the step that halts. */
  stepsTaken: number;
  haltedBy: HaltedBy;
  /** The halting values of the last step, before the bias. */
  qHalt: number;
  qContinue: number;
  /** The time that the token took. */
  ms: number;
  trace?: StepTrace[];
  /** With the last token: why the answer ended. */
  done?: 'end' | 'length' | 'stop' | 'context';
}

/** One reasoning step of one token. */
export interface StepTrace {
  /** From 1. */
  step: number;
  qHalt: number;
  qContinue: number;
  /** qHalt + haltBias - qContinue: above 0 the test is passed. */
  margin: number;
  ms: number;
  /** The first position that this step computed; those before it were cached. */
  firstPosition: number;
  /** The updates of z_L and z_H in their order; none where everything was cached. */
  cycles: CycleTrace[];
  /** z_H of the last position after each H cycle, [H cycle][nEmbd]. */
  zH: number[][];
  /** What the model would say if it stopped here, the likeliest first. */
  top: TopToken[];
}

export interface CycleTrace {
  level: 'L' | 'H';
  /** How far the state moved (root mean square), for each computed position from firstPosition on. */
  moved: number[];
}

export interface TopToken {
  token: number;
  /** As people read it: `<end>` for the end token. */
  text: string;
  probability: number;
}

/** What a prefix of a text comes to when it is read by itself. */
export interface PrefixInfo {
  depth: number;
  stepsTaken: number;
  haltedBy: HaltedBy;
  qHalt: number;
  qContinue: number;
  /** The likeliest next token. */
  next: number;
  /** The same as people read it. */
  nextText: string;
}

export interface PrefixOptions extends DepthOptions {
  signal?: AbortSignal;
}

export interface ForwardOptions extends DepthOptions {
  signal?: AbortSignal;
  /** Logits of all positions, each read at the depth of the whole text, not only of the last one. */
  allPositions?: boolean;
}

export interface ForwardResult {
  depth: number;
  stepsTaken: number;
  haltedBy: HaltedBy;
  /** Of each computed step, before the bias. */
  qHalt: number[];
  qContinue: number[];
  /** [position][vocabSize], one position unless all were asked for. */
  logits: Float32Array[];
}

/** One token of a text. */
export interface TokenPiece {
  token: number;
  /** Its text as people read it. */
  text: string;
}

/** A model whose files lie in this browser. */
export interface CachedModel {
  /** The folder's address. */
  url: string;
  bytes: number;
  /** False where a download was interrupted; it goes on where it stopped. */
  complete: boolean;
}
