import { ELEMENT_BYTES, fromBytesBE, SCALAR_FIELD } from "../worker/field.ts";
import { type ErrorCode, ProverError } from "./errors.ts";
import type { FieldViolation } from "./field-violation.ts";

/** As many as an error reports; see status.ts. */
const VIOLATIONS_MAX = 8;

/**
 * Collects what is wrong with a request, so that a caller learns of several faults at once.
 * Readers return a stand-in after a fault: nothing read counts before `check` has passed.
 */
export class Violations {
  readonly #code: ErrorCode;
  readonly #found: FieldViolation[] = [];

  constructor(code: ErrorCode) {
    this.#code = code;
  }

  /** @param description  got, expected, what to do; without values that may be secret. */
  add(field: string, description: string): void {
    if (this.#found.length < VIOLATIONS_MAX) this.#found.push({ field, description });
  }

  /** @throws ProverError if anything was added. */
  check(): void {
    const first = this.#found[0];
    if (first === undefined) return;
    const more = this.#found.length - 1;
    const message = `${first.field}: ${first.description}${more > 0 ? ` (and ${more} more)` : ""}`;
    throw new ProverError(this.#code, message, { violations: this.#found });
  }

  /** A field element: 32 bytes, big-endian, below r. */
  element(bytes: Uint8Array, field: string): bigint {
    const value = this.uint(bytes, ELEMENT_BYTES, field);
    if (value >= SCALAR_FIELD) {
      this.add(field, "got a number of at least r, expected a field element below r = 21888…5617");
    }
    return value;
  }

  /** An unsigned number of exactly `length` bytes, big-endian. */
  uint(bytes: Uint8Array, length: number, field: string): bigint {
    if (bytes.length === length) return fromBytesBE(bytes);
    this.add(field, `got ${bytes.length} bytes, expected ${length}, big-endian`);
    return 0n;
  }

  /** Whether a list has from `least` to `most` entries. */
  count(list: readonly unknown[], least: number, most: number, field: string): boolean {
    if (list.length >= least && list.length <= most) return true;
    const expected = least === most ? `${least}` : `${least} to ${most}`;
    this.add(field, `got ${list.length} entries, expected ${expected}`);
    return false;
  }

  /** Whether a message field is set. */
  present<T>(value: T | undefined, field: string): value is T {
    if (value === undefined) this.add(field, "got nothing, expected it to be set");
    return value !== undefined;
  }
}
