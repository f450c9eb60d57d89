/**
 * `GpuDevice` by Vulkan 1.1: one queue, one memory allocation for each buffer, one command buffer and
 * one fence for each submission. Submissions end in the order they were made, so that one thread of
 * libuv's pool at most waits for the device.
 */
import { WorkError } from "../errors.ts";
import {
  type GpuBuffer,
  type GpuCommands,
  type GpuDevice,
  type GpuKernel,
  type GpuSlice,
  type KernelCode,
  watchdogOf,
} from "./device.ts";
import { gpuError } from "./failure.ts";
import { findDevice, openInstance, type Physical } from "./instance.ts";
import type { Handle } from "./layouts.ts";
import { type Device, type Instance, loadVulkan, type Vulkan } from "./libvulkan.ts";
import { allocate, type Memory, type Purpose } from "./memory.ts";
import { makePipeline, refusalOf } from "./pipeline.ts";
import { type Pipeline, type Range, Recording } from "./recording.ts";
import { type Submission, submitRecording } from "./submission.ts";

export interface VulkanOptions {
  /** Part of a device's name, case ignored: the only way to a software device. */
  readonly device?: string;
  /** Copies through a staging buffer also where device and program share their memory. For tests. */
  readonly isStaged?: boolean;
  /** The library, if it was loaded already. */
  readonly vulkan?: Vulkan;
}

/** Bytes that go through the staging buffer at a time. Untuned. */
const STAGING_BYTES = 16 << 20;
const COMPUTE_FEATURES = Array.from({ length: 55 }, (_, i) => (i === 40 ? 1 : 0)); // shaderInt64

/** @throws WorkError ENGINE_UNAVAILABLE: "library", "device", "feature" or "memory". */
export async function openVulkan(options: VulkanOptions = {}): Promise<GpuDevice> {
  const vulkan = options.vulkan ?? (await loadVulkan());
  const instance = openInstance(vulkan);
  try {
    const physical = findDevice(vulkan, instance, options.device);
    const isUnified = physical.kind === "integrated" || physical.kind === "software";
    return new VulkanDevice(vulkan, instance, physical, isUnified && !options.isStaged);
  } catch (error) {
    vulkan.destroyInstance(instance);
    throw error;
  }
}

class VulkanDevice implements GpuDevice {
  readonly name: string;
  readonly kind: Physical["kind"];
  readonly driver: string;
  readonly limits: Physical["limits"];
  readonly heaps: Physical["heaps"];
  readonly #vulkan: Vulkan;
  readonly #instance: Instance;
  readonly #physical: Physical;
  readonly #device: Device;
  readonly #queue: Handle<"queue">;
  readonly #isUnified: boolean;
  readonly #memories = new Map<GpuBuffer, Memory>();
  readonly #pipelines = new Map<GpuKernel, Pipeline & { free(): void }>();
  #allocatedBytes = 0;
  /** Fulfilled when all that was submitted has ended, well or not. */
  #idle: Promise<void> = Promise.resolve();
  /** Fulfilled when the staging buffer is free. */
  #staged: Promise<void> = Promise.resolve();
  #staging: GpuBuffer | undefined;
  /** Whether something may still run that nobody waits for: then nothing is freed any more. */
  #isStuck = false;
  /** Why nothing works any more. */
  #failure: WorkError | undefined;
  #closing: Promise<void> | undefined;

