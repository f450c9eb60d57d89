/**
 * How the one-lane kernels hold an element of Fq: nine signed digits to the base 2^29, as i32, in
 * twelve lanes (the upper three zero), in Montgomery form with R = 2^261.
 *
 * Why it fits. WebAssembly multiplies 64 x 64 bits and keeps the low 64, so a column of nine products
 * of digits must stay below 2^63: with digits of absolute value 2^28, a product of two elements has
 * columns of 9 * 2^56, and fourteen of them may be added before one overflows. p has 253.6 bits and
 * R has 261, so values may be several p large and negative, and nothing is ever subtracted just to be
 * in [0, p). Two words describe every stored element:
 *
 *     carried    |digit| <= 2^28 + 1, the top digit excepted: true of everything in memory
 *     bound n    |value| < n p:       sums add their bounds; a product's operands have bound 4
 *
 * A product (`fq.multiply` and so on) comes out with bound 1, whatever went in. In bound 1 zero has
 * one spelling, all digits zero, because digits in [-2^28, 2^28) are unique and |value| < p.
 */
import { BASE_FIELD, invert, mod } from "../../field.ts";

export const LIMB_BITS = 29n;
export const LIMBS = 9;
/** Bytes of an element: three vectors of four lanes. */
export const FQ_BYTES = 48;

/** R of the Montgomery form. */
export const RADIX = 1n << (LIMB_BITS * BigInt(LIMBS));
export const RADIX_INVERSE = invert(RADIX, BASE_FIELD);

const HALF = 1n << (LIMB_BITS - 1n);

/** The signed digits of a value, lowest first; the top digit takes what is left. */
export function digitsOf(value: bigint): bigint[] {
  const digits: bigint[] = [];
  let rest = value;
  for (let i = 0; i < LIMBS - 1; i++) {
    const digit = BigInt.asIntN(Number(LIMB_BITS), rest);
    digits.push(digit);
    rest = (rest - digit) >> LIMB_BITS;
  }
  if (rest < -8n * HALF || rest >= 8n * HALF)
    throw new RangeError("got a value beyond nine digits");
  return [...digits, rest];
}

/** The value of digits, whatever their size. */
export function valueOfDigits(digits: readonly bigint[]): bigint {
  return digits.reduceRight((value, digit) => (value << LIMB_BITS) + digit, 0n);
}

/** The representative of a residue class with the smallest absolute value. */
export function nearest(value: bigint): bigint {
  const least = mod(value, BASE_FIELD);
  return 2n * least > BASE_FIELD ? least - BASE_FIELD : least;
}

/** Writes an element, as it stands (no change to Montgomery form). */
export function writeElement(view: DataView, address: number, value: bigint): void {
  for (const [i, digit] of digitsOf(value).entries()) {
    view.setInt32(address + 4 * i, Number(digit), true);
  }
  for (let i = LIMBS; i < FQ_BYTES / 4; i++) view.setInt32(address + 4 * i, 0, true);
}

/** The value of an element, as it stands. */
export function readElement(view: DataView, address: number): bigint {
  return valueOfDigits(
    Array.from({ length: LIMBS }, (_, i) => BigInt(view.getInt32(address + 4 * i, true))),
  );
}

export function toMontgomery(value: bigint): bigint {
  return nearest(value * RADIX);
}

export function fromMontgomery(value: bigint): bigint {
  return mod(value * RADIX_INVERSE, BASE_FIELD);
}
