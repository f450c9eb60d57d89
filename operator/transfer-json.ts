// A signed transfer as the HTTP API takes it. Numbers that may pass 2^53 are decimal strings.

import { type Address, getAddress, numberToHex } from "viem";
import { type SignedTransfer, TransferType } from "../circuits/transfer.ts";
import { OperatorError } from "./errors.ts";

export interface TransferJson {
  readonly type: "transfer" | "exit";
  readonly from: number;
  readonly to: number;
  readonly amountGwei: string;
  readonly feeGwei: string;
  /** Last rollup block that may contain it. */
  readonly validUntilBlock: number;
  readonly nonce: string;
  /** pkHash of the account `to`. */
  readonly recipient: string;
  readonly key: { readonly ax: string; readonly ay: string; readonly owner: Address };
  readonly signature: { readonly s: string; readonly r8x: string; readonly r8y: string };
}

export function formatTransfer(transfer: SignedTransfer): TransferJson {
  const { key, signature } = transfer;
  return {
    type: transfer.type === TransferType.exit ? "exit" : "transfer",
    from: transfer.from,
    to: transfer.to,
    amountGwei: String(transfer.amount),
    feeGwei: String(transfer.fee),
    validUntilBlock: transfer.validUntil,
    nonce: String(transfer.nonce),
    recipient: String(transfer.recipient),
    key: {
      ax: String(key.ax),
      ay: String(key.ay),
      owner: getAddress(numberToHex(key.owner, { size: 20 })),
    },
    signature: {
      s: String(signature.s),
      r8x: String(signature.r8x),
      r8y: String(signature.r8y),
    },
  };
}

/**
 * Reads what a stranger sent: exactly the fields of TransferJson, each of its form. Ranges are the mempool's business.
 *
 * @throws OperatorError FIELD_MALFORMED
 */
export function parseTransfer(value: unknown): SignedTransfer {
  const transfer = fieldsOf(value, "", [
    "type",
    "from",
    "to",
    "amountGwei",
    "feeGwei",
    "validUntilBlock",
    "nonce",
    "recipient",
    "key",
    "signature",
  ]);
  const key = fieldsOf(transfer.key, "key", ["ax", "ay", "owner"]);
  const signature = fieldsOf(transfer.signature, "signature", ["s", "r8x", "r8y"]);
  return {
    type: typeOf(transfer.type),
    from: wholeNumber(transfer.from, "from"),
    to: wholeNumber(transfer.to, "to"),
    amount: decimal(transfer.amountGwei, "amountGwei"),
    fee: decimal(transfer.feeGwei, "feeGwei"),
    validUntil: wholeNumber(transfer.validUntilBlock, "validUntilBlock"),
    nonce: decimal(transfer.nonce, "nonce"),
    recipient: decimal(transfer.recipient, "recipient"),
    key: {
      ax: decimal(key.ax, "key.ax"),
      ay: decimal(key.ay, "key.ay"),
      owner: address(key.owner, "key.owner"),
    },
    signature: {
      s: decimal(signature.s, "signature.s"),
      r8x: decimal(signature.r8x, "signature.r8x"),
      r8y: decimal(signature.r8y, "signature.r8y"),
    },
  };
}

function fieldsOf<Name extends string>(
  value: unknown,
  path: string,
  names: readonly Name[],
): Record<Name, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw malformed(path || "body", value, "a JSON object");
  }
  const inner = (name: string): string => (path ? `${path}.${name}` : name);
  for (const name of Object.keys(value)) {
    if (!names.includes(name as Name)) {
      throw malformed(inner(name.slice(0, 40)), undefined, `one of ${names.join(", ")}`);
    }
  }
  for (const name of names) {
    if (!Object.hasOwn(value, name)) throw malformed(inner(name), undefined, "a value");
  }
  return value as Record<Name, unknown>;
}

function typeOf(value: unknown): SignedTransfer["type"] {
  if (value === "transfer") return TransferType.transfer;
  if (value === "exit") return TransferType.exit;
  throw malformed("type", value, '"transfer" or "exit"');
}

function wholeNumber(value: unknown, path: string): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw malformed(path, value, "a whole number, not a string");
}

/** Longer than any field element: longer text is refused before it becomes a bigint. */
const DECIMAL_DIGITS_MAX = 78;

function decimal(value: unknown, path: string): bigint {
  const isDecimal = typeof value === "string" && /^(0|[1-9][0-9]*)$/.test(value);
  if (isDecimal && value.length <= DECIMAL_DIGITS_MAX) return BigInt(value);
  throw malformed(path, value, 'a whole number as a decimal string, like "1000"');
}

function address(value: unknown, path: string): bigint {
  if (typeof value === "string" && /^0x[0-9a-fA-F]{40}$/.test(value)) return BigInt(value);
  throw malformed(path, value, "an address, 0x and 40 hex digits");
}

/** What is quoted back of a stranger's input. */
const QUOTE_MAX = 60;

function malformed(path: string, value: unknown, expected: string): OperatorError {
  const got = value === undefined ? "nothing" : (JSON.stringify(value) ?? "?").slice(0, QUOTE_MAX);
  return new OperatorError("FIELD_MALFORMED", `${path}: got ${got}, expected ${expected}.`, {
    path,
    got,
    expected,
  });
}
