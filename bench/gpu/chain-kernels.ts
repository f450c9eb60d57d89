/**
 * Kernels that do one thing again and again, each time with what came out before: what a device can
 * do at most when every invocation has work and nothing waits for memory.
 *
 * The turns are a push constant, so that no compiler can leave any out. All loops of an invocation
 * together stay below 65,535 turns, where Mesa's software driver would silently end them.
 */
import { BASE_FIELD } from "../../worker/field.ts";
import type { KernelCode } from "../../worker/gpu/device.ts";
import { CurveCode } from "../../worker/kernels/spirv/curve.ts";
import { get, load, PrimeField, set, store, variable } from "../../worker/kernels/spirv/field.ts";
import { KernelWriter } from "../../worker/kernels/spirv/module.ts";
import { QuadraticField } from "../../worker/kernels/spirv/quadratic.ts";

/** Invocations in a workgroup of every kernel here. */
export const CHAIN_GROUP = 64;

/** Turns that `productChain` may do. */
export const MOST_PRODUCTS = 2 ** 15;

/**
 * Turns that `additionChain` may do: products in Fq2 are turns of inner loops, 40 of them in the
 * longest addition.
 */
export const MOST_ADDITIONS = 2 ** 10;

/**
 * values[i] = values[i] * factors[i]^turns / R^turns, with `chains` elements for each invocation.
 *
 * Buffers: values, factors; 32 B for each element, canonical. Element j of invocation i is at
 * i + j * (invocations). Push constants: invocations, turns.
 *
 * @param chains  independent of each other, so that a device may overlap them.
 */
export function productChain(modulus: bigint, chains: number): KernelCode {
  const kernel = new KernelWriter(`${chains} chains of products`, {
    workgroupSize: [CHAIN_GROUP, 1, 1],
    push: ["invocations", "turns"],
  });
  const field = new PrimeField(kernel, modulus);
  const [values, factors] = [kernel.buffer("u32x4"), kernel.buffer("u32x4", "read")];
  return kernel.main((f) => {
    const i = f.globalId(0);
    f.if(f.lt(i, f.push("invocations")), () => {
      const places = Array.from({ length: chains }, (_, j) =>
        f.add(i, f.mul(f.push("invocations"), f.u32(j))),
      );
      const pairs = places.map((place) => ({
        value: variable(f, load(f, values, place)),
        factor: load(f, factors, place),
      }));
      f.for(
        f.u32(0),
        f.push("turns"),
        f.u32(1),
        () => {
          for (const { value, factor } of pairs) {
            set(f, value, field.mul(f, get(f, value), factor));
          }
        },
        false,
      );
      pairs.forEach(({ value }, j) => {
        store(f, values, places[j] as (typeof places)[number], get(f, value));
      });
    });
  });
}

/**
 * sums[i] += turns * points[i].
 *
 * Buffers: sums (X, Y, ZZ, ZZZ), points (x, y for "affine", as sums for "xyzz"), as in
 * `worker/kernels/spirv/points.ts`. Push constants: invocations, turns.
 */
export function additionChain(addition: "affine" | "xyzz", group: "g1" | "g2"): KernelCode {
  const kernel = new KernelWriter(`chain of ${addition} additions in ${group}`, {
    workgroupSize: [CHAIN_GROUP, 1, 1],
    push: ["invocations", "turns"],
  });
  const base = new PrimeField(kernel, BASE_FIELD);
  const curve = new CurveCode(group === "g1" ? base : new QuadraticField(kernel, base));
  const [sums, points] = [kernel.buffer("u32x4"), kernel.buffer("u32x4", "read")];
  return kernel.main((f) => {
    const i = f.globalId(0);
    f.if(f.lt(i, f.push("invocations")), () => {
      const sum = curve.sumOf(f, curve.load(f, sums, i));
      const turns = (add: () => void) => f.for(f.u32(0), f.push("turns"), f.u32(1), add, false);
      if (addition === "affine") {
        const point = curve.loadAffine(f, points, i);
        turns(() => curve.addAffine(f, sum, point));
      } else {
        const point = curve.load(f, points, i);
        turns(() => curve.add(f, sum, point));
      }
      curve.store(f, sums, i, curve.get(f, sum));
    });
  });
}
