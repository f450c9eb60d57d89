/**
 * How a sum of scalar * point is cut up for a device: windows, chunks, levels, and the memory for them.
 * Sizes only, so that memory is known before any is taken. What the kernels do with them is in
 * `worker/kernels/spirv`: digits.ts, scan.ts, accumulate.ts, reduce.ts, in this order.
 */
import { ELEMENT_BYTES } from "../../field.ts";
import type { GpuLimits } from "../../gpu/device.ts";
import { ACCUMULATE_GROUP } from "../../kernels/spirv/accumulate.ts";
import { DIGITS_GROUP, ENTRY_WORDS } from "../../kernels/spirv/digits.ts";
import type { GroupName } from "../../kernels/spirv/group.ts";
import { REDUCE_GROUP, SEGMENT_BITS } from "../../kernels/spirv/reduce.ts";
import { SCAN_BLOCK } from "../../kernels/spirv/scan.ts";
import { type Level, mostMultiplications, type Reduction } from "./msm-cost.ts";

/** What the sum is over: points other than infinity, each with a scalar below 2^254. */
export interface MsmShape {
  readonly group: GroupName;
  /** At least 1. */
  readonly count: number;
}

export interface MsmPlan extends MsmShape {
  /** c, of a window. */
  readonly bits: number;
  /** W, so that c W >= 255: the top window has room for a carry. */
  readonly windows: number;
  /** Of all windows, 2^(c-1) each. */
  readonly buckets: number;
  /** Digits, of which those that are not 0 become entries. */
  readonly entries: number;
  /** Blocks of the prefix sums over the buckets' counts. */
  readonly blocks: number;
  /** First over the entries, then over the slots of the level before; the last has one chunk. */
  readonly levels: readonly Level[];
  /** How the first level's chunks get shorter where there are fewer entries: see accumulate.ts. */
  readonly shortest: number;
  readonly wanted: number;
  /** In each the rows get one more and shorter; in the last, one point is left of each. */
  readonly reductions: readonly Reduction[];
  /** For one proof; the next one's part follows. */
  readonly bytes: PlanBytes;
}

/** Multiples of ALIGNMENT. */
export interface PlanBytes {
  readonly counts: number;
  readonly blockSums: number;
  readonly entries: number;
  readonly buckets: number;
  /** For each level, as many of both. */
  readonly slotBuckets: readonly number[];
  readonly slotValues: readonly number[];
  /** What each reduction writes; the last are the results. */
  readonly rows: readonly number[];
}

/** The limits that a plan keeps to. */
export type PlanLimits = Pick<GpuLimits, "bindingBytes" | "workgroupCount">;

/** Vulkan's own bound on `limits.bindingAlignment`: a proof's part may begin a binding. */
export const ALIGNMENT = 256;
/** Below this, a window is only its carry; above, its buckets alone fill a device. */
const WINDOW_BITS = { least: 2, most: 20 } as const;
/** Of a scalar: 254 and the top window's carry. */
const SCALAR_BITS = 255;
/**
 * Entries that an invocation adds up: as many as leave twice INVOCATIONS something to do. Each chunk costs
 * four multiplications more than one addition (5 % for 8 entries, less than 1 % for 64) and has room
 * for two sums. Powers of two. Untuned.
 */
const ENTRIES_EACH = { least: 8, most: 64 } as const;
/** What fills a device of the H200's class: 132 multiprocessors, 16 groups of 32 each. Untuned. */
const INVOCATIONS = 132 * 16 * 32;
/**
 * Places of a later level for an invocation: a list shrinks to a quarter. What a sum that runs through
 * all levels waits for is this times their number: the same for 4 and 8, and more for 16. At least 4,
 * or two chunks would leave two again. Untuned.
 */
const SLOTS_EACH = 8;
/** More points than any key has sections' points: r - 1 has only 28 factors of two, and a bit is a sign. */
const MOST_POINTS = 2 ** 28;

export function affineBytes(group: GroupName): number {
  return 2 * ELEMENT_BYTES * (group === "g1" ? 1 : 2);
}

export function xyzzBytes(group: GroupName): number {
  return 2 * affineBytes(group);
}

/**
 * The plan with the fewest multiplications that the limits allow.
 *
 * @param proofs  How many are made at once; with more, chunks may be longer.
 * @throws RangeError  for more points than `mostPoints`, or none.
 */
export function planMsm(shape: MsmShape, proofs: number, limits: PlanLimits): MsmPlan {
  const plan = tryPlan(shape, proofs, limits);
  if (plan === undefined) {
    throw new RangeError(
      `got ${shape.count} points in ${shape.group}, expected 1 to ${mostPoints(shape.group, limits)}; take them in parts`,
    );
  }
  return plan;
}

/** How many points one plan may have. */
export function mostPoints(group: GroupName, limits: PlanLimits): number {
  let [possible, impossible] = [0, MOST_POINTS + 1];
  while (impossible - possible > 1) {
    const count = Math.floor((possible + impossible) / 2);
    if (tryPlan({ group, count }, 1, limits) === undefined) impossible = count;
    else possible = count;
  }
  return possible;
}

/** Bytes of all that `plans` need on the device for so many proofs, the points aside. */
export function scratchBytes(plans: readonly MsmPlan[], proofs: number): number {
  return proofs * plans.reduce((sum, { bytes }) => sum + partsOf(bytes).reduce(plus, 0), 0);
}

