// Batches as the inbox takes them: twin of contracts/inbox/DataAvailability.sol's reading of them.

import { bytesToHex, concatHex, type Hex, hexToBytes, numberToHex, sha256 } from "viem";
import { Opcode, RECORD_BYTES, recordLeaf } from "./instruction.ts";
import { MerkleTree } from "./merkle-tree.ts";

const HEADER_BYTES = 16;

/** Records that one batch can have at most. */
export const MAX_RECORDS = 1_024;

/** What the sequencer publishes. */
export interface BatchContent {
  /** From 1, without gaps. */
  readonly number: bigint;
  /** Id of the first queue entry behind the batch. */
  readonly queueTo: bigint;
  /** 133 bytes each, see TxCodec.sol; the last one is a FEE. */
  readonly records: readonly Hex[];
}

/** The tree over a batch's records: no deeper than they need. */
export const recordTree = (records: readonly Hex[]): MerkleTree =>
  MerkleTree.of(Math.ceil(Math.log2(records.length)), records.map(recordLeaf));

/** The arguments of `commitBatch`. @throws RangeError for a batch that the inbox would refuse. */
export function encodeBatch({ number, queueTo, records }: BatchContent): [Hex, Hex] {
  if (records.length === 0 || records.length > MAX_RECORDS) {
    throw new RangeError(`records: got ${records.length}, expected 1 to ${MAX_RECORDS}`);
  }
  const last = records.at(-1) as Hex;
  if (!last.startsWith(numberToHex(Opcode.fee, { size: 1 }))) {
    throw new RangeError("records: the last one must be a FEE");
  }
  const header = [numberToHex(number, { size: 8 }), numberToHex(queueTo, { size: 8 })];
  return [recordTree(records).root, concatHex([...header, ...records])];
}

/** The records of published bytes. */
export function decodeRecords(batchData: Hex): Hex[] {
  const bytes = hexToBytes(batchData);
  const records: Hex[] = [];
  for (let at = HEADER_BYTES; at < bytes.length; at += RECORD_BYTES) {
    records.push(bytesToHex(bytes.subarray(at, at + RECORD_BYTES)));
  }
  return records;
}

/** What the inbox stores of published bytes for proof systems. */
export const batchDataHash = (batchData: Hex): Hex => sha256(batchData);
