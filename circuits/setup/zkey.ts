/**
 * Writes snarkjs's `.zkey` format (Groth16, BN254). Points are affine, little-endian, Montgomery
 * form, (0, 0) for infinity: 64 B in G1, 128 B in G2.
 */
import { type SectionContent, writeSections } from "../../worker/binfile.ts";
import { BASE_FIELD, mod, SCALAR_FIELD, toBytesLE } from "../../worker/field.ts";
import type { R1cs } from "../../worker/r1cs.ts";
import { COEFFICIENT_BYTES, GROTH16_PROTOCOL, ZKEY_SECTION } from "../../worker/zkey.ts";
import { domainLog2 } from "./evaluation.ts";

/** The points of a key, by the names of Groth16's paper and of snarkjs. */
export interface KeyPoints {
  readonly alpha1: Uint8Array;
  readonly beta1: Uint8Array;
  readonly delta1: Uint8Array;
  readonly beta2: Uint8Array;
  readonly gamma2: Uint8Array;
  readonly delta2: Uint8Array;
  /** nPublic + 1 points in G1. */
  readonly publicInputs: Uint8Array;
  /** A_i of every wire, in G1. */
  readonly a: Uint8Array;
  /** B_i of every wire, in G1 and in G2. */
  readonly b1: Uint8Array;
  readonly b2: Uint8Array;
  /** Of every wire that is not public, in G1. */
  readonly c: Uint8Array;
  /** As many as the domain has points, in G1. */
  readonly h: Uint8Array;
}

/** Entries that name these matrices; C is not stored, because the prover takes it as A * B. */
const MATRIX_A = 0;
const MATRIX_B = 1;

/**
 * Writes a key to `path`, whole or not at all.
 *
 * @param circuitHash  64 B that snarkjs keeps in front of the list of contributions.
 */
export async function writeZkey(
  path: string,
  r1cs: R1cs,
  points: KeyPoints,
  circuitHash: Uint8Array,
): Promise<void> {
  const { header, contributions, ...section } = ZKEY_SECTION;
  const content = (type: number, ...pieces: Uint8Array[]): SectionContent => ({ type, pieces });
  await writeSections(path, "zkey", 1, [
    content(section.protocol, uint32(GROTH16_PROTOCOL)),
    content(header, ...headerPieces(r1cs, points)),
    content(section.coefficients, encodeCoefficients(r1cs)),
    content(section.ic, points.publicInputs),
    content(section.h, points.h),
    content(section.c, points.c),
    content(section.a, points.a),
    content(section.b1, points.b1),
    content(section.b2, points.b2),
    content(contributions, circuitHash, uint32(0)),
  ]);
}

function headerPieces(r1cs: R1cs, points: KeyPoints): Uint8Array[] {
  return [
    uint32(32),
    toBytesLE(BASE_FIELD),
    uint32(32),
    toBytesLE(SCALAR_FIELD),
    uint32(r1cs.nWires),
    uint32(r1cs.nPublic),
    uint32(2 ** domainLog2(r1cs)),
    points.alpha1,
    points.beta1,
    points.beta2,
    points.gamma2,
    points.delta1,
    points.delta2,
  ];
}

/**
 * The matrices A and B with which a prover computes the quotient: a count, then for each entry
 * matrix u32, row u32, wire u32, value. Values are in Montgomery form twice over (times 2^512), so
 * that a Montgomery product with a plain witness value is in Montgomery form.
 */
function encodeCoefficients(r1cs: R1cs): Uint8Array {
  const { a, b, nConstraints, nPublic } = r1cs;
  const count = a.wire.length + b.wire.length + nPublic + 1;
  const bytes = new Uint8Array(4 + count * COEFFICIENT_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, count, true);
  const encoded = r1cs.coefficients.map(toDoubleMontgomery);
  const one = toDoubleMontgomery(1n);
  let at = 4;
  const put = (matrix: number, row: number, wire: number, value: Uint8Array): void => {
    view.setUint32(at, matrix, true);
    view.setUint32(at + 4, row, true);
    view.setUint32(at + 8, wire, true);
    bytes.set(value, at + 12);
    at += COEFFICIENT_BYTES;
  };
  for (let row = 0; row < nConstraints; row++) {
    for (const [id, matrix] of [[MATRIX_A, a] as const, [MATRIX_B, b] as const]) {
      const end = matrix.rowStart[row + 1] as number;
      for (let e = matrix.rowStart[row] as number; e < end; e++) {
        const value = encoded[matrix.coefficient[e] as number] as Uint8Array;
        put(id, row, matrix.wire[e] as number, value);
      }
    }
  }
  for (let signal = 0; signal <= nPublic; signal++) {
    put(MATRIX_A, nConstraints + signal, signal, one);
  }
  return bytes;
}

const R_SQUARED = (1n << 512n) % SCALAR_FIELD;

function toDoubleMontgomery(value: bigint): Uint8Array {
  return toBytesLE(mod(value * R_SQUARED, SCALAR_FIELD));
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
