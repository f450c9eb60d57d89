/**
 * BN254's two prime fields as bigints, and their byte encodings.
 *
 * circom's files are little-endian, Ethereum is big-endian, 32 bytes either way. "Canonical" means
 * below the modulus: two encodings of one element would be two proofs of one statement.
 */

/** r: order of the groups; witnesses, signals and scalars live here. 254 bits. */
export const SCALAR_FIELD =
  21888242871839275222246405745257275088548364400416034343698204186575808495617n;

/** q: coordinates of points live here. 254 bits. */
export const BASE_FIELD =
  21888242871839275222246405745257275088696311157297823662689037894645226208583n;

/** Bytes of one element of either field. */
export const ELEMENT_BYTES = 32;

/** Roots of unity of order 2^28 exist in the scalar field, and none of a larger power of two. */
export const SCALAR_TWO_ADICITY = 28;

/** The element at `offset`, little-endian; not reduced, so the caller decides what is canonical. */
export function readLE(bytes: Uint8Array, offset = 0): bigint {
  return readViewLE(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset);
}

/** As `readLE`, for loops that make one view of many elements. */
export function readViewLE(view: DataView, offset: number): bigint {
  return (
    view.getBigUint64(offset, true) |
    (view.getBigUint64(offset + 8, true) << 64n) |
    (view.getBigUint64(offset + 16, true) << 128n) |
    (view.getBigUint64(offset + 24, true) << 192n)
  );
}

/** Writes 32 bytes, little-endian. `value` must be in [0, 2^256). */
export function writeLE(bytes: Uint8Array, offset: number, value: bigint): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let k = 0; k < 4; k++) {
    view.setBigUint64(offset + 8 * k, (value >> BigInt(64 * k)) & 0xffff_ffff_ffff_ffffn, true);
  }
}

/** 32 bytes, little-endian. */
export function toBytesLE(value: bigint): Uint8Array {
  const bytes = new Uint8Array(ELEMENT_BYTES);
  writeLE(bytes, 0, value);
  return bytes;
}

/** 32 bytes, big-endian, as the EVM has its words. */
export function toBytesBE(value: bigint): Uint8Array {
  return toBytesLE(value).reverse();
}

/** The value of big-endian bytes (any number of them). */
export function fromBytesBE(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
}

/** The remainder in [0, modulus), also for negative values. */
export function mod(value: bigint, modulus: bigint): bigint {
  const remainder = value % modulus;
  return remainder < 0n ? remainder + modulus : remainder;
}

/** base^exponent mod modulus, exponent >= 0. */
export function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  let square = mod(base, modulus);
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}

/**
 * The multiplicative inverse modulo a prime, by Euclid's algorithm.
 *
 * @throws RangeError if `value` is 0 modulo `modulus`.
 */
export function invert(value: bigint, modulus: bigint): bigint {
  let [a, b] = [mod(value, modulus), modulus];
  let [x, y] = [1n, 0n];
  if (a === 0n) throw new RangeError("got 0, expected an invertible field element");
  while (a !== 1n) {
    const quotient = b / a;
    [a, b] = [b - quotient * a, a];
    [x, y] = [y - quotient * x, x];
  }
  return mod(x, modulus);
}

/**
 * Reads a field element from JSON: a decimal string without sign or leading zeros, as snarkjs writes
 * them. Nothing is reduced.
 *
 * @returns undefined if it is not such a string or not below `modulus`.
 */
export function parseDecimal(text: unknown, modulus: bigint): bigint | undefined {
  // 77 digits hold every 254-bit number; the bound also keeps a megabyte of digits from BigInt().
  if (typeof text !== "string" || !/^(0|[1-9][0-9]{0,76})$/.test(text)) return undefined;
  const value = BigInt(text);
  return value < modulus ? value : undefined;
}

/** Whether each 32-byte little-endian value is below the scalar field's order; the first that is not, or -1. */
export function firstNotScalar(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let offset = 0; offset < bytes.length; offset += ELEMENT_BYTES) {
    // The first word from the top that differs decides, nearly always the first of all: no bigint, of
    // which a hostile file could want one for each value.
    let i = SCALAR_FIELD_WORDS.length - 1;
    while (i > 0 && view.getUint32(offset + 4 * i, true) === SCALAR_FIELD_WORDS[i]) i--;
    const bound = SCALAR_FIELD_WORDS[i] as number;
    if (view.getUint32(offset + 4 * i, true) >= bound) return offset / ELEMENT_BYTES;
  }
  return -1;
}

/** r in 32-bit words, the lowest first. */
const SCALAR_FIELD_WORDS: readonly number[] = Array.from({ length: ELEMENT_BYTES / 4 }, (_, i) =>
  Number((SCALAR_FIELD >> BigInt(32 * i)) & 0xffff_ffffn),
);
