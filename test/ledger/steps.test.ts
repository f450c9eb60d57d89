import { decodeAbiParameters, encodeAbiParameters, type Hex, sliceHex } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { recordTree } from "../../operator/ledger/batch.ts";
import type { Inbox } from "../../operator/ledger/inbox.ts";
import {
  encodeForced,
  encodeNoop,
  encodeRecord,
  NO_SIGNATURE,
  Opcode,
} from "../../operator/ledger/instruction.ts";
import { FEE_RECORD, HARD_SECONDS, type InboxTown, NOWHERE, openInbox } from "./inbox-town.ts";
import { flipped } from "./random-ledger.ts";
import { refuses } from "./refusal.ts";

const payment = (amount: bigint) => ({
  from: 1,
  to: 2,
  toOwner: NOWHERE,
  amount,
  fee: 1n,
  nonce: 0n,
  validUntilBatch: 9n,
});

const RECORDS = [
  encodeNoop(),
  encodeRecord(Opcode.transfer, payment(5n)),
  encodeRecord(Opcode.exit, payment(6n)),
  encodeRecord(Opcode.deposit, payment(7n)),
  encodeRecord(Opcode.forced, payment(8n), NO_SIGNATURE),
  FEE_RECORD,
];

const EVIDENCE = [
  { type: "uint64" },
  { type: "uint8" },
  { type: "bytes" },
  { type: "bytes32[]" },
] as const;

type Evidence = readonly [bigint, number, Hex, readonly Hex[]];
const pack = (evidence: Evidence): Hex => encodeAbiParameters(EVIDENCE, evidence);
const unpack = (evidence: Hex): Evidence => decodeAbiParameters(EVIDENCE, evidence);

let town: InboxTown;
let inbox: Inbox;

const at = (step: number, evidence: Hex) => town.inbox.read.instructionAt([BigInt(step), evidence]);

// Batch 1: steps 0 to 7, two entries and six records. Batch 2: step 8, one record.
// Batch 3: steps 9 and 10, two entries. Batch 4: steps 11 to 16, the records of batch 1.
beforeAll(async () => {
  town = await openInbox();
  await town.deposit(town.alice, 7, NOWHERE, 123n);
  await town.enforce(town.alice, encodeForced(Opcode.exit, payment(1n)));
  await town.commit(RECORDS);
  await town.commit();
  await town.enforce(town.alice, "0x");
  await town.enforce(town.bob, encodeForced(Opcode.transfer, payment(2n)));
  await town.control.increaseTime({ seconds: Number(HARD_SECONDS) });
  await (await town.as(town.bob)).write.forceInclude([4n]);
  await town.commit(RECORDS);
  inbox = await town.read();
});

afterAll(() => town.connection.close());

describe("inbox / the instruction of a step", () => {
  it("is what was queued or published, for each step, and its batch is found", async () => {
    expect(inbox.batchCount).toBe(4);
    expect([0, 1, 2, 3, 4].map((number) => inbox.cumulative(number))).toEqual([0, 8, 9, 11, 17]);
    for (let step = 0; step < 17; step++) {
      const { opcode, inputs } = inbox.instruction(step);
      expect(await at(step, inbox.evidence(step)), `step ${step}`).toEqual([opcode, inputs]);
      expect(await town.inbox.read.batchOf([BigInt(step)])).toBe(BigInt(inbox.batchOf(step)));
    }
    expect([...inbox.instructions(1, 3)]).toEqual([8, 9, 10].map((i) => inbox.instruction(i)));
  });

  it("is no deposit and no forced payment if a record says so: those are the queue's", async () => {
    const opcodes = await Promise.all(
      [0, 1, 2, 3, 4, 5, 6, 7].map(async (step) => (await at(step, inbox.evidence(step)))[0]),
    );
    expect(opcodes).toEqual([1, 4, 0, 2, 3, Opcode.unknown, Opcode.unknown, 5]);
  });

  it("is in one batch only: another batch's evidence does not reach it", async () => {
    const [, opcode, item, proof] = unpack(inbox.evidence(3));
    await refuses(at(12, pack([1n, opcode, item, proof])), "StepOutsideBatch", [12n, 0n, 8n]);
    await refuses(at(3, pack([4n, opcode, item, proof])), "StepOutsideBatch", [3n, 11n, 17n]);
    await refuses(at(8, inbox.evidence(7)), "StepOutsideBatch", [8n, 0n, 8n]);
    await refuses(at(7, inbox.evidence(8)), "StepOutsideBatch", [7n, 8n, 9n]);
    await refuses(at(3, pack([0n, opcode, item, proof])), "BatchUnknown", [0n, 4n]);
    await refuses(at(3, pack([5n, opcode, item, proof])), "BatchUnknown", [5n, 4n]);
    await refuses(at(17, inbox.evidence(16)), "StepOutsideBatch", [17n, 11n, 17n]);
    await refuses(town.inbox.read.batchOf([17n]), "StepOutsideBatch", [17n, 0n, 17n]);
  });

  it("is not another entry, not other bytes and not another opcode", async () => {
    const hashes = await Promise.all(
      [0n, 1n].map(async (id) => (await town.inbox.read.queueEntry([id]))[0]),
    );
    const [number, opcode, item] = unpack(inbox.evidence(0));
    const wrong: readonly (readonly [number, Hex])[] = [
      [1, inbox.evidence(0)],
      [0, inbox.evidence(1)],
      [0, pack([number, opcode, flipped(item, 77), []])],
      [0, pack([number, opcode, `${item}00`, []])],
      [0, pack([number, Opcode.forced, item, []])],
      [0, inbox.evidence(3)],
    ];
    for (const [step, evidence] of wrong) {
      const failure = await at(step, evidence).catch(({ message }: Error) => message);
      expect(failure).toContain("ItemMismatch");
      expect(failure).toContain(hashes[step]);
    }
  });

  it("is not another record, not another place and not another tree", async () => {
    const [number, opcode, item, proof] = unpack(inbox.evidence(3));
    const root = recordTree(RECORDS).root;
    const wrong: readonly Evidence[] = [
      [number, Opcode.exit, item, proof],
      [number, opcode, flipped(item, 500), proof],
      [number, opcode, item, [...proof].reverse()],
      unpack(inbox.evidence(4)),
    ];
    for (const evidence of wrong) {
      const failure = await at(3, pack(evidence)).catch(({ message }: Error) => message);
      expect(failure).toContain("OpeningMismatch");
      expect(failure).toContain(root);
    }
    for (const siblings of [[], proof.slice(1), [...proof, proof[0] as Hex]]) {
      const call = at(3, pack([number, opcode, item, siblings]));
      await refuses(call, "SiblingCount", [BigInt(siblings.length), 3n]);
    }
    for (const other of [sliceHex(item, 1), `${item}00` as const, "0x" as const]) {
      const length = BigInt(other.length / 2); // with the opcode
      await refuses(at(3, pack([number, opcode, other, proof])), "RecordLength", [length, 133n]);
    }
  });
});
