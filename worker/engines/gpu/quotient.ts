/**
 * The quotient's values at the odd coset of the domain, for a batch of proofs of one key at a time on
 * a device (`engine.ts` has the formula).
 *
 *     rows        a = A w, b = B w          tasks over the sparse rows, partial sums stage by stage
 *     product     c = a b
 *     to coset    a, b, c                   transforms in frequency, factors g^i / n, in time
 *     quotient    a b - c
 *
 * a is in Montgomery form, b is not, as B's values are without a factor R that A's have. So products
 * a b are canonical numbers, too, and nothing has to be brought out of Montgomery form in the end.
 *
 * Vectors of the batch's proofs follow one another. What is longer than a binding is bound in windows,
 * which are dispatches of their own.
 */
import { ELEMENT_BYTES } from "../../field.ts";
import type { GpuBuffer, GpuCommands, GpuDevice, GpuSlice } from "../../gpu/device.ts";
import { ELEMENTWISE_GROUP } from "../../kernels/spirv/elementwise.ts";
import { gridOf } from "../../kernels/spirv/grid.ts";
import { ENTRY_WORDS, ROWS_GROUP, TASK_WORDS } from "../../kernels/spirv/rows.ts";
import { gridOfPass, type Pass, passesOf } from "../../kernels/spirv/transform.ts";
import type { QuotientKernels } from "./quotient-kernels.ts";
import type { Entries, Piece, RowPlan } from "./row-plan.ts";
import { fillTables, type TransformTables, tableBytes } from "./transform-tables.ts";
import { alignedUp, itemsPerWindow, type WindowLimits, windowOf, windowsOf } from "./window.ts";

/** Where a batch's vectors are; each begins at a multiple of `bindingAlignment`. */
export interface QuotientRun {
  readonly proofs: number;
  /** proofs x nVars x 32 B, canonical. */
  readonly witness: GpuSlice;
  /**
   * As `quotientScratchBytes` has it, in any buffers. Holds what derives from the witness afterwards:
   * whoever ends the run clears it.
   */
  readonly scratch: readonly GpuSlice[];
  /** proofs x domain x 32 B: the quotient's values, canonical. To be cleared as well. */
  readonly output: GpuSlice;
}

type Plan = Pick<RowPlan, "domain" | "nVars" | "slots" | "stages" | "sliceElements">;

/** Device memory of a run beside the witness and the output: bytes of each of its vectors. */
export function quotientScratchBytes(
  { domain, slots }: Pick<RowPlan, "domain" | "slots">,
  proofs: number,
): number[] {
  const vector = proofs * domain * ELEMENT_BYTES;
  // b, c, and the partial sums.
  return [vector, vector, ...(slots > 0 ? [proofs * slots * ELEMENT_BYTES] : [])];
}

/** Bytes of the key's buffers, none of them 0. */
function bufferBytes({ domain, values, entries, tasks }: RowPlan, limits: WindowLimits) {
  return {
    ...tableBytes(domain),
    values: alignedUp(values.length, limits) + values.length,
    entries: Math.max(4, entries.byteLength),
    tasks: Math.max(4, tasks.byteLength),
  };
}

/** Device memory that a key takes for its quotient. */
export function quotientKeyBytes(plan: RowPlan, limits: WindowLimits): number {
  return Object.values(bufferBytes(plan, limits)).reduce((sum, bytes) => sum + bytes, 0);
}

interface Buffers extends TransformTables {
  /** For matrix A times 2^512; for B, from the next aligned byte on, times 2^256. */
  readonly values: GpuBuffer;
  readonly entries: GpuBuffer;
  readonly tasks: GpuBuffer;
}

