import { encodeSections } from "../../worker/binfile.ts";
import { G1, type G1Point, G2, type G2Point } from "../../worker/curve.ts";
import { BASE_FIELD, mod, SCALAR_FIELD, toBytesLE } from "../../worker/field.ts";
import { GROTH16_PROTOCOL, ZKEY_SECTION, type Zkey } from "../../worker/zkey.ts";

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

const u32 = (...values: number[]): Uint8Array => new Uint8Array(new Uint32Array(values).buffer);

/** The file of a key, as snarkjs writes it; its verification key must be sound to be read. */
export function zkeyFile(key: Zkey): Uint8Array {
  const { alpha1, beta2, gamma2, delta2, ic } = key.verificationKey;
  const header = [
    ...[u32(32), toBytesLE(BASE_FIELD), u32(32), toBytesLE(SCALAR_FIELD)],
    u32(key.nVars, key.nPublic, key.domainSize),
    ...[g1Bytes(alpha1), g1Bytes(key.beta1), g2Bytes(beta2), g2Bytes(gamma2)],
    ...[g1Bytes(key.delta1), g2Bytes(delta2)],
  ];
  const contents: Record<keyof typeof ZKEY_SECTION, Uint8Array[]> = {
    protocol: [u32(GROTH16_PROTOCOL)],
    header,
    coefficients: [u32(key.coefficients.length / 44), key.coefficients],
    ic: ic.map(g1Bytes),
    h: [key.h],
    c: [key.c],
    a: [key.a],
    b1: [key.b1],
    b2: [key.b2],
    contributions: [new Uint8Array(68)],
  };
  const sections = Object.entries(contents).map(([name, pieces]) => ({
    type: ZKEY_SECTION[name as keyof typeof ZKEY_SECTION],
    pieces,
  }));
  return encodeSections("zkey", 1, sections);
}
