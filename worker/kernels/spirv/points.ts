/** Kernels that add points of G1 or G2, each to the sum at its place. */

import type { KernelCode } from "../../gpu/device.ts";
import { itemNumber } from "./grid.ts";
import { curveOf, type GroupName } from "./group.ts";
import { KernelWriter } from "./module.ts";

/** Invocations in a workgroup of every kernel here. Untuned. */
export const POINTS_GROUP = 64;

export type PointsName = "addAffine" | "add" | "double";

/**
 * sums[i] += points[i], or twice itself, for each i below the push constant `count`.
 *
 * Buffers: sums, X, Y, ZZ, ZZZ for each; points, x, y for each of "addAffine", as sums for "add", not
 * looked at for "double". Coordinates of 32 B (G1) or 64 B (G2), little-endian, Montgomery form,
 * canonical. A sum with ZZ = 0 is infinity, and so is an affine (0, 0). Workgroups: `gridOf`
 * (`grid.ts`) of the count's.
 */
export function points(name: PointsName, group: GroupName): KernelCode {
  const k = new KernelWriter(`${name} in ${group}`, {
    workgroupSize: [POINTS_GROUP, 1, 1],
    push: ["count"],
  });
  const curve = curveOf(k, group);
  const [sums, others] = [k.buffer("u32x4"), k.buffer("u32x4", "read")];
  return k.main((f) => {
    const i = itemNumber(f, POINTS_GROUP);
    f.if(f.lt(i, f.push("count")), () => {
      const sum = curve.sumOf(f, curve.load(f, sums, i));
      if (name === "addAffine") curve.addAffine(f, sum, curve.loadAffine(f, others, i));
      else if (name === "add") curve.add(f, sum, curve.load(f, others, i));
      else curve.double(f, sum);
      curve.store(f, sums, i, curve.get(f, sum));
    });
  });
}