/** @throws WorkError ENGINE_UNAVAILABLE; nothing is held then. */
export async function loadQuotientKey(
  device: GpuDevice,
  kernels: QuotientKernels,
  plan: RowPlan,
): Promise<QuotientKey> {
  const made: [string, GpuBuffer][] = [];
  const { domain, nVars, slots, stages, sliceElements } = plan;
  try {
    for (const [name, bytes] of Object.entries(bufferBytes(plan, device.limits))) {
      made.push([name, device.createBuffer(bytes)]);
    }
    const buffers = Object.fromEntries(made) as unknown as Buffers;
    await fillTables(device, kernels, domain, buffers);
    await device.upload(bytesOf(plan.entries), { buffer: buffers.entries });
    await device.upload(bytesOf(plan.tasks), { buffer: buffers.tasks });
    await device.upload(plan.values, { buffer: buffers.values });
    const valueBytes = plan.values.length;
    await device.submit((commands) => {
      const { limits } = device;
      const windows = (offset: number) =>
        windowsOf({ buffer: buffers.values, offset }, valueBytes / 32, 32, limits);
      const targets = windows(alignedUp(valueBytes, limits));
      windows(0).forEach(({ slice, count }, i) => {
        const target = (targets[i] as { slice: GpuSlice }).slice;
        const grid = gridOf(Math.ceil(count / ELEMENTWISE_GROUP));
        commands.dispatch(kernels.fromMontgomery, [slice, slice, target], [count], grid);
      });
    });
    const small = { domain, nVars, slots, stages, sliceElements };
    return new QuotientKey(device, kernels, small, buffers, valueBytes);
  } catch (error) {
    for (const [, buffer] of made) buffer.free();
    throw error;
  }
}

/** A key's part for the quotient, on the device. */
export class QuotientKey {
  readonly plan: Plan;
  readonly #limits: WindowLimits;
  readonly #kernels: QuotientKernels;
  readonly #buffers: Buffers;
  readonly #valueBytes: number;

  constructor(
    { limits }: GpuDevice,
    kernels: QuotientKernels,
    plan: Plan,
    buffers: Buffers,
    valueBytes: number,
  ) {
    this.plan = plan;
    this.#limits = limits;
    this.#kernels = kernels;
    this.#buffers = buffers;
    this.#valueBytes = valueBytes;
  }

  /** As `quotientScratchBytes`. */
  scratchBytes(proofs: number): number[] {
    return quotientScratchBytes(this.plan, proofs);
  }

