/**
 * Sums of scalar * point over several sections of a key, for several proofs at once, in one
 * submission: Pippenger's method with signed digits, its buckets found by sorting. All sections go
 * through a stage before any goes through the next one, so that a device has as much to do at a time as
 * there is; a chunk of a section is a sum of its own, and the proofs of one chunk are the y of its
 * dispatches.
 *
 *     counts, buckets = 0
 *     countDigits                     how many entries each bucket has
 *     scanSums, scanBlocks, scanWords where they begin
 *     scatterDigits                   the entries, sorted by bucket
 *     accumulateEntries, accumulatePartials (level by level)    each bucket's sum
 *     reduceBuckets (level by level)  a few points for each window: the results
 *
 * The rest is `msm-tail.ts`, on the processor. A stage reads only what earlier stages wrote, with a
 * barrier between; within a stage, each dispatch has memory of its own. What is read was written in
 * the same submission, with one exception: values of slots, and entries behind the last one, which no
 * kernel looks at (see accumulate.ts). What an earlier batch left in the memory does not matter.
 */
import { ELEMENT_BYTES } from "../../field.ts";
import type { GpuCommands, GpuDevice, GpuKernel, GpuLimits, GpuSlice } from "../../gpu/device.ts";
import { ACCUMULATE_GROUP } from "../../kernels/spirv/accumulate.ts";
import { DIGITS_GROUP, ENTRY_WORDS } from "../../kernels/spirv/digits.ts";
import { REDUCE_GROUP } from "../../kernels/spirv/reduce.ts";
import type { Level, Reduction } from "./msm-cost.ts";
import { type Job, jobsOf, partOf, type Range, type Take } from "./msm-jobs.ts";
import type { MsmKernels } from "./msm-kernels.ts";
import { proofsPerBinding, xyzzBytes } from "./msm-plan.ts";
import type { SectionResults } from "./msm-tail.ts";
import type { Section, SectionChunk } from "./section.ts";

/** The scalars of one section. */
export interface SectionScalars {
  /** 32 B each, little-endian, below r. Its offset is a multiple of 32. */
  readonly slice: GpuSlice;
  /** Bytes from one proof's to the next one's: a multiple of 32. */
  readonly strideBytes: number;
  /** Where the section's scalar number 0 is; 0 when left out. */
  readonly first?: number;
  readonly isMontgomery: boolean;
}

export class SectionSums {
  readonly proofs: number;
  /** Where the tail finds each section's results in what `download` gives. */
  readonly layout: readonly SectionResults[];
  readonly #kernels: MsmKernels;
  readonly #limits: GpuLimits;
  readonly #jobs: readonly Job[];
  readonly #results: GpuSlice | undefined;
  /** All that depends on scalars. */
  readonly #regions: readonly GpuSlice[];

  /**
   * @param proofs  How many one submission makes at most.
   * @param take  Called for what `scratchBytes` counts, in all.
   */
  constructor(
    kernels: MsmKernels,
    limits: GpuLimits,
    sections: readonly Section[],
    proofs: number,
    take: Take,
  ) {
    this.proofs = proofs;
    this.#kernels = kernels;
    this.#limits = limits;
    const { jobs, layout, results, regions } = jobsOf(sections, proofs, limits, take);
    this.#jobs = jobs;
    this.layout = layout;
    this.#results = results;
    this.#regions = regions;
  }

