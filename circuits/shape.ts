import type { Account, AccountKey } from "./account.ts";
import { BatchError } from "./errors.ts";
import { isElement, isUint } from "./field.ts";

// Range checks on untrusted numbers: each throws BATCH_SHAPE with the field's path.

/** @throws BatchError unless the value is a bigint in [0, 2^bits). */
export function requireUint(value: bigint, bits: number, path: string): void {
  if (!isUint(value, bits)) refuse(path, value, `an unsigned number of ${bits} bits`);
}

/** @throws BatchError unless the value is a whole number in [low, end). */
export function requireWhole(value: number, low: number, end: number, path: string): void {
  if (!Number.isSafeInteger(value) || value < low || value >= end) {
    refuse(path, value, `a whole number from ${low} to ${end - 1}`);
  }
}

/** @throws BatchError unless the value is a canonical field element. */
export function requireElement(value: bigint, path: string): void {
  if (!isElement(value)) refuse(path, value, "a field element: at least 0 and below r");
}

/** @throws BatchError unless the value is an array of `low` to `high` objects or numbers. */
export function requireLength(
  values: readonly unknown[],
  low: number,
  high: number,
  path: string,
): void {
  const length = Array.isArray(values) ? values.length : undefined;
  if (length === undefined || length < low || length > high) {
    const expected = low === high ? `${low} entries` : `${low} to ${high} entries`;
    refuse(path, length === undefined ? "no list" : `${length} entries`, expected);
  }
}

/** @throws BatchError unless the value is an object. */
export function requireObject(value: object, path: string): void {
  if (typeof value !== "object" || value === null) refuse(path, typeof value, "an object");
}

/** @throws BatchError unless every part has its width. */
export function requireAccount(account: Account, path: string): void {
  requireObject(account, path);
  requireElement(account.pkHash, `${path}.pkHash`);
  requireUint(account.balance, 64, `${path}.balance`);
  requireUint(account.nonce, 64, `${path}.nonce`);
}

/** @throws BatchError unless the coordinates are field elements and the owner is an address. */
export function requireKey(key: AccountKey, path: string): void {
  requireObject(key, path);
  requireElement(key.ax, `${path}.ax`);
  requireElement(key.ay, `${path}.ay`);
  requireUint(key.owner, 160, `${path}.owner`);
}

function refuse(path: string, got: unknown, expected: string): never {
  const quotable = typeof got === "bigint" || typeof got === "number" ? got : describe(got);
  throw new BatchError("BATCH_SHAPE", path, { got: quotable, expected });
}

const describe = (value: unknown): string => (typeof value === "string" ? value : typeof value);
