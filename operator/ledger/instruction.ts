// Bytes of the ledger's instructions: twin of contracts/ledger/TxCodec.sol, where the layouts are described.

import {
  type Address,
  bytesToBigInt,
  bytesToHex,
  concatHex,
  encodePacked,
  type Hex,
  hexToBytes,
  keccak256,
  numberToHex,
  size,
  stringToHex,
} from "viem";

/** What an instruction does. */
export const Opcode = {
  noop: 0,
  deposit: 1,
  transfer: 2,
  exit: 3,
  forced: 4,
  fee: 5,
  /** What a record becomes whose opcode records cannot have. */
  unknown: 255,
} as const;

export const RECORD_TAG = keccak256(stringToHex("proofmill.ledger.record.v1"));

export const BATCH_BYTES = 8;
export const PAYMENT_BYTES = 68;
export const RECORD_BYTES = 133;
export const DEPOSIT_BYTES = 60;
export const FORCED_BYTES = 89;
const SENDER_BYTES = 20;
const SIGNATURE_BYTES = 64;

/** One step of the VM. */
export interface Instruction {
  readonly opcode: number;
  /** Batch number as u64, then a record without its opcode or a queue item. */
  readonly inputs: Hex;
}

/** What moves money. Amount and fee are wei; `to` is an account, or an exit's domain (0 is L1). */
export interface Payment {
  readonly from: number;
  readonly to: number;
  readonly toOwner: Address;
  readonly amount: bigint;
  readonly fee: bigint;
  readonly nonce: bigint;
  readonly validUntilBatch: bigint;
}

export interface Deposit {
  readonly depositor: Address;
  readonly amount: bigint;
  readonly to: number;
  readonly toOwner: Address;
}

export const NO_SIGNATURE: Hex = `0x${"00".repeat(SIGNATURE_BYTES)}`;

/** @throws if a field does not fit into its bytes. */
export function encodePayment(payment: Payment): Hex {
  const { from, to, toOwner, amount, fee, nonce, validUntilBatch } = payment;
  return encodePacked(
    ["uint32", "uint32", "address", "uint128", "uint64", "uint64", "uint64"],
    [from, to, toOwner, amount, fee, nonce, validUntilBatch],
  );
}

/** @param packed at least 68 bytes; what follows is left unread. */
export function decodePayment(packed: Uint8Array): Payment {
  const part = (start: number, end: number) => packed.subarray(start, end);
  return {
    from: Number(bytesToBigInt(part(0, 4))),
    to: Number(bytesToBigInt(part(4, 8))),
    toOwner: bytesToHex(part(8, 28)),
    amount: bytesToBigInt(part(28, 44)),
    fee: bytesToBigInt(part(44, 52)),
    nonce: bytesToBigInt(part(52, 60)),
    validUntilBatch: bytesToBigInt(part(60, 68)),
  };
}

/** A record of a batch, 133 bytes. */
export function encodeRecord(opcode: number, payment: Payment, signature = NO_SIGNATURE): Hex {
  if (size(signature) !== SIGNATURE_BYTES) {
    throw new RangeError(
      `signature: got ${size(signature)} bytes, expected ${SIGNATURE_BYTES} (EIP-2098)`,
    );
  }
  return concatHex([numberToHex(opcode, { size: 1 }), encodePayment(payment), signature]);
}

/** The record that pays the collected fees out; every batch of the sequencer ends with it. */
export const encodeFeeRecord = (to: number, toOwner: Address): Hex =>
  encodeRecord(Opcode.fee, { ...NO_PAYMENT, to, toOwner });

/** The record that does nothing. */
export const encodeNoop = (): Hex => encodeRecord(Opcode.noop, NO_PAYMENT);

const NO_PAYMENT: Payment = {
  from: 0,
  to: 0,
  toOwner: `0x${"00".repeat(20)}`,
  amount: 0n,
  fee: 0n,
  nonce: 0n,
  validUntilBatch: 0n,
};

/** What `enforceInclusion` takes: opcode and payment, 69 bytes. */
export const encodeForced = (opcode: 2 | 3, payment: Payment): Hex =>
  concatHex([numberToHex(opcode, { size: 1 }), encodePayment(payment)]);

/** What the queue keeps of it: who asked, then the bytes. */
export const forcedItem = (authority: Address, transaction: Hex): Hex =>
  concatHex([authority, transaction]);

export function encodeDeposit({ depositor, amount, to, toOwner }: Deposit): Hex {
  return encodePacked(
    ["address", "uint128", "uint32", "address"],
    [depositor, amount, to, toOwner],
  );
}

/** @param packed 60 bytes. */
export function decodeDeposit(packed: Uint8Array): Deposit {
  return {
    depositor: bytesToHex(packed.subarray(0, 20)),
    amount: bytesToBigInt(packed.subarray(20, 36)),
    to: Number(bytesToBigInt(packed.subarray(36, 40))),
    toOwner: bytesToHex(packed.subarray(40, 60)),
  };
}

/** Leaf of a record in its batch's tree. */
export const recordLeaf = (record: Hex): Hex => keccak256(concatHex([RECORD_TAG, record]));

/** The instruction that a queue entry is. */
export const queueInstruction = (batch: bigint, opcode: number, item: Hex): Instruction => ({
  opcode,
  inputs: concatHex([numberToHex(batch, { size: BATCH_BYTES }), item]),
});

/** The instruction that a record is. Deposits and forced payments come from the queue alone. */
export function recordInstruction(batch: bigint, record: Hex): Instruction {
  const bytes = hexToBytes(record);
  if (bytes.length !== RECORD_BYTES) {
    throw new RangeError(`record: got ${bytes.length} bytes, expected ${RECORD_BYTES}`);
  }
  const opcode = bytes[0] as number;
  const isQueued = opcode === Opcode.deposit || opcode === Opcode.forced;
  return {
    opcode: isQueued ? Opcode.unknown : opcode,
    inputs: concatHex([numberToHex(batch, { size: BATCH_BYTES }), bytesToHex(bytes.subarray(1))]),
  };
}

/** A payment as an instruction holds it, and who vouches for it. */
export interface Order {
  /** Transfer or exit. */
  readonly kind: number;
  readonly batch: bigint;
  readonly payment: Payment;
  /** L1 sender of a forced payment. */
  readonly sender?: Address;
  /** r and vs of a signed one. */
  readonly signature?: Hex;
}

/** Undefined for inputs that are no payment. */
export function decodeSigned(opcode: number, inputs: Uint8Array): Order | undefined {
  if (inputs.length !== BATCH_BYTES + RECORD_BYTES - 1) return undefined;
  const body = inputs.subarray(BATCH_BYTES);
  return {
    kind: opcode,
    batch: batchOf(inputs),
    payment: decodePayment(body),
    signature: bytesToHex(body.subarray(PAYMENT_BYTES)),
  };
}

/** Undefined for what makes no sense. */
export function decodeForced(inputs: Uint8Array): Order | undefined {
  if (inputs.length !== BATCH_BYTES + FORCED_BYTES) return undefined;
  const item = inputs.subarray(BATCH_BYTES);
  const kind = item[SENDER_BYTES] as number;
  if (kind !== Opcode.transfer && kind !== Opcode.exit) return undefined;
  return {
    kind,
    batch: batchOf(inputs),
    payment: decodePayment(item.subarray(SENDER_BYTES + 1)),
    sender: bytesToHex(item.subarray(0, SENDER_BYTES)),
  };
}

const batchOf = (inputs: Uint8Array): bigint => bytesToBigInt(inputs.subarray(0, BATCH_BYTES));
