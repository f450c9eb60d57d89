/**
 * The quotient's values at the odd coset of the domain, for a batch of proofs of one key at a time on
 * a device (`engine.ts` has the formula).
 *
 *     rows        a = A w, b = B w          tasks over the sparse rows, partial sums stage by stage
 *     product     c = a b
 *     to coset    a, b, c                   in place
 *     quotient    a b - c                   in a's place
 *
 * a is in Montgomery form, b is not, as B's values are without a factor R that A's have. So products
 * a b are canonical numbers, too, and nothing has to be brought out of Montgomery form in the end.
 *
 * The two products are dispatches of their own. Made within the first and the last pass of the
 * transforms they would save a sixth of the memory traffic at 2^20, but not of the time as long as
 * arithmetic is the bound, and those passes would have to hold three vectors.
 *
 * Vectors of the batch's proofs follow one another. What is longer than a binding is bound in windows,
 * which are dispatches of their own.
 */
import { ELEMENT_BYTES } from "../../field.ts";
import type { GpuCommands, GpuDevice, GpuSlice } from "../../gpu/device.ts";
import { ELEMENTWISE_GROUP } from "../../kernels/spirv/elementwise.ts";
import { gridOf } from "../../kernels/spirv/grid.ts";
import { CosetTransform, cosetBytes } from "./coset.ts";
import type { QuotientKernels } from "./quotient-kernels.ts";
import type { RowPlan } from "./row-plan.ts";
import { RowSums, rowBytes } from "./row-sums.ts";
import { type WindowLimits, windowsOf } from "./window.ts";

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

/** Device memory of a run beside the witness and the output: bytes of each of its vectors. */
export function quotientScratchBytes(
  { domain, slots }: Pick<RowPlan, "domain" | "slots">,
  proofs: number,
): number[] {
  const vector = proofs * domain * ELEMENT_BYTES;
  // b, c, and the partial sums.
  return [vector, vector, ...(slots > 0 ? [proofs * slots * ELEMENT_BYTES] : [])];
}

/** Device memory that a key takes for its quotient. */
export function quotientKeyBytes(plan: RowPlan, limits: WindowLimits): number {
  const buffers = { ...cosetBytes(plan.domain), ...rowBytes(plan, limits) };
  return Object.values(buffers).reduce((sum, bytes) => sum + bytes, 0);
}

/** Multiplications in Fr of one proof's quotient. */
export function quotientMultiplications({
  domain,
  entryCount,
}: Pick<RowPlan, "domain" | "entryCount">): number {
  // Six transforms without their layers of stride 1, the coset's factors, twice a b.
  return entryCount + domain * (3 * (Math.log2(domain) - 1) + 3 + 2);
}

/** A key's part for the quotient, on the device. */
export class QuotientKey {
  readonly #limits: WindowLimits;
  readonly #kernels: QuotientKernels;
  readonly #rows: RowSums;
  readonly #coset: CosetTransform;

  private constructor(
    limits: WindowLimits,
    kernels: QuotientKernels,
    rows: RowSums,
    coset: CosetTransform,
  ) {
    this.#limits = limits;
    this.#kernels = kernels;
    this.#rows = rows;
    this.#coset = coset;
  }

  /**
   * @param kernels  of the device.
   * @param plan  made for the device's limits.
   * @throws WorkError ENGINE_UNAVAILABLE; nothing is held then.
   */
  static async load(device: GpuDevice, kernels: QuotientKernels, plan: RowPlan) {
    const rows = await RowSums.load(device, kernels, plan);
    try {
      const coset = await CosetTransform.load(device, kernels, plan.domain);
      return new QuotientKey(device.limits, kernels, rows, coset);
    } catch (error) {
      rows.free();
      throw error;
    }
  }

  /** As `quotientScratchBytes`. */
  scratchBytes(proofs: number): number[] {
    return quotientScratchBytes(this.#rows.plan, proofs);
  }

  /** As `quotientMultiplications`. */
  get multiplications(): number {
    return quotientMultiplications(this.#rows.plan);
  }

  /** Nothing that was submitted may still use the key. Idempotent. */
  free(): void {
    this.#rows.free();
    this.#coset.free();
  }

  /**
   * Writes down all work of a run. What comes after needs a barrier before it.
   *
   * @throws RangeError  for a slice that is too short.
   */
  record(commands: GpuCommands, { proofs, witness, scratch, output }: QuotientRun): void {
    const { domain, nVars } = this.#rows.plan;
    const vectorBytes = proofs * domain * ELEMENT_BYTES;
    const a = partOf(output, vectorBytes);
    const [b, c, partials] = this.scratchBytes(proofs).map((bytes, i) =>
      partOf(scratch[i], bytes),
    ) as [GpuSlice, GpuSlice, GpuSlice?];
    this.#rows.record(commands, {
      proofs,
      witness: partOf(witness, proofs * nVars * ELEMENT_BYTES),
      rows: [a, b],
      partials,
    });
    this.#elementwise(commands, "multiply", [a, b, c], proofs * domain);
    commands.barrier();
    this.#coset.record(commands, [a, b, c], proofs);
    this.#elementwise(commands, "multiplySubtract", [b, c, a], proofs * domain);
  }

  #elementwise(
    commands: GpuCommands,
    name: "multiply" | "multiplySubtract",
    vectors: readonly GpuSlice[],
    count: number,
  ): void {
    const windows = vectors.map((slice) => windowsOf(slice, count, ELEMENT_BYTES, this.#limits));
    windows[0]?.forEach((window, i) => {
      const slices = windows.map((of) => (of[i] as typeof window).slice);
      const grid = gridOf(Math.ceil(window.count / ELEMENTWISE_GROUP));
      commands.dispatch(this.#kernels[name], slices, [window.count], grid);
    });
  }
}

/** The first bytes of a slice. */
function partOf(slice: GpuSlice | undefined, bytes: number): GpuSlice {
  const available = slice && (slice.bytes ?? slice.buffer.bytes - (slice.offset ?? 0));
  if (available === undefined || available < bytes) {
    throw new RangeError(`quotient: got a slice of ${available} bytes, expected ${bytes}`);
  }
  return { ...slice, bytes } as GpuSlice;
}
