/** The commands of one submission: checked and listed first, then written into a command buffer. */
import type { GpuCommands, GpuKernel, GpuLimits, GpuSlice, Size3 } from "./device.ts";
import type { Handle } from "./layouts.ts";
import type { Device, Vulkan } from "./libvulkan.ts";

/** A slice with everything filled in. */
export interface Range {
  readonly buffer: Handle<"buffer">;
  readonly offset: number;
  readonly bytes: number;
}

/** What a kernel is on the device. */
export interface Pipeline {
  readonly pipeline: Handle<"pipeline">;
  readonly layout: Handle<"pipelineLayout">;
  readonly setLayout: Handle<"setLayout">;
}

/** How a device finds its own objects; both throw RangeError for what is not (any more) its own. */
export interface Lookup {
  range(slice: GpuSlice): Range;
  pipeline(kernel: GpuKernel): Pipeline;
}

interface Dispatch {
  readonly pipeline: Pipeline;
  readonly ranges: readonly Range[];
  readonly push: Uint32Array;
  readonly groups: Size3;
}

type Command =
  | ({ readonly kind: "dispatch" } & Dispatch)
  | { readonly kind: "barrier" }
  | { readonly kind: "copy"; readonly from: Range; readonly to: Range }
  | { readonly kind: "clear"; readonly range: Range };

const STORAGE_BUFFER = 7;
const COMPUTE_STAGE = 0x20;
/** VkPipelineStageFlags: compute and transfer; and the host, which reads what is mapped. */
const WORK = 0x800 | 0x1000;
const HOST = 0x4000;
/** VkAccessFlags: shader read and write, transfer read and write, host read and write. */
const WORK_ACCESS = 0x20 | 0x40 | 0x800 | 0x1000;
const WORK_WRITES = 0x40 | 0x1000;
const HOST_ACCESS = 0x2000 | 0x4000;
const HOST_WRITES = 0x4000;

export class Recording implements GpuCommands {
  readonly #limits: GpuLimits;
  readonly #lookup: Lookup;
  readonly #commands: Command[] = [];

  constructor(limits: GpuLimits, lookup: Lookup) {
    this.#limits = limits;
    this.#lookup = lookup;
  }

  dispatch(
    kernel: GpuKernel,
    buffers: readonly GpuSlice[],
    push: readonly number[],
    groups: Size3,
  ): void {
    const { name, bindings, pushWords } = kernel.code;
    const { bindingBytes, bindingAlignment, workgroupCount } = this.#limits;
    const ranges = buffers.map((slice) => this.#lookup.range(slice));
    expectCount(`${name}: buffers`, ranges.length, bindings);
    expectCount(`${name}: push constants`, push.length, pushWords);
    for (const { offset, bytes } of ranges) {
      if (bytes > bindingBytes || offset % bindingAlignment !== 0) {
        throw new RangeError(
          `${name}: got ${bytes} bytes from ${offset}, expected at most ${bindingBytes} from a multiple of ${bindingAlignment}; bind a slice`,
        );
      }
    }
    groups.forEach((count, i) => {
      if (!(Number.isInteger(count) && count >= 1 && count <= (workgroupCount[i] as number))) {
        throw new RangeError(`${name}: got ${groups} workgroups, expected 1 to ${workgroupCount}`);
      }
    });
    this.#commands.push({
      kind: "dispatch",
      pipeline: this.#lookup.pipeline(kernel),
      ranges,
      push: Uint32Array.from(push),
      groups,
    });
  }

  barrier(): void {
    this.#commands.push({ kind: "barrier" });
  }

  copy(from: GpuSlice, to: GpuSlice): void {
    const [source, target] = [this.#words(from), this.#words(to)];
    expectCount("copy: bytes", target.bytes, source.bytes);
    this.#commands.push({ kind: "copy", from: source, to: target });
  }

  clear(slice: GpuSlice): void {
    this.#commands.push({ kind: "clear", range: this.#words(slice) });
  }

  /** Writes everything down. Descriptor sets come from what `makePool` makes, if one is needed. */
  write(
    vulkan: Vulkan,
    device: Device,
    commands: Handle<"commandBuffer">,
    makePool: (sets: number, buffers: number) => Handle<"descriptorPool">,
  ): void {
    const dispatches = this.#commands.filter((command) => command.kind === "dispatch");
    const sets = describeSets(vulkan, device, dispatches, makePool);
    vulkan.begin(commands, { flags: 1 });
    // What the program wrote into mapped memory, and what earlier submissions wrote.
    vulkan.pipelineBarrier(commands, [WORK | HOST, WORK], {
      sourceAccess: WORK_WRITES | HOST_WRITES,
      targetAccess: WORK_ACCESS,
    });
    for (const command of this.#commands) {
      if (command.kind === "dispatch") {
        const { pipeline, push, groups } = command;
        vulkan.bindPipeline(commands, pipeline.pipeline);
        const set = sets.shift();
        if (set !== undefined) vulkan.bindDescriptorSet(commands, pipeline.layout, set);
        if (push.length > 0) vulkan.pushConstants(commands, pipeline.layout, COMPUTE_STAGE, push);
        vulkan.dispatch(commands, ...groups);
      } else if (command.kind === "barrier") {
        vulkan.pipelineBarrier(commands, [WORK, WORK], {
          sourceAccess: WORK_WRITES,
          targetAccess: WORK_ACCESS,
        });
      } else if (command.kind === "copy") {
        const { from, to } = command;
        vulkan.copyBuffer(commands, from.buffer, to.buffer, {
          sourceOffset: from.offset,
          targetOffset: to.offset,
          size: from.bytes,
        });
      } else {
        const { buffer, offset, bytes } = command.range;
        vulkan.fillBuffer(commands, buffer, offset, bytes, 0);
      }
    }
    vulkan.pipelineBarrier(commands, [WORK, HOST], {
      sourceAccess: WORK_WRITES,
      targetAccess: HOST_ACCESS,
    });
    vulkan.end(commands);
  }

  #words(slice: GpuSlice): Range {
    const range = this.#lookup.range(slice);
    if (range.offset % 4 !== 0 || range.bytes % 4 !== 0) {
      throw new RangeError(
        `got ${range.bytes} bytes from ${range.offset}, expected multiples of 4; pad the data`,
      );
    }
    return range;
  }
}

/** One descriptor set for each dispatch, in order. Every kernel has at least one binding. */
function describeSets(
  vulkan: Vulkan,
  device: Device,
  dispatches: readonly Dispatch[],
  makePool: (sets: number, buffers: number) => Handle<"descriptorPool">,
): Handle<"descriptorSet">[] {
  if (dispatches.length === 0) return [];
  const buffers = dispatches.reduce((sum, { ranges }) => sum + ranges.length, 0);
  const pool = makePool(dispatches.length, buffers);
  const setLayouts = dispatches.map(({ pipeline }) => pipeline.setLayout);
  const sets = vulkan.allocateDescriptorSets(device, { pool, setLayouts });
  dispatches.forEach(({ ranges }, i) => {
    vulkan.updateDescriptorSet(device, {
      set: sets[i] as bigint,
      binding: 0,
      descriptorType: STORAGE_BUFFER,
      // One list that runs on over the bindings, which are all alike.
      buffers: ranges.map(({ buffer, offset, bytes }) => ({ buffer, offset, range: bytes })),
    });
  });
  return sets;
}

function expectCount(what: string, got: number, expected: number): void {
  if (got !== expected) throw new RangeError(`${what}: got ${got}, expected ${expected}`);
}
