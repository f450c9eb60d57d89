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

/** A checked key. The sections are views of the file's bytes in the file's encoding. */
export interface Zkey {
  /** Wires of the circuit: 1, public signals, private ones. */
  readonly nVars: number;
  readonly nPublic: number;
  /** Power of two, at least 2. */
  readonly domainSize: number;
  readonly beta1: G1Point;
  readonly delta1: G1Point;
  readonly verificationKey: VerificationKey;
  /** 44 B an entry: matrix (0 = A, 1 = B), constraint, signal as u32, then the value times 2^512. */
  readonly coefficients: Uint8Array;
  /** 64 B a point. */
  readonly a: Uint8Array;
  readonly b1: Uint8Array;
  readonly c: Uint8Array;
  readonly h: Uint8Array;
  /** 128 B a point. */
  readonly b2: Uint8Array;
  /** Whether the file carries DEV_KEY_MARKER. */
  readonly isDevKey: boolean;
}

const FORMAT: BinFormat = { magic: "zkey", version: 1, code: "KEY_MALFORMED" };
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
const COUNTS_OFFSET = 2 * (4 + ELEMENT_BYTES);
const POINTS_OFFSET = COUNTS_OFFSET + 12;
const HEADER_BYTES = POINTS_OFFSET + 3 * G1_BYTES + 3 * G2_BYTES;
const MIN_CONTRIBUTIONS_BYTES = 64 + 4;
/** The quotient needs a root of unity of order 2 * domainSize. */
const MAX_DOMAIN = 2 ** (SCALAR_TWO_ADICITY - 1);

const MONTGOMERY = 2n ** 256n % BASE_FIELD;
const MONTGOMERY_INVERSE = invert(MONTGOMERY, BASE_FIELD);

/**
 * Parses and checks a whole `.zkey` file: sizes against counts, field, ranges, indices, every point
 * on its curve, the verification key's points in their subgroup.
 *
 * Cost: some microseconds a point, about 1 s for 2^16 wires, nearly all of it for the curve's
 * equation.
 *
 * @param bytes  the file; the result keeps views of it. It may lie in a SharedArrayBuffer.
 * @throws WorkError KEY_MALFORMED; KEY_REFUSED if delta equals gamma.
 */
export function parseZkey(bytes: Uint8Array): Zkey {
  const sections = readSections(bytes, FORMAT);
  const protocol = requireSection(sections, ZKEY_SECTION.protocol, FORMAT);
  if (protocol.length !== 4 || viewOf(protocol).getUint32(0, true) !== GROTH16_PROTOCOL) {
    throw refused("is not a Groth16 key (PLONK and FFLONK keys have the same magic)");
  }
  const header = requireSection(sections, ZKEY_SECTION.header, FORMAT);
  const { nVars, nPublic, domainSize } = parseCounts(header);
  const points = viewOf(header.subarray(POINTS_OFFSET));
  const sized = (type: number, name: string, size: number) => {
    const section = requireSection(sections, type, FORMAT);
    if (section.length === size) return section;
    throw refused(`section ${type} (${name}) has ${section.length} bytes, expected ${size}`);
  };
  const ic = sized(ZKEY_SECTION.ic, "IC", (nPublic + 1) * G1_BYTES);
  const contributions = requireSection(sections, ZKEY_SECTION.contributions, FORMAT);
  if (contributions.length < MIN_CONTRIBUTIONS_BYTES) {
    throw refused(`section 10 (contributions) has ${contributions.length} bytes, expected >= 68`);
  }
  const zkey: Zkey = {
    nVars,
    nPublic,
    domainSize,
    beta1: readG1(points, G1_BYTES),
    delta1: readG1(points, 2 * G1_BYTES + 2 * G2_BYTES),
    verificationKey: {
      alpha1: readG1(points, 0),
      beta2: readG2(points, 2 * G1_BYTES),
      gamma2: readG2(points, 2 * G1_BYTES + G2_BYTES),
      delta2: readG2(points, 3 * G1_BYTES + 2 * G2_BYTES),
      ic: Array.from({ length: nPublic + 1 }, (_, i) => readG1(viewOf(ic), i * G1_BYTES)),
    },
    coefficients: coefficientsOf(requireSection(sections, ZKEY_SECTION.coefficients, FORMAT)),
    a: sized(ZKEY_SECTION.a, "A", nVars * G1_BYTES),
    b1: sized(ZKEY_SECTION.b1, "B1", nVars * G1_BYTES),
    c: sized(ZKEY_SECTION.c, "C", (nVars - nPublic - 1) * G1_BYTES),
    h: sized(ZKEY_SECTION.h, "H", domainSize * G1_BYTES),
    b2: sized(ZKEY_SECTION.b2, "B2", nVars * G2_BYTES),
    isDevKey: bufferOf(contributions).includes(DEV_KEY_MARKER),
  };
  checkG1(header.subarray(POINTS_OFFSET, POINTS_OFFSET + 2 * G1_BYTES), "alpha or beta");
  checkG1(header.subarray(HEADER_BYTES - G1_BYTES - G2_BYTES, HEADER_BYTES - G2_BYTES), "delta");
  checkVerificationKey(zkey.verificationKey);
  checkCoefficients(zkey);
  for (const name of ["a", "b1", "c", "h"] as const) checkG1(zkey[name], name.toUpperCase());
  checkG2(zkey.b2, "B2");
  return zkey;
}

