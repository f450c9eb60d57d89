import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Level, Reduction } from "../../../../worker/engines/gpu/msm-cost.ts";
import {
  ALIGNMENT,
  affineBytes,
  type MsmPlan,
  mostPoints,
  type PlanLimits,
  planMsm,
  proofsPerBinding,
  resultBytes,
  scratchBytes,
  xyzzBytes,
} from "../../../../worker/engines/gpu/msm-plan.ts";
import type { GroupName } from "../../../../worker/kernels/spirv/group.ts";
import { SEGMENT_BITS } from "../../../../worker/kernels/spirv/reduce.ts";

const limitsOf = (bindingBytes: number, groups = 65_535): PlanLimits => ({
  bindingBytes,
  workgroupCount: [groups, 65_535, 65_535],
});
const SOFTWARE = limitsOf(128 << 20);
const LARGE = limitsOf(2 ** 32 - 1, 2 ** 31 - 1);

const group = fc.constantFrom<GroupName>("g1", "g2");
const count = fc.oneof(
  fc.integer({ min: 1, max: 300 }),
  fc.integer({ min: 0, max: 22 }).map((k) => 2 ** k),
  fc.integer({ min: 1, max: 1 << 22 }),
);

function allBytes({ bytes }: MsmPlan): number[] {
  const { counts, blockSums, entries, buckets } = bytes;
  const lists = [bytes.slotBuckets, bytes.slotValues, bytes.rows];
  return [counts, blockSums, entries, buckets, ...lists.flat()];
}

