/** BN254's two groups as kernels know them. */
import { BASE_FIELD } from "../../field.ts";
import { CurveCode } from "./curve.ts";
import { PrimeField } from "./field.ts";
import type { KernelWriter } from "./module.ts";
import { QuadraticField } from "./quadratic.ts";

export type GroupName = "g1" | "g2";

/** Additions in the group, for one kernel. */
export function curveOf(kernel: KernelWriter, group: GroupName): CurveCode {
  const base = new PrimeField(kernel, BASE_FIELD);
  return new CurveCode(group === "g1" ? base : new QuadraticField(kernel, base));
}
