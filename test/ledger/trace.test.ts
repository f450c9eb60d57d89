import type { Hex } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Inbox } from "../../operator/ledger/inbox.ts";
import {
  encodeFeeRecord,
  encodeForced,
  encodeNoop,
  encodeRecord,
  Opcode,
  type Payment,
} from "../../operator/ledger/instruction.ts";
import { accountAt, genesisState } from "../../operator/ledger/state.ts";
import { Trace } from "../../operator/ledger/trace.ts";
import { HARD_SECONDS, type InboxTown, openInbox } from "./inbox-town.ts";
import { DOMAIN, ownerOf, signPayment, WALLETS } from "./random-ledger.ts";

const [ALICE, BOB] = [WALLETS[0], WALLETS[1]] as [
  (typeof WALLETS)[number],
  (typeof WALLETS)[number],
];

async function signedRecord(kind: 2 | 3, payment: Payment): Promise<Hex> {
  return encodeRecord(kind, payment, await signPayment(ALICE, kind, payment));
}

const pay = (nonce: bigint, changed: Partial<Payment> = {}): Payment => ({
  from: 1,
  to: 2,
  toOwner: ownerOf(BOB),
  amount: 100n,
  fee: 10n,
  nonce,
  validUntilBatch: 9n,
  ...changed,
});

let town: InboxTown;
let inbox: Inbox;

beforeAll(async () => {
  town = await openInbox();
  await town.deposit(town.alice, 1, ownerOf(ALICE), 1_000n);
  await town.deposit(town.alice, 1, ownerOf(BOB), 55n); // comes back as an exit
  await town.deposit(town.alice, 3, town.alice.account.address, 700n);
  await town.commit([
    await signedRecord(Opcode.transfer, pay(0n)),
    await signedRecord(Opcode.transfer, pay(0n)), // the same once more
    encodeNoop(),
    await signedRecord(Opcode.exit, pay(1n, { to: 0 })),
    encodeFeeRecord(4, ownerOf(BOB)),
  ]);
  const forced = pay(77n, { from: 3, to: 0, toOwner: ownerOf(BOB), amount: 650n, fee: 50n });
  await town.enforce(town.alice, encodeForced(Opcode.exit, forced));
  await town.enforce(town.bob, encodeForced(Opcode.exit, forced)); // not bob's account
  await town.control.increaseTime({ seconds: Number(HARD_SECONDS) });
  await (await town.as(town.bob)).write.forceInclude([5n]);
  await town.commit([encodeFeeRecord(4, ownerOf(BOB))]);
  inbox = await town.read();
});

afterAll(() => town.connection.close());

describe("ledger / from the inbox's logs to the state", () => {
  it("is one line of roots, step by step the contract's own", async () => {
    const vm = await town.viem.deployContract("LedgerVM", [DOMAIN.rollup, DOMAIN.sourceDomain]);
    const trace = await Trace.of(DOMAIN, genesisState(), inbox.instructions(0, inbox.batchCount));
    expect(trace.length).toBe(11);
    expect(trace.root(0)).toBe(await vm.read.genesisRoot());
    for (let step = 0; step < trace.length; step++) {
      const { preState, ...instruction } = await trace.witness(step);
      const [opcode, inputs] = await town.inbox.read.instructionAt([
        BigInt(step),
        inbox.evidence(step),
      ]);
      expect({ opcode, inputs }).toEqual(instruction);
      expect(await vm.read.preStateRoot([preState])).toBe(trace.root(step));
      const [root, isValid] = await vm.read.executeInstruction([opcode, inputs, preState]);
      expect(root).toBe(trace.root(step + 1));
      expect(isValid).toBe(trace.outcome(step) === "Done");
    }
  });

  it("ends where the users meant it to", async () => {
    const trace = await Trace.of(DOMAIN, genesisState(), inbox.instructions(0, inbox.batchCount));
    const ends = Array.from({ length: trace.length }, (_, step) => trace.outcome(step));
    expect(ends).toEqual([
      "Done",
      "OwnerMismatch",
      "Done",
      "Done",
      "NonceMismatch",
      "Done",
      "Done",
      "Done",
      "Done",
      "NotAuthorized",
      "Done",
    ]);
    const { accounts, exits, exitCount, l1Cursor, feePot } = trace.state(trace.length);
    expect([1, 2, 3, 4].map((slot) => accountAt(accounts, slot).balance)).toEqual([
      780n,
      100n,
      0n,
      70n,
    ]);
    expect([0, 1, 2].map((slot) => exits.get(slot)?.amount)).toEqual([55n, 100n, 650n]);
    expect([exitCount, l1Cursor, feePot]).toEqual([3n, 5n, 0n]);
    // What is in the ledger and what left it is what was deposited.
    expect(780n + 100n + 70n + 55n + 100n + 650n).toBe(await town.inbox.read.escrowWei());
  });

  it("has no state and no step outside of the trace", async () => {
    const trace = await Trace.of(DOMAIN, genesisState(), inbox.instructions(0, 1));
    expect(() => trace.state(9)).toThrow("step: got 9, expected 0 to 8");
    expect(() => trace.instruction(8)).toThrow("step: got 8, expected 0 to 7");
    expect(() => trace.outcome(-1)).toThrow("step: got -1");
    await expect(trace.witness(8)).rejects.toThrow("step: got 8");
  });

  it("has no step and no batch that the inbox has not", () => {
    expect(() => inbox.batchOf(11)).toThrow("step: got 11, expected less than 11");
    expect(() => inbox.batchOf(-1)).toThrow("step: got -1");
    expect(() => inbox.cumulative(4)).toThrow("batch: got 4, expected 1 to 3");
    expect(() => inbox.addBatch(4, [])).toThrow("queueTo: got 4, expected 5 to 5");
    expect(() => inbox.addBatch(6, [])).toThrow("queueTo: got 6, expected 5 to 5");
  });
});
