/**
 * Writes snarkjs's `.zkey` format (Groth16, BN254). Points are affine, little-endian, Montgomery
 * form, (0, 0) for infinity: 64 B in G1, 128 B in G2.
 */
import type { G1Point, G2Point } from "../../worker/curve.ts";
import {
  BASE_FIELD,
  ELEMENT_BYTES,
  mod,
  SCALAR_FIELD,
  toBytesLE,
  writeLE,
} from "../../worker/field.ts";
import type { R1cs, SparseMatrix } from "../../worker/r1cs.ts";
import {
  COEFFICIENT_BYTES,
  G1_BYTES,
  G2_BYTES,
  GROTH16_PROTOCOL,
  ZKEY_SECTION,
} from "../../worker/zkey.ts";
import { domainLog2 } from "./evaluation.ts";
import { SectionWriter } from "./section-file.ts";

/** The points of a key's header, by the names of Groth16's paper and of snarkjs. */
export interface HeaderPoints {
  readonly alpha1: G1Point;
  readonly beta1: G1Point;
  readonly delta1: G1Point;
  readonly beta2: G2Point;
  readonly gamma2: G2Point;
  readonly delta2: G2Point;
}

/** Entries that name these matrices; C is not stored, because the prover takes it as A * B. */
const MATRIX_A = 0;
const MATRIX_B = 1;

const COUNT_BYTES = 4;
const HEADER_BYTES = 2 * (4 + 32) + 3 * COUNT_BYTES + 3 * G1_BYTES + 3 * G2_BYTES;
/** Entries of the matrices that are written at once: 704 KiB. */
const CHUNK_ENTRIES = 16_384;
/** Rows between two looks at what else there is to do: some milliseconds. */
const STEP_ROWS = 4096;

/**
 * Begins a key: the places of all sections, and the small ones' content.
 *
 * @param circuitHash  64 B that snarkjs keeps in front of the list of contributions.
 */
export async function createZkey(
  path: string,
  r1cs: R1cs,
  points: HeaderPoints,
  circuitHash: Uint8Array,
): Promise<SectionWriter> {
  const { nWires, nPublic } = r1cs;
  const section = ZKEY_SECTION;
  const contributions = new Uint8Array([...circuitHash, ...uint32(0)]);
  const file = await SectionWriter.create(path, "zkey", 1, [
    [section.protocol, COUNT_BYTES],
    [section.header, HEADER_BYTES],
    [section.coefficients, COUNT_BYTES + coefficientCount(r1cs) * COEFFICIENT_BYTES],
    [section.ic, (nPublic + 1) * G1_BYTES],
    [section.h, 2 ** domainLog2(r1cs) * G1_BYTES],
    [section.c, (nWires - nPublic - 1) * G1_BYTES],
    [section.a, nWires * G1_BYTES],
    [section.b1, nWires * G1_BYTES],
    [section.b2, nWires * G2_BYTES],
    [section.contributions, contributions.length],
  ]);
  try {
    file.write(file.offsetOf(section.protocol), uint32(GROTH16_PROTOCOL));
    file.write(file.offsetOf(section.header), encodeHeader(r1cs, points));
    file.write(file.offsetOf(section.contributions), contributions);
    return file;
  } catch (error) {
    await file.discard();
    throw error;
  }
}

function encodeHeader(r1cs: R1cs, points: HeaderPoints): Uint8Array {
  const { alpha1, beta1, delta1, beta2, gamma2, delta2 } = points;
  return Buffer.concat([
    uint32(32),
    toBytesLE(BASE_FIELD),
    uint32(32),
    toBytesLE(SCALAR_FIELD),
    uint32(r1cs.nWires),
    uint32(r1cs.nPublic),
    uint32(2 ** domainLog2(r1cs)),
    encodeG1(alpha1),
    encodeG1(beta1),
    encodeG2(beta2),
    encodeG2(gamma2),
    encodeG1(delta1),
    encodeG2(delta2),
  ]);
}

