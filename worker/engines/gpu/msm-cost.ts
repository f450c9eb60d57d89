/** What a sum of scalar * point costs: multiplications in the base field, counted, not measured. */
import type { GroupName } from "../../kernels/spirv/group.ts";

/** The additions of a plan. */
export interface Work {
  readonly group: GroupName;
  readonly windows: number;
  readonly entries: number;
  readonly levels: readonly Level[];
  readonly reductions: readonly Reduction[];
}

/** `chunks` invocations with `chunk` places each; twice as many slots come out. */
export interface Level {
  readonly chunk: number;
  readonly chunks: number;
}

/** See reduce.ts. */
export interface Reduction {
  readonly rows: number;
  readonly lengthLog2: number;
  readonly segmentsLog2: number;
  /** The first factor of row 0. */
  readonly from: 0 | 1;
}

/**
 * Multiplications of one proof where every digit is other than 0, every bucket has an entry and every
 * chunk leaves two partial sums: no scalars cost more.
 */
export interface MsmCost {
  readonly entries: number;
  readonly partials: number;
  readonly reduction: number;
  readonly total: number;
}

/**
 * In the base field for each addition: 8M + 2S of an affine point, 12M + 2S of another sum; in Fq2 a
 * product takes three and a square two.
 */
const ADDITION: Record<GroupName, { readonly affine: number; readonly sum: number }> = {
  g1: { affine: 10, sum: 14 },
  g2: { affine: 8 * 3 + 2 * 2, sum: 12 * 3 + 2 * 2 },
};

/** Conversions of scalars are left out: two for each point, if they are in Montgomery form. */
export function multiplicationsOf(plan: Work): MsmCost {
  const { affine, sum } = ADDITION[plan.group];
  const entries = affine * plan.entries;
  // Each slot but the last level's is added once.
  const slots = plan.levels.slice(0, -1).reduce((all, { chunks }) => all + 2 * chunks, 0);
  const partials = sum * slots;
  const additions = plan.reductions.reduce((all, reduction) => {
    const { rows, lengthLog2, segmentsLog2, from } = reduction;
    const [length, segments] = [2 ** lengthLog2, 2 ** segmentsLog2];
    // What comes to a sum first is taken, not added. U gets one less than T where factors begin at 0.
    const plain = length - segments;
    const withFactors = Math.max(0, from === 1 ? length - segments : length - 2 * segments);
    return all + plan.windows * (rows * plain + withFactors);
  }, 0);
  const reduction = sum * additions;
  return { entries, partials, reduction, total: entries + partials + reduction };
}
