/** Times of submissions, with what they read and write resident on the device. */
import type { GpuBuffer, GpuCommands, GpuDevice } from "../../worker/gpu/device.ts";

/** What all measurements of a run share. */
export interface GpuSession {
  readonly device: GpuDevice;
  readonly rounds: number;
  readonly fillMs: number;
  progress(text: string, done?: number): void;
  /** Notes what cannot be measured. */
  miss(what: string, why: string): void;
}

/**
 * Milliseconds from the submission to the news of its end, as an engine sees it: recording and the
 * way there and back are part of it.
 */
export async function timeSubmission(
  device: GpuDevice,
  record: (commands: GpuCommands) => void,
): Promise<number> {
  const startedMs = performance.now();
  await device.submit(record);
  return performance.now() - startedMs;
}

/** Microseconds are enough. */
export function rounded(ms: number): number {
  return Math.round(1000 * ms) / 1000;
}

export async function sample(
  { device, rounds }: GpuSession,
  record: (commands: GpuCommands) => void,
): Promise<number[]> {
  const samplesMs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    samplesMs.push(rounded(await timeSubmission(device, record)));
  }
  return samplesMs;
}

/**
 * The turns, a power of two, with which a submission takes at least `fillMs`. It is run on the way; the
 * first time does not count, because a driver may have work left until then.
 *
 * @param most  that the kernel may do.
 */
export async function fillingTurns(
  { device, fillMs }: GpuSession,
  record: (turns: number) => (commands: GpuCommands) => void,
  most: number,
): Promise<number> {
  let turns = 16;
  await device.submit(record(turns));
  while (turns < most && (await timeSubmission(device, record(turns))) < fillMs) turns *= 2;
  return turns;
}

/** Buffers that are freed at the end of the scope. */
export class Resident implements Disposable {
  readonly #device: GpuDevice;
  readonly #buffers: GpuBuffer[] = [];

  constructor(device: GpuDevice) {
    this.#device = device;
  }

  empty(bytes: number): GpuBuffer {
    const buffer = this.#device.createBuffer(bytes);
    this.#buffers.push(buffer);
    return buffer;
  }

  async holding(bytes: Uint8Array): Promise<GpuBuffer> {
    const buffer = this.empty(bytes.length);
    await this.#device.upload(bytes, { buffer });
    return buffer;
  }

  [Symbol.dispose](): void {
    for (const buffer of this.#buffers.splice(0)) buffer.free();
  }
}

/** A result is wrong: the time it took says nothing. */
export class WrongResult extends Error {
  override readonly name = "WrongResult";
}
