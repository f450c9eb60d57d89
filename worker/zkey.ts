/**
 * snarkjs's `.zkey` for Groth16 over BN254, checked in full.
 *
 *     1 protocol     u32 = 1 (Groth16)
 *     2 header       n8q u32 | q | n8r u32 | r | nVars, nPublic, domainSize u32
 *                    | alpha1 | beta1 | beta2 | gamma2 | delta1 | delta2
 *     3 IC           (nPublic + 1) G1       verification
 *     4 coefficients count u32 | { matrix, constraint, signal u32 | value } ...
 *     5 A            nVars G1               6 B1  nVars G1       7 B2  nVars G2
 *     8 C            (nVars - nPublic - 1) G1                    9 H   domainSize G1
 *    10 contributions circuit hash 64 B | count u32 | ...
 *
 * Points are affine with coordinates in Montgomery form (times 2^256 mod q), little-endian, (0, 0)
 * for infinity. Coefficients are multiplied by 2^512 mod r. Described in snarkjs, src/zkey_utils.js.
 */
import { createHash } from "node:crypto";
import { type BinFormat, readSections, requireSection } from "./binfile.ts";
import { FQ, FQ2, type G1Point, type G2Point } from "./curve.ts";
import { WorkError } from "./errors.ts";
import {
  BASE_FIELD,
  ELEMENT_BYTES,
  invert,
  readViewLE,
  SCALAR_FIELD,
  SCALAR_TWO_ADICITY,
} from "./field.ts";
import { checkVerificationKey, type VerificationKey } from "./verification-key.ts";

/**
 * Marks a key whose secrets are public. A development set-up writes these 64 bytes as the circuit
 * hash, which begins section 10; `parseZkey` finds them anywhere in that section. A fixed public
 * value: it prevents accidents, not a forger, who can leave it out; that is what pinning is for.
 */
export const DEV_KEY_MARKER: Uint8Array = new Uint8Array(
  createHash("sha512").update("proofmill development key: toxic waste is public").digest(),
);

/** Everything of a key but its long sections, checked. Plain data. */
export interface ZkeyHeader {
  /** Wires of the circuit: 1, public signals, private ones. */
  readonly nVars: number;
  readonly nPublic: number;
  /** Power of two, at least 2. */
  readonly domainSize: number;
  readonly beta1: G1Point;
  readonly delta1: G1Point;
  readonly verificationKey: VerificationKey;
  /** Whether the file carries DEV_KEY_MARKER. */
  readonly isDevKey: boolean;
}

export type ZkeyCounts = Pick<ZkeyHeader, "nVars" | "nPublic" | "domainSize">;

/** A checked key. The sections are views of the file's bytes in the file's encoding. */
export interface Zkey extends ZkeyHeader {
  /** 44 B an entry: matrix (0 = A, 1 = B), constraint, signal as u32, then the value times 2^512. */
  readonly coefficients: Uint8Array;
  /** 64 B a point. */
  readonly a: Uint8Array;
  readonly b1: Uint8Array;
  readonly c: Uint8Array;
  readonly h: Uint8Array;
  /** 128 B a point. */
  readonly b2: Uint8Array;
}

export const ZKEY_FORMAT: BinFormat = { magic: "zkey", version: 1, code: "KEY_MALFORMED" };

/** Numbers of the sections, as in the table above. */
export const ZKEY_SECTION = {
  protocol: 1,
  header: 2,
  ic: 3,
  coefficients: 4,
  a: 5,
  b1: 6,
  b2: 7,
  c: 8,
  h: 9,
  contributions: 10,
} as const;

/** Section 1 of a Groth16 key. */
export const GROTH16_PROTOCOL = 1;
export const G1_BYTES = 2 * ELEMENT_BYTES;
export const G2_BYTES = 4 * ELEMENT_BYTES;
export const COEFFICIENT_BYTES = 12 + ELEMENT_BYTES;
/** Section 4 begins with its count. */
export const COEFFICIENTS_OFFSET = 4;
const COUNTS_OFFSET = 2 * (4 + ELEMENT_BYTES);
const POINTS_OFFSET = COUNTS_OFFSET + 12;
const HEADER_BYTES = POINTS_OFFSET + 3 * G1_BYTES + 3 * G2_BYTES;
const MIN_CONTRIBUTIONS_BYTES = 64 + 4;
/**
 * A contribution takes about 500 B: this is room for a hundred thousand. The section is searched for
 * the mark in one piece.
 */
const MAX_CONTRIBUTIONS_BYTES = 2 ** 26;
/**
 * Public signals have a point each that is checked on bigints and kept as such: 0.3 s for so many. A
 * verifier pays for each of them, too; nobody has thousands.
 */
