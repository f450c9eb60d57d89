/** A kernel that makes tables of powers by doubling them. */
import { SCALAR_FIELD } from "../../field.ts";
import type { KernelCode } from "../../gpu/device.ts";
import { LIMBS, load, PrimeField, store } from "./field.ts";
import { itemNumber } from "./grid.ts";
import { KernelWriter } from "./module.ts";

/** Invocations in a workgroup, one for each new element. Untuned. */
export const POWERS_GROUP = 64;

/**
 * table[have + i] = table[i] * factor for each i below `have`.
 *
 * Buffer: the table, 32 B for each element, Montgomery form. Push constants: have, and the factor's
 * eight words from the lowest one, Montgomery form. Workgroups: `gridOf` of the new elements'.
 */
export function extendTable(): KernelCode {
  const limbs = Array.from({ length: LIMBS }, (_, i) => `factor${i}`);
  const kernel = new KernelWriter("extendTable", {
    workgroupSize: [POWERS_GROUP, 1, 1],
    push: ["have", ...limbs],
  });
  const field = new PrimeField(kernel, SCALAR_FIELD);
  const table = kernel.buffer("u32x4");
  return kernel.main((f) => {
    const i = itemNumber(f, POWERS_GROUP);
    const have = f.push("have");
    f.if(f.lt(i, have), () => {
      const factor = limbs.map((name) => f.push(name));
      store(f, table, f.add(have, i), field.mul(f, load(f, table, i), factor));
    });
  });
}
