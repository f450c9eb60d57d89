/**
 * Memory for one batch at a time, shared by all keys of a device: kept from batch to batch, because
 * allocating is slow, and made anew when a batch needs more.
 */
import type { GpuBuffer, GpuDevice, GpuSlice } from "../../gpu/device.ts";
import { ALIGNMENT } from "./msm-plan.ts";

export class Scratch {
  readonly #device: GpuDevice;
  #buffers: GpuBuffer[] = [];
  /** Where the next slice may begin. */
  #at = { buffer: 0, offset: 0 };
  #isClear = true;

  constructor(device: GpuDevice) {
    this.#device = device;
  }

  /** Bytes that it holds on the device. */
  get bytes(): number {
    return this.#buffers.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * Makes room for a batch; what the last one took is gone. To be cleared before, if it is not yet.
   *
   * @param bytes  of all slices together, each rounded up to ALIGNMENT.
   * @throws WorkError ENGINE_UNAVAILABLE, "memory"; nothing is held then.
   */
  begin(bytes: number): void {
    this.#isClear = false;
    this.#at = { buffer: 0, offset: 0 };
    if (this.bytes >= bytes) return;
    this.free();
    const most = Math.floor(this.#device.limits.bufferBytes / ALIGNMENT) * ALIGNMENT;
    try {
      for (let left = rounded(bytes); left > 0; left -= most) {
        this.#buffers.push(this.#device.createBuffer(Math.min(left, most)));
      }
    } catch (error) {
      this.free();
      throw error;
    }
  }

  /** @throws WorkError ENGINE_UNAVAILABLE, "memory", where slices leave gaps between buffers. */
  take(bytes: number): GpuSlice {
    const length = rounded(bytes);
    for (;;) {
      const buffer = this.#buffers[this.#at.buffer];
      if (buffer === undefined) {
        this.#buffers.push(this.#device.createBuffer(length));
      } else if (this.#at.offset + length > buffer.bytes) {
        this.#at = { buffer: this.#at.buffer + 1, offset: 0 };
      } else {
        const slice = { buffer, offset: this.#at.offset, bytes };
        this.#at.offset += length;
        return slice;
      }
    }
  }

  /** Zeros over all of it, unless it has been cleared since the last batch. */
  async clear(): Promise<void> {
    if (this.#isClear) return;
    await this.#device.submit((commands) => {
      for (const buffer of this.#buffers) commands.clear({ buffer });
    });
    this.#isClear = true;
  }

  /** Nothing that was submitted may still use it. Idempotent. */
  free(): void {
    for (const buffer of this.#buffers) buffer.free();
    this.#buffers = [];
    this.#at = { buffer: 0, offset: 0 };
  }
}

export function rounded(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
