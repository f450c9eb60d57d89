/** Buffers with memory of their own, mapped where the program shall reach them. */
import { gpuError } from "./failure.ts";
import type { Handle } from "./layouts.ts";
import type { Device, Vulkan } from "./libvulkan.ts";

export interface MemoryType {
  /** VkMemoryPropertyFlags. */
  readonly flags: number;
  readonly heap: number;
}

const LOCAL = 1;
const VISIBLE = 2;
const COHERENT = 4;
const CACHED = 8;
/** What the program reads and writes without telling the driver. */
const MAPPABLE = VISIBLE | COHERENT;
/** Transfer source, transfer target, storage buffer. */
const USAGE = 1 | 2 | 0x20;

/**
 * What a buffer is for: "local" data in the device's own memory, "unified" data in memory that device
 * and program share, or a "staging" buffer through which local data comes and goes.
 */
export type Purpose = "local" | "unified" | "staging";

/** Flags that must be there and flags that must not, the best first. */
const WANTED: Record<Purpose, readonly (readonly [with_: number, without: number])[]> = {
  // Memory of the device that the program can reach as well is scarce on some: left to others.
  local: [
    [LOCAL, VISIBLE],
    [LOCAL, 0],
    [0, 0],
  ],
  unified: [
    [LOCAL | MAPPABLE | CACHED, 0],
    [LOCAL | MAPPABLE, 0],
    [MAPPABLE, 0],
  ],
  staging: [
    [MAPPABLE | CACHED, LOCAL],
    [MAPPABLE | CACHED, 0],
    [MAPPABLE, LOCAL],
    [MAPPABLE, 0],
  ],
};

/**
 * The index of the type to allocate from.
 *
 * @param allowed  a bit for each type that will do.
 * @throws WorkError ENGINE_UNAVAILABLE, "driver": the standard promises a mappable type.
 */
export function chooseMemoryType(
  types: readonly MemoryType[],
  allowed: number,
  purpose: Purpose,
): number {
  for (const [required, refused] of WANTED[purpose]) {
    const index = types.findIndex(
      ({ flags }, i) =>
        (allowed >>> i) & 1 && (flags & required) === required && (flags & refused) === 0,
    );
    if (index >= 0) return index;
  }
  throw gpuError(
    "driver",
    `got no memory type for ${purpose} buffers, expected one; update the driver`,
  );
}

export interface Memory {
  readonly buffer: Handle<"buffer">;
  readonly bytes: number;
  /** Undefined for "local", and after `free`: whoever kept it would read what is not there any more. */
  readonly view: Uint8Array | undefined;
  free(): void;
}

/** @throws WorkError ENGINE_UNAVAILABLE, "memory"; nothing is held then. */
export function allocate(
  vulkan: Vulkan,
  device: Device,
  types: readonly MemoryType[],
  bytes: number,
  purpose: Purpose,
): Memory {
  const undo: (() => void)[] = [];
  const free = () => {
    for (const step of undo.splice(0).reverse()) step();
  };
  try {
    const buffer = vulkan.create("buffer", device, { size: bytes, usage: USAGE });
    undo.push(() => vulkan.destroy("buffer", device, buffer));
    const needed = vulkan.memoryRequirements(device, buffer);
    const memoryTypeIndex = chooseMemoryType(types, needed.types, purpose);
    const memory = vulkan.allocateMemory(device, { allocationSize: needed.bytes, memoryTypeIndex });
    undo.push(() => vulkan.freeMemory(device, memory));
    vulkan.bindBufferMemory(device, buffer, memory);
    let view: Uint8Array | undefined;
    if (purpose !== "local") {
      view = new Uint8Array(vulkan.mapMemory(device, memory, bytes));
      undo.push(() => {
        view = undefined;
      });
    }
    return {
      buffer,
      bytes,
      get view() {
        return view;
      },
      free,
    };
  } catch (error) {
    free();
    throw error;
  }
}