  constructor(vulkan: Vulkan, instance: Instance, physical: Physical, isUnified: boolean) {
    this.name = physical.name;
    this.kind = physical.kind;
    this.driver = physical.driver;
    this.limits = physical.limits;
    this.heaps = physical.heaps;
    this.#vulkan = vulkan;
    this.#instance = instance;
    this.#physical = physical;
    this.#isUnified = isUnified;
    const queueFamilyIndex = physical.queueFamily as number;
    this.#device = vulkan.createDevice(physical.handle, {
      queueInfos: [{ queueFamilyIndex, priorities: [1] }],
      features: COMPUTE_FEATURES,
    });
    this.#queue = vulkan.queue(this.#device, queueFamilyIndex);
  }

  get allocatedBytes(): number {
    return this.#allocatedBytes;
  }

  createBuffer(bytes: number): GpuBuffer {
    return this.#createBuffer(bytes, this.#isUnified ? "unified" : "local");
  }

  createKernel(code: KernelCode): GpuKernel {
    this.#expectUsable();
    const refusal = refusalOf(code, this.limits);
    if (refusal !== undefined) throw gpuError("feature", `${this.name}: kernel ${refusal}`);
    const pipeline = this.#tried(() => makePipeline(this.#vulkan, this.#device, code));
    const kernel: GpuKernel = {
      code,
      free: () => {
        if (this.#pipelines.delete(kernel) && !this.#isStuck) pipeline.free();
      },
    };
    this.#pipelines.set(kernel, pipeline);
    return kernel;
  }

  async upload(bytes: Uint8Array, to: GpuSlice): Promise<void> {
    const { memory, offset } = this.#part({ ...to, bytes: bytes.length });
    if (memory.view === undefined) {
      return this.#throughStaging(bytes, async (staging, chunk, start) => {
        this.#viewOf(staging.buffer).set(chunk);
        const target = { buffer: to.buffer, offset: offset + start, bytes: chunk.length };
        await this.submit((commands) => commands.copy(staging, target));
      });
    }
    await this.#idle;
    this.#expectUsable();
    this.#viewOf(to.buffer).set(bytes, offset);
  }

  async download(from: GpuSlice, bytes: Uint8Array): Promise<void> {
    const { memory, offset } = this.#part({ ...from, bytes: bytes.length });
    if (memory.view === undefined) {
      return this.#throughStaging(bytes, async (staging, chunk, start) => {
        const source = { buffer: from.buffer, offset: offset + start, bytes: chunk.length };
        await this.submit((commands) => commands.copy(source, staging));
        chunk.set(this.#viewOf(staging.buffer).subarray(0, chunk.length));
      });
    }
    await this.#idle;
    this.#expectUsable();
    bytes.set(this.#viewOf(from.buffer).subarray(offset, offset + bytes.length));
  }

  async submit(
    record: (commands: GpuCommands) => void,
    watchdogMs = watchdogOf(this.kind),
  ): Promise<void> {
    this.#expectUsable();
    const recording = new Recording(this.limits, {
      range: (slice) => this.#part(slice),
      pipeline: (kernel) => {
        const pipeline = this.#pipelines.get(kernel);
        if (pipeline === undefined) throw new RangeError(`${kernel.code.name}: not of this device`);
        return pipeline;
      },
    });
    record(recording);
    const submission = this.#tried(() =>
      submitRecording(this.#vulkan, this.#device, this.#queue, this.#family, recording),
    );
    const ended = this.#idle.then(() => this.#finish(submission, watchdogMs));
    // Whoever awaits `ended` hears of a failure; who comes later hears of it by #expectUsable.
    this.#idle = ended.catch(() => {});
    return ended;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  get #family(): number {
    return this.#physical.queueFamily as number;
  }

  #createBuffer(bytes: number, purpose: Purpose): GpuBuffer {
    this.#expectUsable();
    const { bufferBytes, bufferCount } = this.limits;
    if (!(Number.isInteger(bytes) && bytes > 0 && bytes % 4 === 0)) {
      throw new RangeError(`buffer: got ${bytes} bytes, expected a positive multiple of 4`);
    }
    if (bytes > bufferBytes || this.#memories.size >= bufferCount) {
      throw gpuError(
        "memory",
        `${this.name}: got a buffer of ${bytes} bytes beside ${this.#memories.size} others, expected at most ${bufferBytes} bytes and ${bufferCount} buffers; load fewer or smaller keys`,
      );
    }
    const types = this.#physical.memoryTypes;
    const memory = this.#tried(() => allocate(this.#vulkan, this.#device, types, bytes, purpose));
    this.#allocatedBytes += bytes;
    const buffer: GpuBuffer = {
      bytes,
      free: () => {
        if (!this.#memories.delete(buffer)) return;
        this.#allocatedBytes -= bytes;
        // A device that hangs may still use it, and its driver might never return.
        if (!this.#isStuck) memory.free();
      },
    };
    this.#memories.set(buffer, memory);
    return buffer;
  }

  /** Calls `move` for each chunk with the staging buffer's part for it, and wipes that afterwards. */
  #throughStaging(
    bytes: Uint8Array,
    move: (staging: GpuSlice, chunk: Uint8Array, start: number) => Promise<void>,
  ): Promise<void> {
    const moved = this.#staged.then(async () => {
      if (bytes.length === 0) return;
      this.#expectUsable();
      this.#staging ??= this.#createBuffer(STAGING_BYTES, "staging");
      const buffer = this.#staging;
      try {
        for (let start = 0; start < bytes.length; start += STAGING_BYTES) {
          const chunk = bytes.subarray(start, start + STAGING_BYTES);
          await move({ buffer, bytes: chunk.length }, chunk, start);
        }
      } finally {
        // What comes and goes may be a witness. After a hang the device may still write here.
        this.#memories.get(buffer)?.view?.fill(0, 0, Math.min(bytes.length, STAGING_BYTES));
      }
    });
    this.#staged = moved.catch(() => {});
    return moved;
  }

  /** @throws RangeError unless the slice lies within a buffer of this device. */
  #part({
    buffer,
    offset = 0,
    bytes = buffer.bytes - offset,
  }: GpuSlice): Range & { memory: Memory } {
    const memory = this.#memories.get(buffer);
    if (memory === undefined) throw new RangeError("got a buffer that was freed, or of elsewhere");
    if (!(offset >= 0 && bytes >= 0 && offset + bytes <= buffer.bytes)) {
      throw new RangeError(
        `got ${bytes} bytes from ${offset}, expected a part of ${buffer.bytes} bytes`,
      );
    }
    return { buffer: memory.buffer, offset, bytes, memory };
  }

  /** @throws RangeError if the buffer was freed while something was awaited. */
  #viewOf(buffer: GpuBuffer): Uint8Array {
    const view = this.#memories.get(buffer)?.view;
    if (view === undefined) throw new RangeError("got a buffer that was freed meanwhile");
    return view;
  }

  /** Waits even after a failure: only what has ended may be freed. */
  async #finish({ fence, free }: Submission, watchdogMs: number): Promise<void> {
    try {
      if (!this.#isStuck && !(await this.#vulkan.waitForFence(this.#device, fence, watchdogMs))) {
        this.#isStuck = true;
        this.#failure ??= gpuError(
          "hang",
          `${this.name}: got no end of a submission within ${watchdogMs} ms; start the process again, on another device if this one does it again`,
          { watchdogMs },
        );
      }
    } catch (caught) {
      const error = WorkError.from(caught);
      const isLost = error.detail.gpu === "lost";
      // A lost device is at nothing any more; after any other failure it may still be.
      if (!isLost) this.#isStuck = true;
      this.#failure ??= isLost ? error : this.#withoutWord(error);
    }
    if (!this.#isStuck) free();
    this.#expectWhole();
  }

  /** Not the error's own kind: after a shortage of memory one would go on. */
  #withoutWord(error: WorkError): WorkError {
    return gpuError(
      "driver",
      `${this.name}: got no word of a submission's end (${error.message}); start the process again`,
      {},
      { cause: error },
    );
  }

  #expectWhole(): void {
    if (this.#failure === undefined) return;
    // A new error, because each has its own stack; the first one is the cause.
    const { code, message, detail } = this.#failure;
    throw new WorkError(code, message, detail, { cause: this.#failure });
  }

  #expectUsable(): void {
    this.#expectWhole();
    if (this.#closing !== undefined) {
      throw gpuError(
        "closed",
        `${this.name}: got a call after close, expected none; open it again`,
      );
    }
  }

  #tried<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      throw this.#noted(error);
    }
  }

  /** Remembers an error after which nothing works. */
  #noted(error: unknown): unknown {
    if (error instanceof WorkError && error.detail.gpu === "lost") this.#failure ??= error;
    return error;
  }

  async #close(): Promise<void> {
    await Promise.all([this.#staged, this.#idle]);
    // A device that hangs may still use everything, and its driver would wait for ever.
    if (this.#isStuck) return;
    for (const kernel of [...this.#pipelines.keys()]) kernel.free();
    for (const buffer of [...this.#memories.keys()]) buffer.free();
    this.#vulkan.destroyDevice(this.#device);
    this.#vulkan.destroyInstance(this.#instance);
  }
}
