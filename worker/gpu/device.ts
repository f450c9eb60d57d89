/**
 * A device that runs kernels over buffers of its own memory: what an engine needs of a GPU, and
 * nothing that only one programming interface has. `vulkan.ts` implements it.
 *
 * Failures are WorkError ENGINE_UNAVAILABLE with `detail.gpu` one of `GpuFailure` (`failure.ts`).
 * After "lost" and "hang" every further call fails in the same way; only `close` still makes sense.
 */

export type GpuKind = "discrete" | "integrated" | "virtual" | "software";

/**
 * How long a submission may take before it is a "hang", where nobody says otherwise. Mesa's software driver
 * compiles a kernel when it first runs: all kernels of a proof take it 15 s of one core's time, and on a busy
 * machine several times as long.
 */
export const watchdogOf = (kind: GpuKind): number => (kind === "software" ? 300_000 : 30_000);

/** Bounds that a caller has to keep to. */
export interface GpuLimits {
  /** Bytes that one binding may span; a buffer may be larger and be bound in slices. */
  readonly bindingBytes: number;
  /** What the offset of a slice must be a multiple of: a power of two, in bytes. */
  readonly bindingAlignment: number;
  /** Bytes of one buffer. */
  readonly bufferBytes: number;
  /** Buffers that may exist at a time. */
  readonly bufferCount: number;
  /** Buffers that one kernel may use. */
  readonly bindings: number;
  readonly pushBytes: number;
  /** Memory that a workgroup's invocations share. */
  readonly sharedBytes: number;
  /** Invocations in a workgroup, in all and in each direction. */
  readonly workgroupInvocations: number;
  readonly workgroupSize: Size3;
  /** Workgroups in a dispatch, in each direction. */
  readonly workgroupCount: Size3;
}

export type Size3 = readonly [x: number, y: number, z: number];

export interface GpuHeap {
  readonly bytes: number;
  /** On the device, rather than the machine's memory that the device can reach. */
  readonly isLocal: boolean;
}

/** Memory of the device. What a new one holds is anything. */
export interface GpuBuffer {
  readonly bytes: number;
  /** Idempotent. Nothing that was submitted may still use it. */
  free(): void;
}

/** A part of a buffer: all from `offset` when `bytes` is left out. */
export interface GpuSlice {
  readonly buffer: GpuBuffer;
  /** Bytes; 0 when left out. For a binding a multiple of `limits.bindingAlignment`. */
  readonly offset?: number;
  readonly bytes?: number;
}

/** A program for a device, as `worker/kernels/spirv` writes it. */
export interface KernelCode {
  readonly name: string;
  /** A SPIR-V 1.3 module with one entry point "main"; needs 64-bit integers. */
  readonly words: Uint32Array;
  /** Buffers, bound at 0, 1, ... */
  readonly bindings: number;
  /** 32-bit words of push constants. */
  readonly pushWords: number;
  readonly workgroupSize: Size3;
  readonly sharedBytes: number;
}

export interface GpuKernel {
  readonly code: KernelCode;
  /** Idempotent. Nothing that was submitted may still use it. */
  free(): void;
}

/** Writes down what one submission does. Commands between two barriers may run at the same time. */
export interface GpuCommands {
  /**
   * @param buffers  as many as the kernel has bindings.
   * @param push  as many 32-bit words as the kernel has.
   * @param groups  workgroups in each direction, at least 1 and within the limits.
   * @throws RangeError  where that is not so.
   */
  dispatch(
    kernel: GpuKernel,
    buffers: readonly GpuSlice[],
    push: readonly number[],
    groups: Size3,
  ): void;
  /** Everything before it is done, and its writes are seen, before anything after it begins. */
  barrier(): void;
  /** Slices of the same size, not overlapping. Offsets and sizes are multiples of 4. */
  copy(from: GpuSlice, to: GpuSlice): void;
  /** Zeros. Offset and size are multiples of 4. */
  clear(slice: GpuSlice): void;
}

export interface GpuDevice {
  readonly name: string;
  readonly kind: GpuKind;
  /** The driver's version as the driver counts; for people. */
  readonly driver: string;
  readonly limits: GpuLimits;
  readonly heaps: readonly GpuHeap[];
  /** Bytes that the buffers of this device hold now. */
  readonly allocatedBytes: number;
  /** @param bytes  a positive multiple of 4, within `limits.bufferBytes`. */
  createBuffer(bytes: number): GpuBuffer;
  /** Compiles a kernel: milliseconds to seconds, on the calling thread. */
  createKernel(code: KernelCode): GpuKernel;
  /**
   * Copies to the device. `bytes` may be changed once the promise is fulfilled. The length and the
   * offset are multiples of 4.
   */
  upload(bytes: Uint8Array, to: GpuSlice): Promise<void>;
  /** Copies from the device, after what was submitted before. As many bytes as `bytes` is long. */
  download(from: GpuSlice, bytes: Uint8Array): Promise<void>;
  /**
   * Runs what `record` writes down, after what was submitted before, and sees its writes. Several
   * submissions may be under way. The event loop is free meanwhile.
   *
   * @param watchdogMs  How long it may take from when it is the next to end, before it is a "hang";
   *   `watchdogOf` when left out.
   */
  submit(record: (commands: GpuCommands) => void, watchdogMs?: number): Promise<void>;
  /** Waits for what was submitted and frees everything. Idempotent. */
  close(): Promise<void>;
}
