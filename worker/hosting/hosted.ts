/** An engine that lives in a thread of its own, and what is told of it. */
import type { Engine } from "../engine.ts";
import type { GpuKind } from "../gpu/device.ts";

/** For people. */
export interface DeviceFacts {
  readonly name: string;
  readonly kind: GpuKind;
  /** The driver's version as the driver counts. */
  readonly driver: string;
  /** Of the device's own memory, all heaps together. */
  readonly memoryBytes: number;
}

/** What an engine holds and has done since it was opened. */
export interface DeviceUse {
  readonly allocatedBytes: number;
  readonly batches: number;
  /** Requests of sums in those batches. */
  readonly jobs: number;
}

export interface Hosted {
  readonly engine: Engine;
  /** Whether one key may have several runs at the same time, which then wait for each other together. */
  readonly takesManyRuns: boolean;
  /** Undefined: the engine computes on the processor. */
  readonly device: DeviceFacts | undefined;
  use(): DeviceUse;
}

/** The default export of a module that opens an engine. @throws WorkError ENGINE_UNAVAILABLE */
export type OpenHosted = (options: unknown) => Promise<Hosted>;

/** Which module opens the engine, in whichever thread or process that shall happen. */
export interface Opener {
  /** URL. */
  readonly module: string;
  /** For `OpenHosted`: plain data. */
  readonly options: unknown;
}

/** @throws WorkError as `OpenHosted` */
export async function openHosted({ module, options }: Opener): Promise<Hosted> {
  const { default: open }: { readonly default: OpenHosted } = await import(module);
  return open(options);
}