const MAX_PUBLIC = 2 ** 16;
/** The quotient needs a root of unity of order 2 * domainSize. */
const MAX_DOMAIN = 2 ** (SCALAR_TWO_ADICITY - 1);

const MONTGOMERY = 2n ** 256n % BASE_FIELD;
const MONTGOMERY_INVERSE = invert(MONTGOMERY, BASE_FIELD);

/**
 * Parses and checks a whole `.zkey` file: sizes against counts, field, ranges, indices, every point
 * on its curve, the verification key's points in their subgroup. Those of section B2 are not: a proof
 * with such a point in it does not verify, and `loadSharedKey` of the engine "wasm" looks for them.
 *
 * Cost: some microseconds a point, about 0.4 s for 2^16 wires, nearly all of it for the curve's
 * equation.
 *
 * @param bytes  the file; the result keeps views of it. It may lie in a SharedArrayBuffer.
 * @throws WorkError KEY_MALFORMED; KEY_REFUSED if delta equals gamma or signals are too many.
 */
export function parseZkey(bytes: Uint8Array): Zkey {
  const sections = readSections(bytes, ZKEY_FORMAT);
  const section = (type: number) => requireSection(sections, type, ZKEY_FORMAT);
  const counts = parseZkeyCounts(section(ZKEY_SECTION.protocol), section(ZKEY_SECTION.header));
  checkZkeySizes(counts, (type) => section(type).length);
  const header = parseZkeyHeader(counts, {
    header: section(ZKEY_SECTION.header),
    ic: section(ZKEY_SECTION.ic),
    contributions: section(ZKEY_SECTION.contributions),
  });
  const coefficients = section(ZKEY_SECTION.coefficients);
  checkCoefficientCount(coefficients, coefficients.length);
  const zkey: Zkey = {
    ...header,
    coefficients: coefficients.subarray(COEFFICIENTS_OFFSET),
    a: section(ZKEY_SECTION.a),
    b1: section(ZKEY_SECTION.b1),
    c: section(ZKEY_SECTION.c),
    h: section(ZKEY_SECTION.h),
    b2: section(ZKEY_SECTION.b2),
  };
  checkCoefficients(zkey.coefficients, counts);
  for (const name of ["a", "b1", "c", "h"] as const) {
    checkPoints(zkey[name], "G1", `section ${name.toUpperCase()}`);
  }
  checkPoints(zkey.b2, "G2", "section B2");
  return zkey;
}

/**
 * The counts, once the proof system, the curve and the header's size are right.
 *
 * @throws WorkError KEY_MALFORMED; KEY_REFUSED if there are too many public signals.
 */
export function parseZkeyCounts(protocol: Uint8Array, header: Uint8Array): ZkeyCounts {
  if (protocol.length !== 4 || viewOf(protocol).getUint32(0, true) !== GROTH16_PROTOCOL) {
    throw refused("is not a Groth16 key (PLONK and FFLONK keys have the same magic)");
  }
  const view = viewOf(header);
  if (header.length < 4) throw refused("has an empty header section");
  if (view.getUint32(0, true) !== ELEMENT_BYTES) throw refused(WRONG_CURVE);
  if (header.length !== HEADER_BYTES) {
    throw refused(`has a header of ${header.length} bytes, expected ${HEADER_BYTES}`);
  }
  const isBn254 =
    readViewLE(view, 4) === BASE_FIELD &&
    view.getUint32(4 + ELEMENT_BYTES, true) === ELEMENT_BYTES &&
    readViewLE(view, 8 + ELEMENT_BYTES) === SCALAR_FIELD;
  if (!isBn254) throw refused(WRONG_CURVE);
  const nVars = view.getUint32(COUNTS_OFFSET, true);
  const nPublic = view.getUint32(COUNTS_OFFSET + 4, true);
  const domainSize = view.getUint32(COUNTS_OFFSET + 8, true);
  if (nVars < nPublic + 1) {
    throw refused(`has ${nVars} wires, expected at least ${nPublic + 1} (1 + public signals)`);
  }
  if (nPublic > MAX_PUBLIC) {
    throw new WorkError(
      "KEY_REFUSED",
      `zkey file: has ${nPublic} public signals, expected at most ${MAX_PUBLIC}; make one of them the hash of the others`,
    );
  }
  const isPowerOfTwo = domainSize >= 2 && (domainSize & (domainSize - 1)) === 0;
  if (!isPowerOfTwo || domainSize > MAX_DOMAIN) {
    throw refused(`has domain size ${domainSize}, expected a power of two from 2 to ${MAX_DOMAIN}`);
  }
  return { nVars, nPublic, domainSize };
}

