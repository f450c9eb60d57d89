/** Kernels that compute each element of a vector from the elements at its place. */
import type { KernelCode } from "../../gpu/device.ts";
import type { Code } from "./code.ts";
import { type Element, load, PrimeField, store } from "./field.ts";
import { itemNumber } from "./grid.ts";
import { KernelWriter } from "./module.ts";

/** Invocations in a workgroup of every kernel here. Untuned. */
export const ELEMENTWISE_GROUP = 64;

/** `out` gives what stood in the result's place. */
type Operation = (
  field: PrimeField,
  f: Code,
  a: Element,
  b: Element,
  out: () => Element,
) => Element;

const OPERATIONS = {
  add: (field, f, a, b) => field.add(f, a, b),
  subtract: (field, f, a, b) => field.sub(f, a, b),
  negate: (field, f, a) => field.neg(f, a),
  multiply: (field, f, a, b) => field.mul(f, a, b),
  square: (field, f, a) => field.sqr(f, a),
  /** out a - b */
  multiplySubtract: (field, f, a, b, out) => field.sub(f, field.mul(f, out(), a), b),
  toMontgomery: (field, f, a) => field.toMontgomery(f, a),
  fromMontgomery: (field, f, a) => field.fromMontgomery(f, a),
} as const satisfies Record<string, Operation>;
export type ElementwiseName = keyof typeof OPERATIONS;
export const ELEMENTWISE_NAMES = Object.keys(OPERATIONS) as ElementwiseName[];

/**
 * out[i] = operation(a[i], b[i]) for each i below the push constant `count`.
 *
 * Buffers: a, b, out; 32 B for each element, as `field.ts` has it. `out` may be `a` or `b`. An
 * operation of one operand does not look at b. Workgroups: `gridOf` (`grid.ts`) of the count's.
 */
export function elementwise(name: ElementwiseName, modulus: bigint): KernelCode {
  const k = new KernelWriter(name, { workgroupSize: [ELEMENTWISE_GROUP, 1, 1], push: ["count"] });
  const field = new PrimeField(k, modulus);
  const [a, b, out] = [k.buffer("u32x4", "read"), k.buffer("u32x4", "read"), k.buffer("u32x4")];
  const operation: Operation = OPERATIONS[name];
  return k.main((f) => {
    const i = itemNumber(f, ELEMENTWISE_GROUP);
    f.if(f.lt(i, f.push("count")), () => {
      const before = () => load(f, out, i);
      store(f, out, i, operation(field, f, load(f, a, i), load(f, b, i), before));
    });
  });
}
