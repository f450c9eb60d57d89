import { SCALAR_FIELD } from "../worker/field.ts";

/** True for the canonical form of a field element: a bigint in [0, r). */
export function isElement(value: unknown): value is bigint {
  return typeof value === "bigint" && value >= 0n && value < SCALAR_FIELD;
}

/** The canonical form of any integer: value mod r, in [0, r). */
export function toElement(value: bigint): bigint {
  const remainder = value % SCALAR_FIELD;
  return remainder < 0n ? remainder + SCALAR_FIELD : remainder;
}

/** True for a bigint in [0, 2^bits). */
export function isUint(value: unknown, bits: number): value is bigint {
  return typeof value === "bigint" && value >= 0n && value < 1n << BigInt(bits);
}

/** True for a whole number in [0, 2^bits), bits at most 53. */
export function isUintNumber(value: unknown, bits: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < 2 ** bits;
}