const WRONG_CURVE = "is over another curve, expected BN254 (circom --prime bn128)";

/**
 * Checks the sizes of sections 3 to 10 against the counts.
 *
 * @param sizeOf  bytes of a section; throws if there is none.
 * @throws WorkError KEY_MALFORMED
 */
export function checkZkeySizes(
  { nVars, nPublic, domainSize }: ZkeyCounts,
  sizeOf: (type: number) => number,
): void {
  const expected = {
    ic: (nPublic + 1) * G1_BYTES,
    a: nVars * G1_BYTES,
    b1: nVars * G1_BYTES,
    b2: nVars * G2_BYTES,
    c: (nVars - nPublic - 1) * G1_BYTES,
    h: domainSize * G1_BYTES,
  };
  for (const [name, size] of Object.entries(expected)) {
    const type = ZKEY_SECTION[name as keyof typeof expected];
    const got = sizeOf(type);
    if (got !== size) {
      throw refused(
        `section ${type} (${name.toUpperCase()}) has ${got} bytes, expected ${size} by its counts`,
      );
    }
  }
  const entries = sizeOf(ZKEY_SECTION.coefficients);
  if (entries < COEFFICIENTS_OFFSET) {
    throw refused(`section 4 (coefficients) has ${entries} bytes, expected at least 4`);
  }
  const contributions = sizeOf(ZKEY_SECTION.contributions);
  if (contributions < MIN_CONTRIBUTIONS_BYTES || contributions > MAX_CONTRIBUTIONS_BYTES) {
    throw refused(
      `section 10 (contributions) has ${contributions} bytes, expected ${MIN_CONTRIBUTIONS_BYTES} to ${MAX_CONTRIBUTIONS_BYTES}`,
    );
  }
}

/**
 * Reads and checks the points of the short sections, whose sizes are right.
 *
 * @throws WorkError KEY_MALFORMED; KEY_REFUSED if delta equals gamma.
 */
export function parseZkeyHeader(
  counts: ZkeyCounts,
  sections: Readonly<Record<"header" | "ic" | "contributions", Uint8Array>>,
): ZkeyHeader {
  const { header, ic, contributions } = sections;
  const points = header.subarray(POINTS_OFFSET);
  const view = viewOf(points);
  const verificationKey = {
    alpha1: readG1(view, 0),
    beta2: readG2(view, 2 * G1_BYTES),
    gamma2: readG2(view, 2 * G1_BYTES + G2_BYTES),
    delta2: readG2(view, 3 * G1_BYTES + 2 * G2_BYTES),
    ic: Array.from({ length: counts.nPublic + 1 }, (_, i) => readG1(viewOf(ic), i * G1_BYTES)),
  };
  const delta1 = 2 * G1_BYTES + 2 * G2_BYTES;
  checkPoints(points.subarray(0, 2 * G1_BYTES), "G1", "the header (alpha, beta)");
  checkPoints(points.subarray(delta1, delta1 + G1_BYTES), "G1", "the header (delta)");
  checkVerificationKey(verificationKey);
  return {
    ...counts,
    beta1: readG1(view, G1_BYTES),
    delta1: readG1(view, delta1),
    verificationKey,
    isDevKey: bufferOf(contributions).includes(DEV_KEY_MARKER),
  };
}

/**
 * Checks the count that section 4 begins with.
 *
 * @param start  its first bytes, at least 4
 * @param size   bytes of the whole section
 * @throws WorkError KEY_MALFORMED
 */
export function checkCoefficientCount(start: Uint8Array, size: number): void {
  const count = viewOf(start).getUint32(0, true);
  const expected = COEFFICIENTS_OFFSET + count * COEFFICIENT_BYTES;
  if (size !== expected) {
    throw refused(
      `section 4 (coefficients) has ${size} bytes, expected ${expected} for ${count} entries`,
    );
  }
}

/**
 * Checks indices and ranges.
 *
 * @param first  number of the first entry, for messages
 * @throws WorkError KEY_MALFORMED
 */
export function checkCoefficients(
  coefficients: Uint8Array,
  { nVars, domainSize }: ZkeyCounts,
  first = 0,
): void {
  const view = viewOf(coefficients);
  for (let at = 0; at < coefficients.length; at += COEFFICIENT_BYTES) {
    const matrix = view.getUint32(at, true);
    const constraint = view.getUint32(at + 4, true);
    const signal = view.getUint32(at + 8, true);
    const where = `coefficient ${first + at / COEFFICIENT_BYTES}`;
    if (matrix > 1) throw refused(`${where} is of matrix ${matrix}, expected 0 or 1`);
    if (constraint >= domainSize) {
      throw refused(`${where} is in constraint ${constraint}, expected less than ${domainSize}`);
    }
    if (signal >= nVars) {
      throw refused(`${where} is of signal ${signal}, expected less than ${nVars}`);
    }
    if (readViewLE(view, at + 12) >= SCALAR_FIELD) throw refused(`${where} is not below r`);
  }
}