function parseCounts(header: Uint8Array) {
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
  const isPowerOfTwo = domainSize >= 2 && (domainSize & (domainSize - 1)) === 0;
  if (!isPowerOfTwo || domainSize > MAX_DOMAIN) {
    throw refused(`has domain size ${domainSize}, expected a power of two from 2 to ${MAX_DOMAIN}`);
  }
  return { nVars, nPublic, domainSize };
}

const WRONG_CURVE = "is over another curve, expected BN254 (circom --prime bn128)";

function coefficientsOf(section: Uint8Array): Uint8Array {
  const count = section.length < 4 ? 0 : viewOf(section).getUint32(0, true);
  const expected = 4 + count * COEFFICIENT_BYTES;
  if (section.length !== expected) {
    throw refused(
      `section 4 (coefficients) has ${section.length} bytes, expected ${expected} for ${count} entries`,
    );
  }
  return section.subarray(4);
}

function checkCoefficients({ coefficients, nVars, domainSize }: Zkey): void {
  const view = viewOf(coefficients);
  for (let at = 0; at < coefficients.length; at += COEFFICIENT_BYTES) {
    const matrix = view.getUint32(at, true);
    const constraint = view.getUint32(at + 4, true);
    const signal = view.getUint32(at + 8, true);
    const where = `coefficient ${at / COEFFICIENT_BYTES}`;
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

/** 3 times 2^768: with X = x R and Y = y R, y^2 = x^3 + 3 is Y^2 R = X^3 + 3 R^3. */
const G1_CONSTANT = (3n * MONTGOMERY ** 3n) % BASE_FIELD;

/** Checks each point in Montgomery form as it stands: no conversion, four multiplications. */
function checkG1(section: Uint8Array, name: string): void {
  const view = viewOf(section);
  for (let at = 0; at < section.length; at += G1_BYTES) {
    const x = readViewLE(view, at);
    const y = readViewLE(view, at + ELEMENT_BYTES);
    if (x === 0n && y === 0n) continue;
    const isGood =
      x < BASE_FIELD &&
      y < BASE_FIELD &&
      (y * y * MONTGOMERY - x * x * x - G1_CONSTANT) % BASE_FIELD === 0n;
    if (!isGood) throw offCurve(name, at / G1_BYTES);
  }
}

/** As G1_CONSTANT, for y^2 = x^3 + 3/(9+i). */
const G2_CONSTANT = FQ2.multiply([G1_CONSTANT, 0n], FQ2.invert([9n, 1n]));

/** As `checkG1`; Fq2 products are written out, because this is most of the time of a key's check. */
function checkG2(section: Uint8Array, name: string): void {
  const view = viewOf(section);
  const [constantReal, constantImaginary] = G2_CONSTANT;
  for (let at = 0; at < section.length; at += G2_BYTES) {
    const x0 = readViewLE(view, at);
    const x1 = readViewLE(view, at + ELEMENT_BYTES);
    const y0 = readViewLE(view, at + 2 * ELEMENT_BYTES);
    const y1 = readViewLE(view, at + 3 * ELEMENT_BYTES);
    if (x0 === 0n && x1 === 0n && y0 === 0n && y1 === 0n) continue;
    const isCanonical = x0 < BASE_FIELD && x1 < BASE_FIELD && y0 < BASE_FIELD && y1 < BASE_FIELD;
    // (u + v i)^2 = (u + v)(u - v) + 2uv i, and x^3 = x^2 x.
    const xx0 = (x0 + x1) * (x0 - x1);
    const xx1 = 2n * x0 * x1;
    const real = (y0 + y1) * (y0 - y1) * MONTGOMERY - (xx0 * x0 - xx1 * x1) - constantReal;
    const imaginary = 2n * y0 * y1 * MONTGOMERY - (xx0 * x1 + xx1 * x0) - constantImaginary;
    if (!isCanonical || real % BASE_FIELD !== 0n || imaginary % BASE_FIELD !== 0n) {
      throw offCurve(name, at / G2_BYTES);
    }
  }
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

function offCurve(section: string, index: number): WorkError {
  return refused(`point ${index} of section ${section} is not on BN254's curve`);
}

function refused(problem: string): WorkError {
  return new WorkError(FORMAT.code, `${FORMAT.magic} file: ${problem}`);
}