describe("worker / engines / gpu / msm-plan", () => {
  it("has windows for all bits of a scalar and the carry, and room for all that is written", () => {
    fc.assert(
      fc.property(group, count, fc.integer({ min: 1, max: 20 }), (name, points, proofs) => {
        const plan = planMsm({ group: name, count: points }, proofs, LARGE);
        const { bits, windows, buckets, entries, levels, reductions, bytes } = plan;
        expect(bits * windows).toBeGreaterThanOrEqual(255);
        expect(bits * (windows - 1)).toBeLessThan(255);
        expect(buckets).toBe(windows * 2 ** (bits - 1));
        expect(entries).toBe(points * windows);
        expect(bytes.counts).toBeGreaterThanOrEqual(4 * buckets);
        expect(bytes.buckets).toBeGreaterThanOrEqual(xyzzBytes(name) * buckets);
        expect(bytes.entries).toBeGreaterThanOrEqual(8 * entries);
        expect(bytes.blockSums).toBeGreaterThanOrEqual(4 * plan.blocks);
        // Levels: each has chunks for all places, and the last has one.
        let places = entries;
        levels.forEach(({ chunk, chunks }, i) => {
          expect(chunk * chunks).toBeGreaterThanOrEqual(places);
          expect(chunk * (chunks - 1)).toBeLessThan(places);
          places = 2 * chunks;
          expect(bytes.slotBuckets[i]).toBeGreaterThanOrEqual(4 * places);
          // The same stride in places: kernels have one for both.
          expect((bytes.slotValues[i] as number) / xyzzBytes(name)).toBe(
            (bytes.slotBuckets[i] as number) / 4,
          );
        });
        expect((levels.at(-1) as Level).chunks).toBe(1);
        // Chunks of the first level's length, however it is chosen, are enough for their entries.
        const { chunk: longest, chunks } = levels[0] as Level;
        expect(Number.isInteger(Math.log2(longest / plan.shortest))).toBe(true);
        expect(plan.wanted).toBeGreaterThanOrEqual(1);
        expect(plan.wanted).toBeLessThanOrEqual(chunks);
        // Reductions: from a window's buckets to one point for each row.
        let [rows, lengthLog2] = [1, bits - 1];
        reductions.forEach((reduction, i) => {
          const segmentsLog2 = Math.max(0, lengthLog2 - SEGMENT_BITS);
          expect(reduction).toEqual({ rows, lengthLog2, segmentsLog2, from: i === 0 ? 1 : 0 });
          [rows, lengthLog2] = [rows + 1, segmentsLog2];
          const written = xyzzBytes(name) * rows * windows * 2 ** segmentsLog2;
          expect(bytes.rows[i]).toBeGreaterThanOrEqual(written);
        });
        expect((reductions.at(-1) as Reduction).segmentsLog2).toBe(0);
        // The tail's places: rows have less bits than a window, so that no two points meet.
        expect(SEGMENT_BITS * (reductions.length - 1)).toBeLessThan(bits);
        for (const part of allBytes(plan)) expect(part % ALIGNMENT).toBe(0);
      }),
    );
  });

  it("keeps to the limits, as long as there is a plan at all", () => {
    fc.assert(
      fc.property(
        group,
        fc
          .integer({ min: 14, max: 31 })
          .chain((k) => fc.integer({ min: 2 ** k, max: 2 ** (k + 1) - 1 })),
        fc.integer({ min: 4, max: 65_535 }),
        fc.integer({ min: 1, max: 50 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (name, bindingBytes, groups, proofs, part) => {
          const limits = limitsOf(bindingBytes, groups);
          const most = mostPoints(name, limits);
          fc.pre(most > 0);
          const points = Math.max(1, Math.floor(most * part));
          const plan = planMsm({ group: name, count: points }, proofs, limits);
          const largest = Math.max(points * affineBytes(name), ...allBytes(plan));
          expect(largest).toBeLessThanOrEqual(bindingBytes);
          expect(proofsPerBinding(plan, limits)).toBeGreaterThanOrEqual(1);
          expect(() => planMsm({ group: name, count: most }, proofs, limits)).not.toThrow();
          expect(() => planMsm({ group: name, count: most + 1 }, proofs, limits)).toThrow(
            RangeError,
          );
        },
      ),
      { numRuns: 50 },
    );
  });

  it("takes a million points in one part on the software device, and refuses a sum of none", () => {
    for (const name of ["g1", "g2"] as const) {
      expect(mostPoints(name, SOFTWARE)).toBeGreaterThanOrEqual(2 ** 20);
      expect(mostPoints(name, LARGE)).toBeGreaterThanOrEqual(2 ** 24);
      expect(() => planMsm({ group: name, count: 0 }, 1, SOFTWARE)).toThrow(RangeError);
      expect(mostPoints(name, limitsOf(4096))).toBe(0);
    }
  });

  it("counts memory for each proof and each plan", () => {
    const plans = (["g1", "g2"] as const).map((name) =>
      planMsm({ group: name, count: 1000 }, 4, SOFTWARE),
    );
    const one = plans.map((plan) => allBytes(plan).reduce((sum, bytes) => sum + bytes, 0));
    expect(scratchBytes(plans, 4)).toBe(4 * ((one[0] as number) + (one[1] as number)));
    expect(scratchBytes([], 4)).toBe(0);
    for (const plan of plans) {
      const { windows, reductions } = plan;
      const points = windows * (reductions.length + 1);
      expect(resultBytes(plan)).toBeGreaterThanOrEqual(xyzzBytes(plan.group) * points);
      expect(resultBytes(plan)).toBeLessThan(xyzzBytes(plan.group) * points + ALIGNMENT);
    }
  });

  it("takes longer chunks for more entries and more proofs", () => {
    const chunkOf = (points: number, proofs: number) =>
      (planMsm({ group: "g1", count: points }, proofs, LARGE).levels[0] as Level).chunk;
    expect(chunkOf(100, 1)).toBe(8);
    expect(chunkOf(2 ** 16, 1)).toBeGreaterThan(8);
    expect(chunkOf(2 ** 16, 8)).toBeGreaterThan(chunkOf(2 ** 16, 1));
    expect(chunkOf(2 ** 20, 8)).toBe(64);
  });
});