/**
 * Checks that coordinates are canonical and points on their curve or at infinity.
 *
 * @param where  for messages, such as "section A"
 * @param first  number of the first point, for messages
 * @throws WorkError KEY_MALFORMED
 */
export function checkPoints(
  points: Uint8Array,
  group: "G1" | "G2",
  where: string,
  first = 0,
): void {
  const [size, isOnCurve] = group === "G2" ? [G2_BYTES, isOnCurveG2] : [G1_BYTES, isOnCurveG1];
  const view = viewOf(points);
  for (let at = 0; at < points.length; at += size) {
    if (isOnCurve(view, at)) continue;
    throw refused(`point ${first + at / size} of ${where} is not on BN254's curve`);
  }
}

/** 3 times 2^768: with X = x R and Y = y R, y^2 = x^3 + 3 is Y^2 R = X^3 + 3 R^3. */
const G1_CONSTANT = (3n * MONTGOMERY ** 3n) % BASE_FIELD;

/** Looks at a point in Montgomery form as it stands: no conversion, four multiplications. */
function isOnCurveG1(view: DataView, at: number): boolean {
  const x = readViewLE(view, at);
  const y = readViewLE(view, at + ELEMENT_BYTES);
  if (x === 0n && y === 0n) return true;
  return (
    x < BASE_FIELD &&
    y < BASE_FIELD &&
    (y * y * MONTGOMERY - x * x * x - G1_CONSTANT) % BASE_FIELD === 0n
  );
}

/** As G1_CONSTANT, for y^2 = x^3 + 3/(9+i). */
const G2_CONSTANT = FQ2.multiply([G1_CONSTANT, 0n], FQ2.invert([9n, 1n]));

/** As `isOnCurveG1`; Fq2 products are written out, because this is most of the time of a key's check. */
function isOnCurveG2(view: DataView, at: number): boolean {
  const [constantReal, constantImaginary] = G2_CONSTANT;
  const x0 = readViewLE(view, at);
  const x1 = readViewLE(view, at + ELEMENT_BYTES);
  const y0 = readViewLE(view, at + 2 * ELEMENT_BYTES);
  const y1 = readViewLE(view, at + 3 * ELEMENT_BYTES);
  if (x0 === 0n && x1 === 0n && y0 === 0n && y1 === 0n) return true;
  const isCanonical = x0 < BASE_FIELD && x1 < BASE_FIELD && y0 < BASE_FIELD && y1 < BASE_FIELD;
  // (u + v i)^2 = (u + v)(u - v) + 2uv i, and x^3 = x^2 x.
  const xx0 = (x0 + x1) * (x0 - x1);
  const xx1 = 2n * x0 * x1;
  const real = (y0 + y1) * (y0 - y1) * MONTGOMERY - (xx0 * x0 - xx1 * x1) - constantReal;
  const imaginary = 2n * y0 * y1 * MONTGOMERY - (xx0 * x1 + xx1 * x0) - constantImaginary;
  return isCanonical && real % BASE_FIELD === 0n && imaginary % BASE_FIELD === 0n;
}

/** A coordinate out of Montgomery form. One that is not below q is refused by the checks above. */
function readCoordinate(view: DataView, at: number): bigint {
  const value = readViewLE(view, at);
  if (value >= BASE_FIELD) throw refused("has a coordinate that is not below q");
  return FQ.multiply(value, MONTGOMERY_INVERSE);
}

/** A G1 point of a key's section, affine, out of Montgomery form. */
export function readG1(view: DataView, at: number): G1Point {
  return { x: readCoordinate(view, at), y: readCoordinate(view, at + ELEMENT_BYTES) };
}

/** As `readG1`. */
export function readG2(view: DataView, at: number): G2Point {
  const [x0, x1, y0, y1] = [0, 1, 2, 3].map((k) => readCoordinate(view, at + k * ELEMENT_BYTES));
  return { x: [x0 as bigint, x1 as bigint], y: [y0 as bigint, y1 as bigint] };
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function refused(problem: string): WorkError {
  return new WorkError(ZKEY_FORMAT.code, `${ZKEY_FORMAT.magic} file: ${problem}`);
}
