import { type Address, type Hex, keccak256 } from "viem";
import { isUint, isUintNumber, toElement } from "./field.ts";
import { type L1Item, L1Kind, l1Element } from "./l1.ts";
import type { CircuitParameters } from "./parameters.ts";
import { poseidon } from "./poseidon.ts";
import { CHALLENGE_TAG, CIRCUIT_TAG, ZK_TAG } from "./tags.ts";
import {
  decodeRecord,
  encodeRecord,
  RECORD_BYTES,
  recordElement,
  type TransferRecord,
} from "./transfer.ts";
import { wordsToHex } from "./words.ts";

// What binds the published data to the proof. docs/data-encoding.md has every byte, and the argument.

/** Everything that a batch publishes or takes from the contract. Fewer items or transfers than slots: the rest is empty. */
export interface BatchData {
  /** `rollupDomain`. */
  readonly domain: bigint;
  /** Number of the rollup block, u32. */
  readonly blockNumber: number;
  /** Account that is credited with all fees, u32. */
  readonly feeIndex: number;
  readonly l1Items: readonly L1Item[];
  readonly transfers: readonly TransferRecord[];
}

/** The circuit version that enters c_0 and the circuit id. */
const CIRCUIT_VERSION = 1n;

/** Elements of d that one Poseidon(16) of the commitment takes in, beside the running value. */
const COMMIT_CHUNK = 15;

/**
 * d = domain, blockNumber, feeIndex, then for each L1 slot (kind | index | amount, ax, ay, owner), then one element
 * for each record: 3 + 4 * nDeposits + nTx field elements.
 *
 * @throws RangeError if there are more items or transfers than slots.
 */
export function dataElements(parameters: CircuitParameters, data: BatchData): bigint[] {
  checkCounts(parameters, data);
  const d = [data.domain, BigInt(data.blockNumber), BigInt(data.feeIndex)];
  for (let slot = 0; slot < parameters.nDeposits; slot++) {
    const item = data.l1Items[slot];
    if (item === undefined) d.push(0n, 0n, 0n, 0n);
    else d.push(l1Element(item), item.key.ax, item.key.ay, item.key.owner);
  }
  for (let slot = 0; slot < parameters.nTx; slot++) {
    const transfer = data.transfers[slot];
    d.push(transfer === undefined ? 0n : recordElement(transfer));
  }
  // Out of range only in batches that a test forges.
  return d.map(toElement);
}

/** D: keccak256 over d as 32-byte big-endian words. */
export function dataDigest(d: readonly bigint[]): Hex {
  return keccak256(wordsToHex(d));
}

/** h: Poseidon(16) chained over d in chunks of 15, the last one padded with zeros, from c_0 = version and sizes. */
export function commitData(parameters: CircuitParameters, d: readonly bigint[]): bigint {
  const { nTx, levels, nDeposits } = parameters;
  let chain =
    (CIRCUIT_VERSION << 96n) + (BigInt(nTx) << 64n) + (BigInt(levels) << 32n) + BigInt(nDeposits);
  for (let at = 0; at < d.length; at += COMMIT_CHUNK) {
    const chunk = d.slice(at, at + COMMIT_CHUNK);
    chain = poseidon([chain, ...chunk, ...Array(COMMIT_CHUNK - chunk.length).fill(0n)]);
  }
  return chain;
}

/** z: keccak256(abi.encode(CHALLENGE_TAG, circuit id, D, h)) mod r. */
export function challenge(parameters: CircuitParameters, digest: Hex, h: bigint): bigint {
  const words = [CHALLENGE_TAG, circuitIdHash(parameters), digest].map(BigInt);
  return toElement(BigInt(keccak256(wordsToHex([...words, h]))));
}

/** y: the polynomial with coefficients d, lowest first, at z. */
export function evaluate(d: readonly bigint[], z: bigint): bigint {
  return d.reduceRight((sum, element) => toElement(sum * z + element), 0n);
}

export interface DataBinding {
  readonly digest: Hex;
  readonly h: bigint;
  readonly z: bigint;
  readonly y: bigint;
}

/** h, D, z and y of d. */
export function bindData(parameters: CircuitParameters, d: readonly bigint[]): DataBinding {
  const h = commitData(parameters, d);
  const digest = dataDigest(d);
  const z = challenge(parameters, digest, h);
  return { digest, h, z, y: evaluate(d, z) };
}

/** The rollup's domain, 248 bits: keccak256(abi.encode(ZK_TAG, chainId, rollup)) >> 8. */
export function rollupDomain(chainId: number | bigint, rollup: Address): bigint {
  return BigInt(keccak256(wordsToHex([BigInt(ZK_TAG), BigInt(chainId), BigInt(rollup)]))) >> 8n;
}

/** CIRCUIT_ID: keccak256(abi.encode(CIRCUIT_TAG, version, nTx, levels, nDeposits)). */
export function circuitIdHash(parameters: CircuitParameters): Hex {
  const sizes = [parameters.nTx, parameters.levels, parameters.nDeposits].map(BigInt);
  return keccak256(wordsToHex([BigInt(CIRCUIT_TAG), CIRCUIT_VERSION, ...sizes]));
}

