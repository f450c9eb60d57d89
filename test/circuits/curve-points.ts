import { addPoint, mulPointEscalar } from "@zk-kit/baby-jubjub";
import { invert, mod, SCALAR_FIELD } from "../../worker/field.ts";

/** A point of BabyJubJub in twisted Edwards form. */
export type Point = [x: bigint, y: bigint];

export const IDENTITY: Point = [0n, 1n];

/** ERC-2494's generator of the whole group of 8 l points, l the subgroup's prime order. */
export const WHOLE_GENERATOR: Point = [
  995203441582195749578291179787384436505546430278305826713579947235728471134n,
  5472060717959818805561601436314318772137091100104008585924551046643952123905n,
];

export const SUBGROUP_ORDER =
  2736030358979909402780800718157159386076813972158567259200215660948447373041n;

/** Of order 8. Its multiples are the eight points of small order. */
export const TORSION = mulPointEscalar(WHOLE_GENERATOR, SUBGROUP_ORDER) as Point;

/** k P, also for k = 0, by the reference implementation. */
export const times = (k: bigint, p: Point): Point =>
  k === 0n ? IDENTITY : (mulPointEscalar(p, k) as Point);

export const plus = (p: Point, q: Point): Point => addPoint(p, q) as Point;

/** (u, v) of a point other than (0, 1) and (0, -1). */
export function toMontgomery([x, y]: Point): Point {
  const u = (1n + y) * invert(1n - y, SCALAR_FIELD);
  return [mod(u, SCALAR_FIELD), mod(u * invert(x, SCALAR_FIELD), SCALAR_FIELD)];
}
