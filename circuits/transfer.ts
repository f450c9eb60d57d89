import type { AccountKey } from "./account.ts";
import { poseidon } from "./poseidon.ts";

/** What a transfer slot does. An exit pays the owner of the account `to` on L1. */
export const TransferType = { noop: 0, transfer: 1, exit: 2 } as const;
export type TransferType = (typeof TransferType)[keyof typeof TransferType];

/** The published part of a transfer. All zero for a no-op. */
export interface TransferRecord {
  readonly type: TransferType;
  /** Sender's index, u32. */
  readonly from: number;
  /** Receiver's index, or the exit's payee, u32. */
  readonly to: number;
  /** gwei, u64. */
  readonly amount: bigint;
  /** gwei, u32. */
  readonly fee: bigint;
}

export interface Transfer extends TransferRecord {
  /** Last rollup block that may contain it; at most 2^32 - 1 blocks ahead of that block. */
  readonly validUntil: number;
}

/** EdDSA-Poseidon: s * Base8 = R8 + h * 8A. s is below the order of Base8, R8 is on the curve. */
export interface Signature {
  readonly s: bigint;
  readonly r8x: bigint;
  readonly r8y: bigint;
}

export interface SignedTransfer extends Transfer {
  /** The sender's nonce before this transfer, u64. */
  readonly nonce: bigint;
  /** pkHash of the account `to`: an L1 reorg can give its index to somebody else. */
  readonly recipient: bigint;
  /** The sender's key. */
  readonly key: AccountKey;
  readonly signature: Signature;
}

/** Bytes of a record: type u8 | from u32 | to u32 | amount u64 | fee u32, big-endian. */
export const RECORD_BYTES = 21;

/** Where validUntil stands above the record in the signed message: record < 2^168. */
const RECORD_BITS = 168n;

/** The record as one field element: the big-endian integer of its 21 bytes, below 2^168. */
export function recordElement(record: TransferRecord): bigint {
  return (
    BigInt(record.type) * 2n ** 160n +
    BigInt(record.from) * 2n ** 128n +
    BigInt(record.to) * 2n ** 96n +
    record.amount * 2n ** 32n +
    record.fee
  );
}

/** @throws RangeError if a field does not fit its width. */
export function encodeRecord(record: TransferRecord): Uint8Array {
  const widths: [name: string, value: bigint | number, bits: number][] = [
    ["type", record.type, 8],
    ["from", record.from, 32],
    ["to", record.to, 32],
    ["amount", record.amount, 64],
    ["fee", record.fee, 32],
  ];
  for (const [name, value, bits] of widths) {
    if (
      (typeof value === "number" && !Number.isInteger(value)) ||
      value < 0 ||
      value >= 2 ** bits
    ) {
      throw new RangeError(`record.${name}: expected an unsigned number of ${bits} bits`);
    }
  }
  const bytes = new Uint8Array(RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, record.type);
  view.setUint32(1, record.from);
  view.setUint32(5, record.to);
  view.setBigUint64(9, record.amount);
  view.setUint32(17, Number(record.fee));
  return bytes;
}

/** @throws RangeError unless there are 21 bytes, the type is 0 to 2, and a no-op is all zero. */
export function decodeRecord(bytes: Uint8Array): TransferRecord {
  if (bytes.length !== RECORD_BYTES) {
    throw new RangeError(`record: got ${bytes.length} bytes, expected ${RECORD_BYTES}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = view.getUint8(0);
  if (type !== 0 && type !== 1 && type !== 2) {
    throw new RangeError(`record: got type ${type}, expected 0 (no-op), 1 (transfer) or 2 (exit)`);
  }
  if (type === 0 && bytes.some((byte) => byte !== 0)) {
    throw new RangeError("record: a no-op has fields that are not zero");
  }
  return {
    type,
    from: view.getUint32(1),
    to: view.getUint32(5),
    amount: view.getBigUint64(9),
    fee: BigInt(view.getUint32(17)),
  };
}

/**
 * What the sender signs: Poseidon(domain, record + validUntil * 2^168, recipient, nonce).
 * Injective while record < 2^168 and validUntil < 2^33, which the circuit's range checks give.
 *
 * @param recipientPkHash pkHash of the account `to`.
 * @param nonce the sender's nonce before the transfer.
 * @throws RangeError if an argument of Poseidon is not a field element.
 */
export function transferMessage(
  domain: bigint,
  transfer: Transfer,
  recipientPkHash: bigint,
  nonce: bigint,
): bigint {
  const record = recordElement(transfer) + (BigInt(transfer.validUntil) << RECORD_BITS);
  return poseidon([domain, record, recipientPkHash, nonce]);
}