  /**
   * Everything up to the results. The scalars must have been written before, with a barrier after.
   *
   * @param scalars  for each section.
   * @throws RangeError  for more proofs than there is memory for, or scalars out of line.
   */
  record(
    commands: GpuCommands,
    scalars: readonly SectionScalars[],
    proofs: number = this.proofs,
  ): void {
    if (!(Number.isInteger(proofs) && proofs >= 1 && proofs <= this.proofs)) {
      throw new RangeError(`got ${proofs} proofs, expected 1 to ${this.proofs}`);
    }
    if (scalars.length !== this.layout.length) {
      throw new RangeError(
        `got scalars of ${scalars.length} sections, expected ${this.layout.length}`,
      );
    }
    const stage = (act: (job: Job, range: Range) => void) => {
      for (const job of this.#jobs) {
        for (const range of this.#rangesOf(job, scalars, proofs)) act(job, range);
      }
      commands.barrier();
    };
    stage(({ plan, counts, buckets }, range) => {
      commands.clear(partOf(counts, plan.bytes.counts, range));
      commands.clear(partOf(buckets, plan.bytes.buckets, range));
    });
    const digits = (name: "countDigits" | "scatterDigits") =>
      stage((job, range) => this.#digits(commands, name, job, scalars, range));
    digits("countDigits");
    for (const name of ["scanSums", "scanBlocks", "scanWords"] as const) {
      stage((job, range) => this.#scan(commands, name, job, range));
    }
    digits("scatterDigits");
    const levels = Math.max(0, ...this.#jobs.map(({ plan }) => plan.levels.length));
    for (let level = 0; level < levels; level++) {
      stage((job, range) => {
        if (level < job.plan.levels.length) this.#accumulate(commands, job, level, range);
      });
    }
    const reductions = Math.max(0, ...this.#jobs.map(({ plan }) => plan.reductions.length));
    for (let level = 0; level < reductions; level++) {
      stage((job, range) => {
        if (level < job.plan.reductions.length) this.#reduce(commands, job, level, range);
      });
    }
  }

  /** The results of all proofs, for `layout`. The caller wipes them. */
  async download(device: GpuDevice): Promise<Uint8Array> {
    const bytes = new Uint8Array(this.#results?.bytes ?? 0);
    if (this.#results !== undefined) await device.download(this.#results, bytes);
    return bytes;
  }

  /** Zeros over all that depends on scalars. */
  clear(commands: GpuCommands): void {
    for (const slice of this.#regions) commands.clear(slice);
  }

  #digits(
    commands: GpuCommands,
    name: "countDigits" | "scatterDigits",
    { chunk, plan, section, counts, entries }: Job,
    scalars: readonly SectionScalars[],
    range: Range,
  ): void {
    const { bytes, bits, windows, count } = plan;
    const ours = scalars[section] as SectionScalars;
    const { binding, first } = this.#scalarsOf(chunk, ours, range);
    const push = [
      ...[count, first, ours.strideBytes / ELEMENT_BYTES, ours.isMontgomery ? 1 : 0],
      ...[bits, windows, bytes.counts / 4],
    ];
    const buffers = [binding, chunk.map, partOf(counts, bytes.counts, range)];
    if (name === "scatterDigits") {
      push.push(bytes.entries / (4 * ENTRY_WORDS));
      buffers.push(partOf(entries, bytes.entries, range));
    }
    dispatch(commands, this.#kernels.sort(name), buffers, push, count / DIGITS_GROUP, range);
  }

  #scan(
    commands: GpuCommands,
    name: "scanSums" | "scanBlocks" | "scanWords",
    { plan, counts, blockSums }: Job,
    range: Range,
  ): void {
    const { bytes, blocks, buckets } = plan;
    const kernel = this.#kernels.sort(name);
    const sums = partOf(blockSums, bytes.blockSums, range);
    if (name === "scanBlocks") {
      dispatch(commands, kernel, [sums], [blocks, bytes.blockSums / 4], 1, range);
      return;
    }
    const words = partOf(counts, bytes.counts, range);
    const push = [buckets, bytes.counts / 4, bytes.blockSums / 4];
    dispatch(commands, kernel, [words, sums], push, blocks, range);
  }

  #accumulate(commands: GpuCommands, job: Job, level: number, range: Range): void {
    const { plan, buckets } = job;
    const { bytes, group } = plan;
    const { chunk, chunks } = plan.levels[level] as Level;
    const slotsOf = (i: number) => [
      partOf(job.slotBuckets[i] as GpuSlice, bytes.slotBuckets[i] as number, range),
      partOf(job.slotValues[i] as GpuSlice, bytes.slotValues[i] as number, range),
    ];
    const strideOf = (i: number) => (bytes.slotBuckets[i] as number) / 4;
    const outputs = [partOf(buckets, bytes.buckets, range), ...slotsOf(level)];
    const strides = [bytes.buckets / xyzzBytes(group), strideOf(level)];
    const groups = chunks / ACCUMULATE_GROUP;
    if (level === 0) {
      const inputs = [
        job.chunk.points,
        partOf(job.entries, bytes.entries, range),
        partOf(job.counts, bytes.counts, range),
      ];
      const inputStrides = [bytes.counts / 4, bytes.entries / (4 * ENTRY_WORDS)];
      const { shortest, wanted } = plan;
      const lengths = [chunk, chunks, shortest, wanted];
      const push = [...lengths, plan.buckets, ...inputStrides, ...strides];
      const kernel = this.#kernels.points("accumulateEntries", group);
      dispatch(commands, kernel, [...inputs, ...outputs], push, groups, range);
    } else {
      const places = 2 * (plan.levels[level - 1] as Level).chunks;
      const push = [chunk, chunks, places, strideOf(level - 1), ...strides];
      const kernel = this.#kernels.points("accumulatePartials", group);
      dispatch(commands, kernel, [...slotsOf(level - 1), ...outputs], push, groups, range);
    }
  }

  #reduce(commands: GpuCommands, job: Job, level: number, range: Range): void {
    const { plan, buckets } = job;
    const { bytes, group, windows } = plan;
    const { rows, lengthLog2, segmentsLog2, from } = plan.reductions[level] as Reduction;
    const point = xyzzBytes(group);
    const inBytes = level === 0 ? bytes.buckets : (bytes.rows[level - 1] as number);
    const outBytes = bytes.rows[level] as number;
    const input = level === 0 ? buckets : (job.rows[level - 1] as GpuSlice);
    const push = [
      ...[rows, windows, lengthLog2, segmentsLog2, from],
      ...[inBytes / point, outBytes / point],
    ];
    const buffers = [
      partOf(input, inBytes, range),
      partOf(job.rows[level] as GpuSlice, outBytes, range),
    ];
    const invocations = rows * windows * 2 ** segmentsLog2;
    const kernel = this.#kernels.points("reduceBuckets", group);
    dispatch(commands, kernel, buffers, push, invocations / REDUCE_GROUP, range);
  }

  /** The proofs in as many parts as bindings ask for; in one, as a rule. */
  #rangesOf(
    { chunk, plan, section }: Job,
    scalars: readonly SectionScalars[],
    proofs: number,
  ): Range[] {
    const { strideBytes } = scalars[section] as SectionScalars;
    const { bindingBytes, bindingAlignment } = this.#limits;
    const own = ELEMENT_BYTES * chunk.scalars + bindingAlignment;
    const withScalars = 1 + Math.floor((bindingBytes - own) / strideBytes);
    const most = Math.max(1, Math.min(proofsPerBinding(plan, this.#limits), withScalars));
    return Array.from({ length: Math.ceil(proofs / most) }, (_, i) => ({
      from: i * most,
      count: Math.min(most, proofs - i * most),
    }));
  }

  /** A binding over the chunk's scalars of these proofs, and which of its elements is the first. */
  #scalarsOf(
    chunk: SectionChunk,
    { slice, strideBytes, first = 0 }: SectionScalars,
    { from, count }: Range,
  ): { binding: GpuSlice; first: number } {
    const { buffer, offset = 0 } = slice;
    const start = offset + from * strideBytes + ELEMENT_BYTES * (first + chunk.firstScalar);
    const length = (count - 1) * strideBytes + ELEMENT_BYTES * chunk.scalars;
    const end = offset + (slice.bytes ?? buffer.bytes - offset);
    if (offset % ELEMENT_BYTES !== 0 || strideBytes % ELEMENT_BYTES !== 0 || start + length > end) {
      throw new RangeError(
        `scalars: got ${length} bytes from ${start} in steps of ${strideBytes}, expected multiples of ${ELEMENT_BYTES} up to ${end}`,
      );
    }
    const { bindingAlignment } = this.#limits;
    const base = Math.floor(start / bindingAlignment) * bindingAlignment;
    return {
      binding: { buffer, offset: base, bytes: start + length - base },
      first: (start - base) / ELEMENT_BYTES,
    };
  }
}

/** @param groups  workgroups along x, rounded up. */
function dispatch(
  commands: GpuCommands,
  kernel: GpuKernel,
  buffers: readonly GpuSlice[],
  push: readonly number[],
  groups: number,
  { count }: Range,
): void {
  commands.dispatch(kernel, buffers, push, [Math.ceil(groups), count, 1]);
}
