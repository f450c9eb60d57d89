import { bn254 } from "@noble/curves/bn254.js";
import type { G1Point, G2Point } from "../../worker/curve.ts";
import { G1, G2 } from "../../worker/curve.ts";
import type { Proof } from "../../worker/proof.ts";
import type { VerificationKey } from "../../worker/verification-key.ts";

export type Pair = readonly [G1Point, G2Point];

/** Whether the product of e(P, Q) over all pairs is 1, by noble's pairing, which is nobody's here. */
export function pairingProductIsOne(pairs: readonly Pair[]): boolean {
  const points = pairs
    .filter(([p, q]) => !G1.isInfinity(p) && !G2.isInfinity(q))
    .map(([p, q]) => ({
      g1: bn254.G1.Point.fromAffine(p),
      g2: bn254.G2.Point.fromAffine({
        x: { c0: q.x[0], c1: q.x[1] },
        y: { c0: q.y[0], c1: q.y[1] },
      }),
    }));
  const { Fp12 } = bn254.fields;
  return Fp12.eql(bn254.pairingBatch(points), Fp12.ONE);
}

/** Groth16's equation: e(A, B) = e(alpha, beta) e(sum of public inputs, gamma) e(C, delta). */
export function verifyWithNoble(
  key: VerificationKey,
  signals: readonly bigint[],
  proof: Proof,
): boolean {
  const inputs = G1.sum(
    key.ic.map((point, i) => ({ point, factor: i === 0 ? 1n : (signals[i - 1] as bigint) })),
  );
  return pairingProductIsOne([
    [G1.negate(proof.a), proof.b],
    [key.alpha1, key.beta2],
    [inputs, key.gamma2],
    [proof.c, key.delta2],
  ]);
}
