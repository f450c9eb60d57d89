// The inbox as its logs tell it: every instruction of the ledger in its order, with the evidence of each.

import { type Address, encodeAbiParameters, type Hex, type PublicClient, sliceHex } from "viem";
import { decodeRecords, recordTree } from "./batch.ts";
import { type Instruction, queueInstruction, recordInstruction } from "./instruction.ts";
import { INBOX_ABI } from "./ledger-abi.ts";

/** An entry of the queue. */
export interface QueueEntry {
  readonly opcode: number;
  readonly item: Hex;
}

interface KnownBatch {
  /** First step. */
  readonly first: number;
  /** Id of the first queue entry, and how many. */
  readonly queueFrom: number;
  readonly entries: number;
  readonly records: readonly Hex[];
}

const EVIDENCE = [
  { type: "uint64" },
  { type: "uint8" },
  { type: "bytes" },
  { type: "bytes32[]" },
] as const;

export class Inbox {
  private readonly queue: QueueEntry[] = [];
  private readonly known: KnownBatch[] = [];

  /** Batches so far; they are numbered from 1. */
  get batchCount(): number {
    return this.known.length;
  }

  /** Steps of a batch and all before it; 0 for batch 0. */
  cumulative(number: number): number {
    if (number === 0) return 0;
    const { first, entries, records } = this.batch(number);
    return first + entries + records.length;
  }

  addEntry(entry: QueueEntry): void {
    this.queue.push(entry);
  }

  /** @param records empty for a batch that was forced. */
  addBatch(queueTo: number, records: readonly Hex[]): void {
    const last = this.known.at(-1);
    const queueFrom = last === undefined ? 0 : last.queueFrom + last.entries;
    if (queueTo < queueFrom || queueTo > this.queue.length) {
      throw new RangeError(
        `queueTo: got ${queueTo}, expected ${queueFrom} to ${this.queue.length}`,
      );
    }
    const first = this.cumulative(this.batchCount);
    this.known.push({ first, queueFrom, entries: queueTo - queueFrom, records });
  }

  /** The batch that contains a step. */
  batchOf(step: number): number {
    let [before, number] = [0, this.batchCount];
    if (step < 0 || step >= this.cumulative(number)) {
      throw new RangeError(`step: got ${step}, expected less than ${this.cumulative(number)}`);
    }
    while (number - before > 1) {
      const middle = before + Math.floor((number - before) / 2);
      if (this.cumulative(middle) <= step) before = middle;
      else number = middle;
    }
    return number;
  }

  /** What a step executes. */
  instruction(step: number): Instruction {
    const { number, entry, record } = this.find(step);
    if (entry !== undefined) return queueInstruction(BigInt(number), entry.opcode, entry.item);
    return recordInstruction(BigInt(number), record);
  }

  /** The instructions of the batches behind `from` up to and with `to`. */
  *instructions(from: number, to: number): Generator<Instruction> {
    for (let step = this.cumulative(from); step < this.cumulative(to); step++) {
      yield this.instruction(step);
    }
  }

  /** What shows the contract which instruction a step is. */
  evidence(step: number): Hex {
    const { number, batch, entry, record, place } = this.find(step);
    if (entry !== undefined) {
      return encodeAbiParameters(EVIDENCE, [BigInt(number), entry.opcode, entry.item, []]);
    }
    const proof = recordTree(batch.records).siblings(place - batch.entries);
    const opcode = Number(sliceHex(record, 0, 1));
    return encodeAbiParameters(EVIDENCE, [BigInt(number), opcode, sliceHex(record, 1), proof]);
  }

  private find(step: number) {
    const number = this.batchOf(step);
    const batch = this.batch(number);
    const place = step - batch.first;
    const entry = place < batch.entries ? this.queue[batch.queueFrom + place] : undefined;
    return { number, batch, place, entry, record: batch.records[place - batch.entries] as Hex };
  }

  private batch(number: number): KnownBatch {
    const batch = this.known[number - 1];
    if (batch === undefined) {
      throw new RangeError(`batch: got ${number}, expected 1 to ${this.batchCount}`);
    }
    return batch;
  }
}

/** The inbox up to a block, out of its logs. Which block is safe to build on is for the caller. */
export async function readInbox(
  client: Pick<PublicClient, "getContractEvents">,
  address: Address,
  range: { readonly fromBlock: bigint; readonly toBlock: bigint },
): Promise<Inbox> {
  const logs = await client.getContractEvents({ address, abi: INBOX_ABI, strict: true, ...range });
  const inbox = new Inbox();
  for (const { eventName, args } of logs) {
    if (eventName === "EntryQueued") inbox.addEntry({ opcode: args.opcode, item: args.item });
    if (eventName === "BatchForced") inbox.addBatch(Number(args.queueTo), []);
    if (eventName === "BatchCommitted") {
      inbox.addBatch(Number(args.queueTo), decodeRecords(args.batchData));
    }
  }
  return inbox;
}
