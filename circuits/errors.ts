/**
 * Why a batch is refused.
 *
 * | code | meaning |
 * |---|---|
 * | BATCH_SHAPE | a count, a length or a number's range |
 * | BATCH_PATH | an opening does not lead to prevRoot, or a touched account is not opened |
 * | BATCH_SIGNATURE | the signature does not verify |
 * | BATCH_BALANCE | overspend, or a balance would pass 2^64 - 1 gwei |
 * | BATCH_NONCE | not the sender's next nonce |
 * | BATCH_EXPIRED | validUntil lies before the block, or too far behind it |
 * | BATCH_ACCOUNT | sender, receiver or fee account is unregistered, or has another key |
 * | BATCH_L1 | an L1 item that this state cannot satisfy |
 */
export type BatchErrorCode =
  | "BATCH_SHAPE"
  | "BATCH_PATH"
  | "BATCH_SIGNATURE"
  | "BATCH_BALANCE"
  | "BATCH_NONCE"
  | "BATCH_EXPIRED"
  | "BATCH_ACCOUNT"
  | "BATCH_L1";

/** Any value that a refusal may quote. Signatures are never quoted. */
export type Quotable = string | number | bigint | undefined;

export interface BatchFault {
  readonly got?: Quotable;
  readonly expected?: Quotable;
  /** What the caller can do, as a sentence. */
  readonly advice?: string;
}

/** A batch is refused: the only error that executing untrusted input throws. */
export class BatchError extends Error {
  override readonly name = "BatchError";
  readonly code: BatchErrorCode;
  /** The field at fault, for example `transfers[2].signature`. */
  readonly path: string;
  readonly got: string | undefined;
  readonly expected: string | undefined;

  constructor(code: BatchErrorCode, path: string, fault: BatchFault = {}) {
    const got = fault.got === undefined ? undefined : quote(fault.got);
    const expected = fault.expected === undefined ? undefined : quote(fault.expected);
    const facts = [
      got === undefined ? undefined : `got ${got}`,
      expected === undefined ? undefined : `expected ${expected}`,
    ].filter((fact) => fact !== undefined);
    const sentences = [facts.join(", "), fault.advice].filter((part) => part);
    super(`${path}: ${sentences.join(". ") || "refused"}`);
    this.code = code;
    this.path = path;
    this.got = got;
    this.expected = expected;
  }
}

// The decimal form of a field element has 77 digits. Longer numbers come from a hostile caller, and writing a
// bigint in decimal takes more than linear time, so they are measured and not printed.
const QUOTED_BITS_MAX = 256n;
const QUOTED_LENGTH_MAX = 160;

function quote(value: Exclude<Quotable, undefined>): string {
  if (typeof value === "bigint") {
    const limit = 1n << QUOTED_BITS_MAX;
    if (value >= limit || value <= -limit) return `a number of more than ${QUOTED_BITS_MAX} bits`;
    return value.toString();
  }
  const text = String(value);
  return text.length <= QUOTED_LENGTH_MAX ? text : `${text.slice(0, QUOTED_LENGTH_MAX)}…`;
}
