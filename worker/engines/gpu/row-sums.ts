/** The rows of a key's matrices on a device, and their sums for a batch of witnesses (`row-plan.ts`). */
import { ELEMENT_BYTES } from "../../field.ts";
import type { GpuBuffer, GpuCommands, GpuDevice, GpuSlice } from "../../gpu/device.ts";
import { ELEMENTWISE_GROUP } from "../../kernels/spirv/elementwise.ts";
import { gridOf } from "../../kernels/spirv/grid.ts";
import { ENTRY_WORDS, ROWS_GROUP, TASK_WORDS } from "../../kernels/spirv/rows.ts";
import type { QuotientKernels } from "./quotient-kernels.ts";
import type { Entries, Piece, RowPlan } from "./row-plan.ts";
import type { Matrix } from "./row-stage.ts";
import { alignedUp, itemsPerWindow, type WindowLimits, windowOf, windowsOf } from "./window.ts";

/** What is needed of a plan when its lists are on the device. */
type Plan = Omit<RowPlan, "values" | "entries" | "tasks"> & { readonly valueBytes: number };

interface Buffers {
  /** For matrix A times 2^512; for B, from the next aligned byte on, times 2^256. */
  readonly values: GpuBuffer;
  readonly entries: GpuBuffer;
  readonly tasks: GpuBuffer;
}

/** Where a batch's vectors are, those of its proofs one after the other. */
export interface RowVectors {
  readonly proofs: number;
  /** nVars elements for each proof. */
  readonly witness: GpuSlice;
  /** The domain's elements for each proof, by matrix. */
  readonly rows: readonly [GpuSlice, GpuSlice];
  /** The plan's slots for each proof; left out where there are none. */
  readonly partials?: GpuSlice | undefined;
}

/** Bytes of the buffers, none of them 0. */
export function rowBytes({ values, entries, tasks }: RowPlan, limits: WindowLimits) {
  return {
    values: alignedUp(values.length, limits) + values.length,
    entries: Math.max(4, entries.byteLength),
    tasks: Math.max(4, tasks.byteLength),
  };
}

export class RowSums {
  readonly plan: Plan;
  readonly #limits: WindowLimits;
  readonly #kernels: QuotientKernels;
  readonly #buffers: Buffers;

  private constructor(
    limits: WindowLimits,
    kernels: QuotientKernels,
    plan: Plan,
    buffers: Buffers,
  ) {
    this.plan = plan;
    this.#limits = limits;
    this.#kernels = kernels;
    this.#buffers = buffers;
  }