function coefficientCount({ a, b, nPublic }: R1cs): number {
  return a.wire.length + b.wire.length + nPublic + 1;
}

/**
 * Writes the matrices A and B with which a prover computes the quotient: a count, then for each entry
 * matrix u32, row u32, wire u32, value. Values are in Montgomery form twice over (times 2^512), so
 * that a Montgomery product with a plain witness value is in Montgomery form.
 *
 * Step by step: the caller may do something in between.
 */
export function* writeCoefficients(file: SectionWriter, r1cs: R1cs): Generator<void> {
  const { a, b, nConstraints, nPublic, coefficients } = r1cs;
  const chunk = new CoefficientChunk(file, [...coefficients, 1n]);
  chunk.begin(coefficientCount(r1cs));
  for (let row = 0; row < nConstraints; row++) {
    chunk.putRow(MATRIX_A, a, row);
    chunk.putRow(MATRIX_B, b, row);
    if (row % STEP_ROWS === 0) yield;
  }
  for (let signal = 0; signal <= nPublic; signal++) {
    chunk.put(MATRIX_A, nConstraints + signal, signal, coefficients.length);
  }
  chunk.flush();
}

const ENTRY_WORDS = COEFFICIENT_BYTES / 4;

/** Entries on their way to the file. */
class CoefficientChunk {
  readonly #file: SectionWriter;
  /** Eight words for each distinct value, as they stand in the file. */
  readonly #values: Uint32Array;
  readonly #words = new Uint32Array(CHUNK_ENTRIES * ENTRY_WORDS);
  #filled = 0;
  #position: number;

  constructor(file: SectionWriter, values: readonly bigint[]) {
    this.#file = file;
    this.#position = file.offsetOf(ZKEY_SECTION.coefficients);
    const bytes = new Uint8Array(ELEMENT_BYTES * values.length);
    values.forEach((value, i) => {
      writeLE(bytes, ELEMENT_BYTES * i, mod(value * R_SQUARED, SCALAR_FIELD));
    });
    this.#values = new Uint32Array(bytes.buffer);
  }

  begin(count: number): void {
    this.#file.write(this.#position, uint32(count));
    this.#position += COUNT_BYTES;
  }

  putRow(matrix: number, { rowStart, wire, coefficient }: SparseMatrix, row: number): void {
    const end = rowStart[row + 1] as number;
    for (let e = rowStart[row] as number; e < end; e++) {
      this.put(matrix, row, wire[e] as number, coefficient[e] as number);
    }
  }

  /** @param value  index of the entry's value. */
  put(matrix: number, row: number, wire: number, value: number): void {
    if (this.#filled === this.#words.length) this.flush();
    const at = this.#filled;
    this.#words[at] = matrix;
    this.#words[at + 1] = row;
    this.#words[at + 2] = wire;
    for (let w = 0; w < 8; w++) this.#words[at + 3 + w] = this.#values[8 * value + w] as number;
    this.#filled = at + ENTRY_WORDS;
  }

  flush(): void {
    const bytes = new Uint8Array(this.#words.buffer, 0, 4 * this.#filled);
    this.#file.write(this.#position, bytes);
    this.#position += bytes.length;
    this.#filled = 0;
  }
}

const R_SQUARED = (1n << 512n) % SCALAR_FIELD;
const MONTGOMERY = (1n << 256n) % BASE_FIELD;

function encodeG1({ x, y }: G1Point): Uint8Array {
  return encodeCoordinates([x, y]);
}

function encodeG2({ x, y }: G2Point): Uint8Array {
  return encodeCoordinates([...x, ...y]);
}

function encodeCoordinates(coordinates: readonly bigint[]): Uint8Array {
  return Buffer.concat(coordinates.map((value) => toBytesLE((value * MONTGOMERY) % BASE_FIELD)));
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
