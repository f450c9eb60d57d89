/**
 * What a sum of scalar * point costs: multiplications in the base field, counted, not measured.
 *
 * What comes to a sum first is taken, not added. A bucket with n entries in p chunks therefore takes
 * n - p additions of a point, and p - 1 of sums, in whatever levels (accumulate.ts): the p sums have
 * places without a gap but for infinity, and each level leaves one sum for each chunk they lie in.
 */
import type { GroupName } from "../../kernels/spirv/group.ts";

/** The additions of a plan. */
export interface Work {
  readonly group: GroupName;
  readonly windows: number;
  readonly entries: number;
  readonly levels: readonly Level[];
  /** The first level's chunks are shorter where there are few entries: see accumulate.ts. */
  readonly shortest: number;
  readonly wanted: number;
  readonly reductions: readonly Reduction[];
}

/** `chunks` invocations with up to `chunk` places each; twice as many slots come out. */
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

/** Multiplications of one proof. Conversions of scalars, two products for each point, are left out. */
export interface MsmCost {
  /** Additions of points to a bucket's sum. */
  readonly entries: number;
  /** Additions of parts of a bucket's sum. */
  readonly partials: number;
  /** What all windows' buckets come to. */
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

/**
 * The cost that no scalars exceed: no digit is 0, each end of a chunk cuts a bucket's entries in two,
 * each window has one bucket with entries, and yet all of them are reduced.
 */
export function mostMultiplications(plan: Work): MsmCost {
  const { group, windows, entries, levels, reductions, shortest, wanted } = plan;
  // With fewer entries and shorter chunks, up to `wanted` chunks have some.
  const fewer = Math.min(wanted, Math.ceil(entries / shortest));
  const cuts = Math.max((levels[0] as Level).chunks, fewer) - 1;
  const { affine, sum } = ADDITION[group];
  return totalled({
    entries: affine * Math.max(0, entries - windows - cuts),
    partials: sum * cuts,
    reduction: sum * windows * reductions.reduce((all, level) => all + additionsOf(level), 0),
  });
}

/**
 * The cost with these entries in each bucket, if no two sums that are added are equal or opposite; and
 * of the reduction the most it may be, which it is where each bucket has an entry.
 */
export function multiplicationsWith(plan: Work, counts: readonly number[]): MsmCost {
  const { affine, sum } = ADDITION[plan.group];
  const chunk = chunkOf(
    plan,
    counts.reduce((all, count) => all + count, 0),
  );
  let [begin, entries, partials] = [0, 0, 0];
  for (const count of counts) {
    if (count === 0) continue;
    const end = begin + count;
    const pieces = Math.floor((end - 1) / chunk) - Math.floor(begin / chunk) + 1;
    entries += affine * (count - pieces);
    partials += sum * (pieces - 1);
    begin = end;
  }
  const { reduction } = mostMultiplications(plan);
  return totalled({ entries, partials, reduction });
}

/**
 * The cost to be expected where digits are random, as those of dense scalars are but for the top
 * window's: one in 2^c is 0, some buckets stay empty, and an end of a chunk cuts a bucket's entries
 * unless it lies between two buckets'.
 */
export function denseMultiplications(
  plan: Work & { readonly bits: number; readonly buckets: number },
): MsmCost {
  const { bits, buckets, group } = plan;
  const { affine, sum } = ADDITION[group];
  const entries = plan.entries * (1 - 2 ** -bits);
  const occupied = buckets * (1 - Math.exp(-entries / buckets));
  const cuts = (Math.ceil(entries / chunkOf(plan, entries)) - 1) * (1 - occupied / entries);
  const { reduction } = mostMultiplications(plan);
  return totalled({
    entries: affine * Math.round(entries - occupied - cuts),
    partials: sum * Math.round(cuts),
    reduction,
  });
}

/** Places of the first level's chunks with so many entries. */
function chunkOf({ levels, shortest, wanted }: Work, entries: number): number {
  const { chunk: most } = levels[0] as Level;
  let chunk = shortest;
  while (chunk < most && chunk * wanted < entries) chunk *= 2;
  return chunk;
}

/** Of one window. Of T and of rows without factors all but the first of each segment, and U's. */
function additionsOf({ rows, lengthLog2, segmentsLog2, from }: Reduction): number {
  const [length, segments] = [2 ** lengthLog2, 2 ** segmentsLog2];
  // With factors from 0 on, U gets one less.
  const withFactors = length - (from === 1 ? segments : 2 * segments);
  return rows * (length - segments) + Math.max(0, withFactors);
}

function totalled(cost: Omit<MsmCost, "total">): MsmCost {
  return { ...cost, total: cost.entries + cost.partials + cost.reduction };
}