  /** @throws WorkError ENGINE_UNAVAILABLE; nothing is held then. */
  static async load(device: GpuDevice, kernels: QuotientKernels, plan: RowPlan) {
    const { values, entries, tasks, ...rest } = plan;
    const bytes = rowBytes(plan, device.limits);
    const made: GpuBuffer[] = [];
    const holding = async (bytes: number, content: Uint8Array) => {
      const buffer = device.createBuffer(bytes);
      made.push(buffer);
      await device.upload(content, { buffer });
      return buffer;
    };
    try {
      const buffers: Buffers = {
        values: await holding(bytes.values, values),
        entries: await holding(bytes.entries, bytesOf(entries)),
        tasks: await holding(bytes.tasks, bytesOf(tasks)),
      };
      const valueBytes = values.length;
      const sums = new RowSums(device.limits, kernels, { ...rest, valueBytes }, buffers);
      await device.submit((commands) => sums.#deriveValues(commands));
      return sums;
    } catch (error) {
      for (const buffer of made) buffer.free();
      throw error;
    }
  }

  /** Nothing that was submitted may still use it. Idempotent. */
  free(): void {
    for (const buffer of Object.values(this.#buffers)) buffer.free();
  }

  /** The values of A's rows in Montgomery form, those of B's not. Ends with a barrier. */
  record(commands: GpuCommands, vectors: RowVectors): void {
    // Rows without an entry, which no task stores.
    for (const slice of vectors.rows) commands.clear(slice);
    commands.barrier();
    for (const stage of this.plan.stages) {
      for (const piece of stage) this.#sum(commands, piece, vectors);
      commands.barrier();
    }
  }

  /** B's values from A's. */
  #deriveValues(commands: GpuCommands): void {
    const [ofA, ofB] = ([0, 1] as const).map((matrix) =>
      windowsOf(
        this.#valuesOf(matrix),
        this.plan.valueBytes / ELEMENT_BYTES,
        ELEMENT_BYTES,
        this.#limits,
      ),
    ) as [ReturnType<typeof windowsOf>, ReturnType<typeof windowsOf>];
    ofA.forEach(({ slice, count }, i) => {
      const target = (ofB[i] as { slice: GpuSlice }).slice;
      const grid = gridOf(Math.ceil(count / ELEMENTWISE_GROUP));
      commands.dispatch(this.#kernels.fromMontgomery, [slice, slice, target], [count], grid);
    });
  }

  #sum(commands: GpuCommands, piece: Piece, vectors: RowVectors): void {
    const { domain, nVars, slots, sliceElements } = this.plan;
    const { matrix, tasks, source, target } = piece;
    const { proofs, witness, rows } = vectors;
    const partials = vectors.partials as GpuSlice;
    // Where one proof's vector does not fit, the piece has a slice of it, and proofs come one by one.
    const strides = [nVars, domain, ...(slots > 0 ? [slots] : [])];
    const fitting = strides.map((n) => itemsPerWindow(n * ELEMENT_BYTES, this.#limits));
    const together = Math.max(1, Math.min(proofs, ...fitting));
    const taskWindow = this.#words("tasks", TASK_WORDS * piece.firstTask, TASK_WORDS * tasks);
    for (let first = 0; first < proofs; first += together) {
      const count = Math.min(together, proofs - first);
      /** The part of each of the proofs' vectors that begins with an element. */
      const window = (slice: GpuSlice, stride: number, from: number, most = sliceElements) => {
        const offset = ELEMENT_BYTES * (first * stride + from);
        const length = (count - 1) * stride + Math.min(stride - from, most);
        const { slice: bound, skip } = windowOf(
          slice,
          offset,
          ELEMENT_BYTES * length,
          this.#limits,
        );
        return { slice: bound, push: [stride, skip / ELEMENT_BYTES] };
      };
      const to =
        target === "rows"
          ? window(rows[matrix], domain, 0, domain)
          : window(partials, slots, target.firstSlot);
      const from =
        "entries" in source
          ? window(witness, nVars, source.firstWire)
          : window(partials, slots, source.firstSlot);
      const push = [tasks, taskWindow.skip / 4, ...to.push, ...from.push];
      const grid = gridOf(Math.ceil(tasks / ROWS_GROUP), count);
      if ("entries" in source) {
        const { values, entries, push: more } = this.#entries(matrix, source);
        const slices = [from.slice, values, entries, taskWindow.slice, to.slice];
        commands.dispatch(this.#kernels.rowSums, slices, [...push, ...more], grid);
      } else {
        const slices = [from.slice, taskWindow.slice, to.slice];
        commands.dispatch(this.#kernels.partialSums, slices, push, grid);
      }
    }
  }

  /** What the first stage binds beside the vectors: a slice of the values, and entries. */
  #entries(matrix: Matrix, { firstValue, firstEntry, entries }: Entries) {
    const { valueBytes, sliceElements } = this.plan;
    const first = firstValue * ELEMENT_BYTES;
    const length = Math.min(valueBytes - first, sliceElements * ELEMENT_BYTES);
    const values = windowOf(this.#valuesOf(matrix), first, length, this.#limits);
    const list = this.#words("entries", ENTRY_WORDS * firstEntry, ENTRY_WORDS * entries);
    // The number of the first word that is bound; -1 is 2^32 - 1.
    const entryBase = (ENTRY_WORDS * firstEntry - list.skip / 4) >>> 0;
    return {
      values: values.slice,
      entries: list.slice,
      push: [entryBase, values.skip / ELEMENT_BYTES],
    };
  }

  #words(name: "tasks" | "entries", first: number, count: number) {
    return windowOf({ buffer: this.#buffers[name] }, 4 * first, 4 * count, this.#limits);
  }

  #valuesOf(matrix: Matrix): GpuSlice {
    const offset = matrix === 0 ? 0 : alignedUp(this.plan.valueBytes, this.#limits);
    return { buffer: this.#buffers.values, offset };
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
