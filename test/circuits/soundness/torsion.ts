import { bn254 } from "@noble/curves/bn254.js";
import { multiplyPoint, type Point, SUBGROUP_ORDER } from "../../../circuits/babyjubjub.ts";

const { Fr } = bn254.fields;

/**
 * The points T of BabyJubJub with 8 T = (0, 1): k times one of order 8, for k = 0 … 7. So [0] is the identity, [4] has
 * order 2, [2] and [6] order 4.
 */
export const TORSION: readonly Point[] = torsionPoints();

function torsionPoints(): Point[] {
  // The subgroup's order takes everything but the torsion away from a point; about every second one has all of it.
  for (let y = 2n; ; y++) {
    const generator = pointAt(y);
    if (generator === undefined) continue;
    const part = multiplyPoint(SUBGROUP_ORDER, generator);
    const multiples = Array.from({ length: 8 }, (_, k) => multiplyPoint(BigInt(k), part));
    if (new Set(multiples.map((point) => point.x + point.y * Fr.ORDER)).size === 8)
      return multiples;
  }
}

/** A point with this ordinate: 168700 x^2 + y^2 = 1 + 168696 x^2 y^2. */
export function pointAt(y: bigint): Point | undefined {
  const yy = Fr.sqr(y);
  const xx = Fr.div(Fr.sub(1n, yy), Fr.sub(168700n, Fr.mul(168696n, yy)));
  try {
    return { x: Fr.sqrt(xx), y };
  } catch {
    return undefined; // no square root
  }
}
