/**
 * Sums with the place as a factor, level by level: what a window's buckets come to.
 *
 *     sum over b = 0 .. B - 1 of (b + 1) S_b
 *
 * A level takes segments of L = 2^SEGMENT_BITS neighbours each, s = 0, 1, ..., and gives for each
 *
 *     T_s = sum of S_(s L + i)              U_s = sum of (i + 1) S_(s L + i),    i = 0 .. L - 1
 *
 * so that the sum wanted is (sum of U_s) + L (sum of s T_s). The next level does the same to T, with
 * the factor i instead of i + 1, and adds up U. A level has therefore one row of points with factors,
 * the first, and as many rows without as there were levels before; in the end, where each row has one
 * point, the sum is U_1 + L U_2 + L^2 U_3 + ..., and T has the factor 0 and is not needed.
 *
 * Running sums from the last to the first, T += S_i and U += T, as in A. C. Yao, "On the evaluation of
 * powers", SIAM Journal on Computing 5 (1976). A turn of the loop is one of the two additions, so that
 * the code of an addition is there once. No races: what a level reads it does not write.
 */
import type { KernelCode } from "../../gpu/device.ts";
import { curveOf, type GroupName } from "./group.ts";
import { KernelWriter } from "./module.ts";

/** Invocations in a workgroup. Untuned. */
export const REDUCE_GROUP = 64;
/**
 * log2 of the points that one invocation adds up. A longer segment costs fewer additions (2.2 for each
 * bucket instead of 2.5 with 4 bits instead of 3), which one invocation does one after the other.
 * Untuned.
 */
export const SEGMENT_BITS = 3;

/**
 * One level. Workgroups: rows x windows x segments invocations along x, proofs along y.
 *
 * Buffers: points in XYZZ coordinates, rows x windows x length; the same for the output with one row
 * more and `segments` instead of `length`: the sums T in row 0, those of row r in row r, and U last.
 *
 * Push constants: rows, windows; log2 of `length` and of `segments`, which is SEGMENT_BITS less, or 0;
 * `from`, row 0's first factor, 1 or 0; inStride and outStride, points from one proof to the next.
 */
export function reduceBuckets(group: GroupName): KernelCode {
  const k = new KernelWriter(`reduce buckets in ${group}`, {
    workgroupSize: [REDUCE_GROUP, 1, 1],
    push: ["rows", "windows", "lengthLog2", "segmentsLog2", "from", "inStride", "outStride"],
  });
  const curve = curveOf(k, group);
  const [points, out] = [k.buffer("u32x4", "read"), k.buffer("u32x4")];
  return k.main((f) => {
    const [zero, one] = [f.u32(0), f.u32(1)];
    const [i, proof] = [f.globalId(0), f.globalId(1)];
    const [lengthLog2, segmentsLog2] = [f.push("lengthLog2"), f.push("segmentsLog2")];
    const rowSegments = f.shl(f.push("windows"), segmentsLog2);
    const count = f.mul(f.push("rows"), rowSegments);
    f.if(f.lt(i, count), () => {
      // i = (row x windows + window) x segments + segment: the points of i follow those of i - 1.
      const segmentLog2 = f.sub(lengthLog2, segmentsLog2);
      const first = f.add(f.mul(proof, f.push("inStride")), f.shl(i, segmentLog2));
      const last = f.sub(f.add(first, f.shl(one, segmentLog2)), one);
      const hasFactors = f.lt(i, rowSegments);
      // The sum that a turn adds to, and the other one: with factors, T and U take turns.
      const [active, resting, other] = [curve.sum(f), curve.sum(f), curve.sum(f)];
      const turnsLog2 = f.add(segmentLog2, f.select(hasFactors, one, zero));
      f.for(
        zero,
        f.shl(one, turnsLog2),
        one,
        (turn) => {
          const place = f.sub(last, f.select(hasFactors, f.shr(turn, 1), turn));
          f.if(
            f.both(hasFactors, f.ne(f.and(turn, one), zero)),
            () => {
              curve.set(f, other, curve.get(f, resting));
              // A factor 0 instead of 1: T is not added once more.
              f.if(f.both(f.eq(place, first), f.eq(f.push("from"), zero)), () => {
                curve.clear(f, other);
              });
            },
            () => curve.set(f, other, curve.load(f, points, place)),
          );
          curve.add(f, active, curve.get(f, other));
          f.if(hasFactors, () => {
            const sum = curve.get(f, active);
            curve.set(f, active, curve.get(f, resting));
            curve.set(f, resting, sum);
          });
        },
        false,
      );
      const output = f.mul(proof, f.push("outStride"));
      curve.store(f, out, f.add(output, i), curve.get(f, active));
      f.if(hasFactors, () => {
        curve.store(f, out, f.add(f.add(output, count), i), curve.get(f, resting));
      });
    });
  });
}