/** Bytes of the plan's results for one proof: what the tail reads. */
export function resultBytes({ bytes }: MsmPlan): number {
  return bytes.rows.at(-1) as number;
}

/** How many proofs a dispatch may take, for all that the plan needs aside from points and scalars. */
export function proofsPerBinding({ bytes }: MsmPlan, { bindingBytes, workgroupCount }: PlanLimits) {
  const largest = Math.max(...partsOf(bytes));
  return Math.min(Math.floor(bindingBytes / largest), workgroupCount[1]);
}

function tryPlan(shape: MsmShape, proofs: number, limits: PlanLimits): MsmPlan | undefined {
  if (!(shape.count >= 1 && shape.count <= MOST_POINTS)) return undefined;
  let best: MsmPlan | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (let bits = WINDOW_BITS.least; bits <= WINDOW_BITS.most; bits++) {
    const plan = planFor(bits, shape, proofs, limits);
    if (plan === undefined) continue;
    const { total } = mostMultiplications(plan);
    if (total < least) [best, least] = [plan, total];
  }
  return best;
}

/** With the shortest chunks that are long enough. */
function planFor(
  bits: number,
  shape: MsmShape,
  proofs: number,
  limits: PlanLimits,
): MsmPlan | undefined {
  for (let chunk: number = ENTRIES_EACH.least; chunk <= ENTRIES_EACH.most; chunk *= 2) {
    const plan = planWith(bits, chunk, shape, proofs);
    const isLast = chunk === ENTRIES_EACH.most;
    const isShort = chunk * wantedFor(proofs) < plan.entries;
    if ((isLast || !isShort) && fits(plan, limits)) return plan;
  }
  return undefined;
}

function planWith(
  bits: number,
  chunk: number,
  { group, count }: MsmShape,
  proofs: number,
): MsmPlan {
  const windows = Math.ceil(SCALAR_BITS / bits);
  const buckets = windows * 2 ** (bits - 1);
  const entries = count * windows;
  const point = xyzzBytes(group);
  const levels = levelsOf(entries, chunk);
  const wanted = Math.min(wantedFor(proofs), Math.ceil(entries / chunk));
  const reductions = reductionsOf(bits - 1);
  const blocks = Math.ceil(buckets / SCAN_BLOCK);
  const slots = levels.map(({ chunks }) => aligned(4 * 2 * chunks) / 4);
  return {
    ...{ group, count, bits, windows, buckets, entries, blocks, levels, wanted, reductions },
    shortest: ENTRIES_EACH.least,
    bytes: {
      counts: aligned(4 * buckets),
      blockSums: aligned(4 * blocks),
      entries: aligned(4 * ENTRY_WORDS * entries),
      buckets: aligned(point * buckets),
      slotBuckets: slots.map((count) => 4 * count),
      slotValues: slots.map((count) => point * count),
      rows: reductions.map(({ rows, segmentsLog2 }) =>
        aligned(point * (rows + 1) * windows * 2 ** segmentsLog2),
      ),
    },
  };
}

/** Chunks of one proof that together fill a device twice. */
function wantedFor(proofs: number): number {
  return Math.ceil((2 * INVOCATIONS) / proofs);
}

function levelsOf(entries: number, chunk: number): Level[] {
  const levels: Level[] = [{ chunk, chunks: Math.ceil(entries / chunk) }];
  for (let chunks = Math.ceil(entries / chunk); chunks > 1; ) {
    chunks = Math.ceil((2 * chunks) / SLOTS_EACH);
    levels.push({ chunk: SLOTS_EACH, chunks });
  }
  return levels;
}

/** From rows of 2^lengthLog2 points to rows of one. */
function reductionsOf(lengthLog2: number): Reduction[] {
  const reductions: Reduction[] = [];
  let left = lengthLog2;
  for (let rows = 1; left > 0; rows++) {
    const segmentsLog2 = Math.max(0, left - SEGMENT_BITS);
    reductions.push({ rows, lengthLog2: left, segmentsLog2, from: rows === 1 ? 1 : 0 });
    left = segmentsLog2;
  }
  return reductions;
}

function fits(plan: MsmPlan, { bindingBytes, workgroupCount }: PlanLimits): boolean {
  const { group, count, blocks, levels, reductions, windows } = plan;
  const groups = [
    count / DIGITS_GROUP,
    blocks,
    ...levels.map(({ chunks }) => chunks / ACCUMULATE_GROUP),
    ...reductions.map(
      ({ rows, segmentsLog2 }) => (rows * windows * 2 ** segmentsLog2) / REDUCE_GROUP,
    ),
  ];
  const bindings = [count * affineBytes(group), ...partsOf(plan.bytes)];
  return (
    Math.ceil(Math.max(...groups)) <= workgroupCount[0] && Math.max(...bindings) <= bindingBytes
  );
}

function partsOf(bytes: PlanBytes): number[] {
  const { counts, blockSums, entries, buckets, slotBuckets, slotValues, rows } = bytes;
  return [counts, blockSums, entries, buckets, ...slotBuckets, ...slotValues, ...rows];
}

const aligned = (bytes: number) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
const plus = (a: number, b: number) => a + b;