/** The published bytes, taken apart. */
export interface TxData {
  readonly feeIndex: number;
  /** How many entries of the queue the block takes in, from its head. */
  readonly l1Count: number;
  /** gwei; one for each forced exit among these entries, in order. */
  readonly exitAmounts: readonly bigint[];
  /** One for each transfer slot, no-ops included. */
  readonly records: readonly TransferRecord[];
}

/**
 * txData, the bytes that commitBlock publishes: feeIndex u32 | l1Count u8 | for each forced exit among the items its
 * amount u64 | nTx records of 21 bytes. Big-endian.
 *
 * @throws RangeError if there are more items or transfers than slots, or a field does not fit its width.
 */
export function encodeTxData(
  parameters: CircuitParameters,
  data: Pick<BatchData, "feeIndex" | "l1Items" | "transfers">,
): Uint8Array {
  checkCounts(parameters, data);
  const amounts = data.l1Items.filter(isForcedExit).map((item) => item.amount);
  if (!isUintNumber(data.feeIndex, 32) || !amounts.every((amount) => isUint(amount, 64))) {
    throw new RangeError("txData: feeIndex needs 32 bits and each exit's amount 64");
  }
  const bytes = new Uint8Array(txDataBytes(parameters, amounts.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.feeIndex);
  view.setUint8(4, data.l1Items.length);
  amounts.forEach((amount, i) => {
    view.setBigUint64(HEADER_BYTES + i * EXIT_AMOUNT_BYTES, amount);
  });
  const recordsAt = HEADER_BYTES + amounts.length * EXIT_AMOUNT_BYTES;
  data.transfers.forEach((transfer, i) => {
    bytes.set(encodeRecord(transfer), recordsAt + i * RECORD_BYTES);
  });
  return bytes;
}

/**
 * Takes published bytes apart.
 *
 * @param queueKinds kinds of the contract's queue entries from its head on, at least as many as the block takes in.
 * @throws RangeError unless the bytes are what `encodeTxData` can give, to the exact length.
 */
export function decodeTxData(
  parameters: CircuitParameters,
  txData: Uint8Array,
  queueKinds: readonly L1Kind[],
): TxData {
  if (txData.length < HEADER_BYTES) {
    throw new RangeError(`txData: got ${txData.length} bytes, expected at least ${HEADER_BYTES}`);
  }
  const view = new DataView(txData.buffer, txData.byteOffset, txData.byteLength);
  const l1Count = view.getUint8(4);
  if (l1Count > Math.min(parameters.nDeposits, queueKinds.length)) {
    throw new RangeError(
      `txData: got l1Count ${l1Count}, expected at most ${parameters.nDeposits} (slots) and ${queueKinds.length} (queue)`,
    );
  }
  const exitCount = queueKinds
    .slice(0, l1Count)
    .filter((kind) => kind === L1Kind.forcedExit).length;
  const expectedBytes = txDataBytes(parameters, exitCount);
  if (txData.length !== expectedBytes) {
    throw new RangeError(`txData: got ${txData.length} bytes, expected ${expectedBytes}`);
  }
  const recordsAt = HEADER_BYTES + exitCount * EXIT_AMOUNT_BYTES;
  return {
    feeIndex: view.getUint32(0),
    l1Count,
    exitAmounts: Array.from({ length: exitCount }, (_, i) =>
      view.getBigUint64(HEADER_BYTES + i * EXIT_AMOUNT_BYTES),
    ),
    records: Array.from({ length: parameters.nTx }, (_, i) =>
      decodeRecord(
        txData.subarray(recordsAt + i * RECORD_BYTES, recordsAt + (i + 1) * RECORD_BYTES),
      ),
    ),
  };
}

const HEADER_BYTES = 5;
const EXIT_AMOUNT_BYTES = 8;

const txDataBytes = (parameters: CircuitParameters, exitCount: number): number =>
  HEADER_BYTES + exitCount * EXIT_AMOUNT_BYTES + parameters.nTx * RECORD_BYTES;

const isForcedExit = (item: L1Item): boolean => item.kind === L1Kind.forcedExit;

/** transactionsHash: keccak256 over the published bytes. */
export function transactionsHash(txData: Uint8Array): Hex {
  return keccak256(txData);
}

/** @throws RangeError if there are more items or transfers than slots. */
function checkCounts(
  parameters: CircuitParameters,
  data: Pick<BatchData, "l1Items" | "transfers">,
): void {
  if (data.l1Items.length > parameters.nDeposits || data.transfers.length > parameters.nTx) {
    throw new RangeError(
      `batch: got ${data.l1Items.length} L1 items and ${data.transfers.length} transfers, ` +
        `circuit ${parameters.id} has ${parameters.nDeposits} and ${parameters.nTx} slots`,
    );
  }
}
