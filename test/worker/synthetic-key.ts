import { G1, type G1Point, G2, type G2Point } from "../../worker/curve.ts";
import { BASE_FIELD, mod, SCALAR_FIELD, toBytesLE } from "../../worker/field.ts";
import type { Zkey } from "../../worker/zkey.ts";

/** One entry of the sparse matrices. */
export interface Coefficient {
  readonly matrix: 0 | 1;
  readonly constraint: number;
  readonly signal: number;
  readonly value: bigint;
}

/** A key with chosen sections, for engines only: no circuit has it. Lengths give the counts. */
export interface SyntheticKey {
  readonly nPublic?: number;
  readonly a?: readonly G1Point[];
  readonly b1?: readonly G1Point[];
  readonly b2?: readonly G2Point[];
  readonly c?: readonly G1Point[];
  readonly h?: readonly G1Point[];
  readonly coefficients?: readonly Coefficient[];
  readonly nVars: number;
  readonly domainSize?: number;
}

const MONTGOMERY = 2n ** 256n;

const coordinate = (value: bigint): Uint8Array => toBytesLE(mod(value * MONTGOMERY, BASE_FIELD));

export const g1Bytes = (p: G1Point): Uint8Array => Buffer.concat([p.x, p.y].map(coordinate));

export const g2Bytes = (p: G2Point): Uint8Array => Buffer.concat([...p.x, ...p.y].map(coordinate));

export const scalarBytes = (scalars: readonly bigint[]): Uint8Array =>
  new Uint8Array(Buffer.concat(scalars.map(toBytesLE)));

function coefficientBytes({ matrix, constraint, signal, value }: Coefficient): Uint8Array {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32LE(matrix, 0);
  bytes.writeUInt32LE(constraint, 4);
  bytes.writeUInt32LE(signal, 8);
  return Buffer.concat([bytes, toBytesLE(mod(value * MONTGOMERY * MONTGOMERY, SCALAR_FIELD))]);
}

export function syntheticZkey(key: SyntheticKey): Zkey {
  const { nVars, nPublic = 0, domainSize = 2, coefficients = [] } = key;
  const g1 = (points: readonly G1Point[] | undefined, count: number) =>
    Buffer.concat((points ?? new Array<G1Point>(count).fill(G1.infinity)).map(g1Bytes));
  const b2 = key.b2 ?? new Array<G2Point>(nVars).fill(G2.infinity);
  return {
    nVars,
    nPublic,
    domainSize,
    beta1: G1.generator,
    delta1: G1.generator,
    verificationKey: {
      alpha1: G1.generator,
      beta2: G2.generator,
      gamma2: G2.generator,
      delta2: G2.multiply(G2.generator, 2n),
      ic: new Array<G1Point>(nPublic + 1).fill(G1.generator),
    },
    coefficients: Buffer.concat(coefficients.map(coefficientBytes)),
    a: g1(key.a, nVars),
    b1: g1(key.b1, nVars),
    c: g1(key.c, nVars - nPublic - 1),
    h: g1(key.h, domainSize),
    b2: Buffer.concat(b2.map(g2Bytes)),
    isDevKey: true,
  };
}
