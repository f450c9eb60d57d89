import { readFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { costSnapshot } from "../../../../bench/gpu-sum-costs.ts";
import {
  denseMultiplications,
  type Level,
  mostMultiplications,
  multiplicationsWith,
  type Work,
} from "../../../../worker/engines/gpu/msm-cost.ts";
import { planMsm } from "../../../../worker/engines/gpu/msm-plan.ts";
import { SCALAR_FIELD } from "../../../../worker/field.ts";
import { randomsBelow } from "../../kernels/spirv/random.ts";

const root = join(import.meta.dirname, "../../../..");
const LIMITS = { bindingBytes: 2 ** 30, workgroupCount: [65_535, 65_535, 65_535] as const };

/** A bucket's part in a list; without a sum it is infinity. */
interface Place {
  readonly bucket: number | undefined;
  readonly hasSum: boolean;
}

/** The additions that accumulate.ts makes, one by one: of points, and of sums. */
function additionsOf(work: Work, counts: readonly number[]): { points: number; sums: number } {
  const additions = { points: 0, sums: 0 };
  let list: Place[] = counts.flatMap((count, bucket) =>
    Array.from({ length: count }, () => ({ bucket, hasSum: true })),
  );
  const nobody = { bucket: undefined, hasSum: false };
  work.levels.forEach(({ chunk, chunks }, level) => {
    const next: Place[] = [];
    let length = level === 0 ? work.shortest : chunk;
    while (length < chunk && length * work.wanted < list.length) length *= 2;
    expect(list.length).toBeLessThanOrEqual(length * chunks);
    for (let begin = 0; begin < length * chunks; begin += length) {
      const slots: [Place, Place] = [nobody, nobody];
      const places = list.slice(begin, begin + length);
      for (const bucket of new Set(places.map((place) => place.bucket))) {
        if (bucket === undefined) continue;
        const own = places.filter((place) => place.bucket === bucket && place.hasSum).length;
        additions[level === 0 ? "points" : "sums"] += Math.max(0, own - 1);
        const wasOpen = list[begin - 1]?.bucket === bucket;
        const isOpen = list[begin + length]?.bucket === bucket;
        if (wasOpen) slots[0] = { bucket, hasSum: true };
        if (isOpen) slots[1] = { bucket, hasSum: !wasOpen };
      }
      next.push(...slots);
    }
    list = next;
  });
  return additions;
}

/** The additions of reduce.ts where every bucket has a sum. */
function reductionOf({ windows, reductions }: Work): number {
  let additions = 0;
  for (const { rows, lengthLog2, segmentsLog2, from } of reductions) {
    const each = 2 ** (lengthLog2 - segmentsLog2);
    for (let line = 0; line < rows * windows * 2 ** segmentsLog2; line++) {
      let [t, u] = [0, 0];
      for (let i = each - 1; i >= 0; i--) {
        if (t++ > 0) additions++;
        const hasFactor = line < windows * 2 ** segmentsLog2 && i + from > 0;
        if (hasFactor && u++ > 0) additions++;
      }
    }
  }
  return additions;
}

describe("worker / engines / gpu / msm-cost", () => {
  it("counts the additions that the kernels make, for any entries", () => {
    const length = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 90 }));
    fc.assert(
      fc.property(fc.array(length, { maxLength: 30 }), fc.nat(), (counts, wish) => {
        const total = counts.reduce((sum, count) => sum + count, 0);
        const most = planMsm({ group: "g1", count: Math.max(1, total) }, 1, LIMITS);
        const { chunks } = most.levels[0] as Level;
        const plan = { ...most, shortest: 1, wanted: 1 + (wish % chunks) };
        const { points, sums } = additionsOf(plan, counts);
        const cost = multiplicationsWith(plan, counts);
        expect(cost.entries).toBe(10 * points);
        expect(cost.partials).toBe(14 * sums);
        expect(cost.total).toBe(cost.entries + cost.partials + cost.reduction);
      }),
    );
  });

  it("is bounded, and nearly reached where a window's digits are all the same", () => {
    for (const count of [1, 2, 100, 3000]) {
      for (const [group, affine, sum] of [
        ["g1", 10, 14],
        ["g2", 28, 40],
      ] as const) {
        const plan = planMsm({ group, count }, 1, LIMITS);
        const most = mostMultiplications(plan);
        expect(most.reduction).toBe(sum * reductionOf(plan));
        const counts = Array.from({ length: plan.buckets }, (_, b) =>
          b % (plan.buckets / plan.windows) === 0 ? count : 0,
        );
        const { total } = multiplicationsWith(plan, counts);
        expect(total).toBeLessThanOrEqual(most.total);
        // An end of a chunk may lie between two windows.
        expect(total).toBeGreaterThanOrEqual(most.total - plan.windows * (sum - affine));
      }
    }
  });

  it("is for random digits what is expected of them", () => {
    for (const count of [300, 3000, 20_000]) {
      const plan = planMsm({ group: "g1", count }, 1, LIMITS);
      const counts = new Array<number>(plan.buckets).fill(0);
      const half = plan.buckets / plan.windows;
      for (const [i, scalar] of randomsBelow(SCALAR_FIELD, count, `dense ${count}`).entries()) {
        for (let window = 0; window < plan.windows; window++) {
          // Any number as random as a digit; a carry makes no difference.
          const digit = Number((scalar >> BigInt((window * 97 + i) % 230)) % BigInt(2 * half));
          const bucket = half * window + (digit <= half ? digit : 2 * half - digit) - 1;
          if (digit !== 0) counts[bucket] = (counts[bucket] as number) + 1;
        }
      }
      const [got, expected] = [multiplicationsWith(plan, counts), denseMultiplications(plan)];
      for (const part of ["entries", "partials", "total"] as const) {
        expect(Math.abs(got[part] / expected[part] - 1), `${count}, ${part}`).toBeLessThan(0.02);
      }
    }
  });

  it("is that of the snapshot, from 2^14 to 2^20 points", async () => {
    const text = await readFile(join(root, "test/snapshots/gpu-sums.json"), "utf8");
    const recompute = "; if the change is meant: npm run costs -- --proofs";
    expect(JSON.parse(text), recompute).toEqual(costSnapshot());
  });
});