  /** Nothing that was submitted may still use the key. Idempotent. */
  free(): void {
    for (const buffer of Object.values(this.#buffers)) buffer.free();
  }

  /** Writes down all work of a run; what comes after needs a barrier before it. */
  record(commands: GpuCommands, run: QuotientRun): void {
    const { domain, stages } = this.plan;
    const vectorBytes = run.proofs * domain * ELEMENT_BYTES;
    const [a, b, c] = [run.output, ...run.scratch].map((slice) => ({
      ...slice,
      bytes: vectorBytes,
    })) as [GpuSlice, GpuSlice, GpuSlice];
    // Rows without an entry, which no task stores.
    commands.clear(a);
    commands.clear(b);
    commands.barrier();
    for (const stage of stages) {
      for (const piece of stage) this.#sum(commands, piece, run, [a, b]);
      commands.barrier();
    }
    this.#elementwise(commands, "multiply", [a, b, c], run.proofs);
    commands.barrier();
    this.#toCoset(commands, [a, b, c], run.proofs);
    this.#elementwise(commands, "multiplySubtract", [b, c, a], run.proofs);
  }

  #sum(
    commands: GpuCommands,
    piece: Piece,
    { proofs, witness, scratch }: QuotientRun,
    rows: readonly GpuSlice[],
  ): void {
    const partials = scratch[2] as GpuSlice;
    const { domain, nVars, slots, sliceElements } = this.plan;
    const { matrix, tasks, source, target } = piece;
    const isFirst = "entries" in source;
    // Where one proof's vector does not fit, the piece has a slice of it, and proofs come one by one.
    const strides = [nVars, domain, ...(slots > 0 ? [slots] : [])];
    const fitting = strides.map((n) => itemsPerWindow(n * ELEMENT_BYTES, this.#limits));
    const together = Math.max(1, Math.min(proofs, ...fitting));
    const taskWindow = windowOf(
      { buffer: this.#buffers.tasks },
      4 * TASK_WORDS * piece.firstTask,
      4 * TASK_WORDS * tasks,
      this.#limits,
    );
    const entries = isFirst ? this.#entries(matrix, source) : undefined;
    for (let first = 0; first < proofs; first += together) {
      const count = Math.min(together, proofs - first);
      const vectors = (slice: GpuSlice, stride: number, from: number, length: number) =>
        windowOf(
          slice,
          ELEMENT_BYTES * (first * stride + from),
          ELEMENT_BYTES * ((count - 1) * stride + length),
          this.#limits,
        );
      const sliced = (slice: GpuSlice, stride: number, from: number) =>
        vectors(slice, stride, from, Math.min(stride - from, sliceElements));
      const [from, fromStride] = isFirst
        ? [sliced(witness, nVars, source.firstWire), nVars]
        : [sliced(partials, slots, source.firstSlot), slots];
      const [to, toStride] =
        target === "rows"
          ? [vectors(rows[matrix] as GpuSlice, domain, 0, domain), domain]
          : [sliced(partials, slots, target.firstSlot), slots];
      const push = [
        tasks,
        taskWindow.skip / 4,
        toStride,
        to.skip / ELEMENT_BYTES,
        fromStride,
        from.skip / ELEMENT_BYTES,
      ];
      const grid = gridOf(Math.ceil(tasks / ROWS_GROUP), count);
      if (entries === undefined) {
        const slices = [from.slice, taskWindow.slice, to.slice];
        commands.dispatch(this.#kernels.partialSums, slices, push, grid);
      } else {
        const slices = [from.slice, entries.values, entries.entries, taskWindow.slice, to.slice];
        commands.dispatch(this.#kernels.rowSums, slices, [...push, ...entries.push], grid);
      }
    }
  }

  /** What the first stage binds beside the vectors: a slice of the values, and entries. */
  #entries(matrix: 0 | 1, { firstValue, firstEntry, entries }: Entries) {
    const { buffer, offset } = this.#valuesOf(matrix);
    const first = firstValue * ELEMENT_BYTES;
    const length = Math.min(this.#valueBytes - first, this.plan.sliceElements * ELEMENT_BYTES);
    const values = windowOf({ buffer, offset }, first, length, this.#limits);
    const list = windowOf(
      { buffer: this.#buffers.entries },
      4 * ENTRY_WORDS * firstEntry,
      4 * ENTRY_WORDS * entries,
      this.#limits,
    );
    return {
      values: values.slice,
      entries: list.slice,
      push: [(ENTRY_WORDS * firstEntry - list.skip / 4) >>> 0, values.skip / ELEMENT_BYTES],
    };
  }

  #valuesOf(matrix: 0 | 1): { buffer: GpuBuffer; offset: number } {
    const offset = matrix === 0 ? 0 : alignedUp(this.#valueBytes, this.#limits);
    return { buffer: this.#buffers.values, offset };
  }

  #elementwise(
    commands: GpuCommands,
    name: "multiply" | "multiplySubtract",
    vectors: readonly GpuSlice[],
    proofs: number,
  ): void {
    const count = proofs * this.plan.domain;
    const windows = vectors.map((slice) => windowsOf(slice, count, ELEMENT_BYTES, this.#limits));
    windows[0]?.forEach((window, i) => {
      const slices = windows.map((of) => (of[i] as typeof window).slice);
      const grid = gridOf(Math.ceil(window.count / ELEMENTWISE_GROUP));
      commands.dispatch(this.#kernels[name], slices, [window.count], grid);
    });
  }

  /** From values at the domain to values at the odd coset, in place. */
  #toCoset(commands: GpuCommands, vectors: readonly GpuSlice[], proofs: number): void {
    const { domain } = this.plan;
    const k = Math.log2(domain);
    const twiddles = { buffer: this.#buffers.twiddles };
    const factors = { buffer: this.#buffers.factors };
    const pass = (name: "inFrequency" | "turn" | "inTime", pass: Pass) => {
      const push = [k, pass.rows, pass.columns, pass.low];
      for (const vector of vectors) {
        const windows = windowsOf(vector, proofs, domain * ELEMENT_BYTES, this.#limits);
        for (const { slice, count } of windows) {
          const slices = name === "turn" ? [slice, twiddles, factors] : [slice, twiddles];
          commands.dispatch(this.#kernels[name], slices, push, gridOfPass(k, pass, count));
        }
      }
      commands.barrier();
    };
    const inverse = passesOf("inFrequency", k);
    const [turn] = inverse.splice(-1);
    for (const each of inverse) pass("inFrequency", each);
    pass("turn", turn as Pass);
    for (const each of passesOf("inTime", k).slice(1)) pass("inTime", each);
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
