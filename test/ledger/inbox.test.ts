import {
  concatHex,
  encodeAbiParameters,
  getAddress,
  type Hex,
  keccak256,
  numberToHex,
  sha256,
  sliceHex,
  zeroAddress,
  zeroHash,
} from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { encodeBatch, recordTree } from "../../operator/ledger/batch.ts";
import {
  encodeDeposit,
  encodeForced,
  encodeNoop,
  encodeRecord,
  forcedItem,
  Opcode,
} from "../../operator/ledger/instruction.ts";
import {
  ENTRY_FEE_WEI,
  FEE_RECORD,
  HARD_SECONDS,
  type InboxTown,
  MAX_OPEN,
  NOWHERE,
  now,
  openInbox,
  SOFT_SECONDS,
} from "./inbox-town.ts";
import { refuses } from "./refusal.ts";

let town: InboxTown;

beforeEach(async () => {
  town = await openInbox();
});

afterEach(() => town.connection.close());

const PAYMENT = {
  from: 1,
  to: 2,
  toOwner: NOWHERE,
  amount: 5n,
  fee: 1n,
  nonce: 0n,
  validUntilBatch: 9n,
};
const FORCED = encodeForced(Opcode.transfer, PAYMENT);
const lower = (address: string) => address.toLowerCase() as Hex;

describe("inbox / enforceInclusion", () => {
  it("queues the bytes under the sender's name, and stores their hash and time", async () => {
    await town.enforce(town.alice, FORCED);
    const item = forcedItem(lower(town.alice.account.address), FORCED);
    const [hash, enqueuedAt] = await town.inbox.read.queueEntry([0n]);
    const tag = keccak256(new TextEncoder().encode("proofmill.inbox.entry.v1"));
    const words = [
      { type: "bytes32" },
      { type: "uint64" },
      { type: "uint8" },
      { type: "bytes32" },
    ] as const;
    expect(hash).toBe(
      keccak256(encodeAbiParameters(words, [tag, 0n, Opcode.forced, keccak256(item)])),
    );
    expect(enqueuedAt).toBe(await now(town));
    const [event] = await town.inbox.getEvents.EntryQueued();
    expect(event?.args).toEqual({ id: 0n, opcode: Opcode.forced, item });
    expect(await town.inbox.read.queueTail()).toBe(1n);
    expect(await town.inbox.read.escrowWei()).toBe(0n);
    // The same once more is another entry.
    await town.enforce(town.alice, FORCED);
    expect((await town.inbox.read.queueEntry([1n]))[0]).toBe(
      keccak256(encodeAbiParameters(words, [tag, 1n, Opcode.forced, keccak256(item)])),
    );
  });

  it("takes whatever bytes, also none, up to 256 of them", async () => {
    await town.enforce(town.alice, "0x");
    await town.enforce(town.alice, `0x${"ff".repeat(256)}`);
    expect(await town.inbox.read.queueTail()).toBe(2n);
    await refuses(town.enforce(town.alice, `0x${"ff".repeat(257)}`), "EntryTooLong", [257n, 256n]);
  });

  it("carries exactly the fee", async () => {
    const alice = await town.as(town.alice);
    for (const value of [0n, ENTRY_FEE_WEI - 1n, ENTRY_FEE_WEI + 1n]) {
      await refuses(alice.write.enforceInclusion([FORCED], { value }), "EntryFeeMismatch", [
        value,
        ENTRY_FEE_WEI,
      ]);
    }
  });

  it("is closed while as many entries wait as may, and open after a batch", async () => {
    for (let i = 0n; i < MAX_OPEN; i++) await town.enforce(town.alice, FORCED);
    await refuses(town.enforce(town.bob, FORCED), "QueueFull", [MAX_OPEN]);
    await refuses(town.deposit(town.bob, 1, NOWHERE, 1n), "QueueFull", [MAX_OPEN]);
    await town.commit([FEE_RECORD], 1n);
    await town.enforce(town.bob, FORCED);
    await refuses(town.enforce(town.bob, FORCED), "QueueFull", [MAX_OPEN]);
  });

  it("knows a contract by its alias, and an account that delegates its code by itself", async () => {
    const { alice, control, inbox } = town;
    const address = alice.account.address;
    const authority = async (code: Hex) => {
      await control.setCode({ address, bytecode: code });
      await control.impersonateAccount({ address });
      await town.enforce(alice, FORCED);
      const events = await inbox.getEvents.EntryQueued();
      return sliceHex(events[0]?.args.item as Hex, 0, 20);
    };
    const delegation: Hex = `0xef0100${"11".repeat(20)}`;
    expect(await authority("0x")).toBe(lower(address));
    expect(await authority(delegation)).toBe(lower(address));
    const probe = await town.viem.deployContract("AliasProbe");
    const offset = 0x1111000000000000000000000000000000001111n;
    const aliased = (BigInt(address) + offset) % 2n ** 160n;
    for (const code of ["0x00", `0x60${"00".repeat(22)}`] as const) {
      await control.setCode({ address, bytecode: code });
      expect(BigInt(await probe.read.authorityOf([address])), code).toBe(aliased);
    }
  });
});

describe("inbox / deposit", () => {
  it("queues everything beyond the fee, and holds it", async () => {
    await town.deposit(town.alice, 7, NOWHERE, 123n);
    const depositor = lower(town.alice.account.address);
    const [event] = await town.inbox.getEvents.EntryQueued();
    expect(event?.args).toEqual({
      id: 0n,
      opcode: Opcode.deposit,
      item: encodeDeposit({ depositor, amount: 123n, to: 7, toOwner: NOWHERE }),
    });
    expect(await town.inbox.read.escrowWei()).toBe(123n);
    expect(await town.client.getBalance({ address: town.inbox.address })).toBe(
      ENTRY_FEE_WEI + 123n,
    );
  });

  it("has something to deposit, and somebody to deposit for", async () => {
    const alice = await town.as(town.alice);
    for (const value of [0n, ENTRY_FEE_WEI]) {
      await refuses(alice.write.deposit([1, NOWHERE], { value }), "NothingToDeposit", [
        value,
        ENTRY_FEE_WEI,
      ]);
    }
    const value = ENTRY_FEE_WEI + 1n;
    await refuses(alice.write.deposit([1, zeroAddress], { value }), "DepositToNobody", []);
  });
});

describe("inbox / release", () => {
  it("is for the payer of exits alone, up to what was deposited", async () => {
    await town.deposit(town.alice, 7, NOWHERE, 100n);
    const bob = getAddress(town.bob.account.address);
    const payer = await town.as(town.exitPayer);
    await refuses((await town.as(town.bob)).write.release([bob, 1n]), "NotExitPayer", [
      bob,
      town.config.exitPayer,
    ]);
    await refuses(payer.write.release([bob, 101n]), "EscrowTooLow", [101n, 100n]);
    await payer.write.release([bob, 60n]);
    const [event] = await town.inbox.getEvents.EscrowReleased();
    expect(event?.args).toEqual({ account: bob, amountWei: 60n });
    await refuses(payer.write.release([bob, 41n]), "EscrowTooLow", [41n, 40n]);
    await payer.write.release([bob, 40n]);
    expect(await town.inbox.read.credits([bob])).toBe(100n);
    await (await town.as(town.bob)).write.withdrawCredit();
    expect(await town.client.getBalance({ address: town.inbox.address })).toBe(ENTRY_FEE_WEI);
    expect(await town.inbox.read.escrowWei()).toBe(0n);
  });
});

describe("inbox / commitBatch", () => {
  const records = [encodeNoop(), encodeRecord(Opcode.transfer, PAYMENT), FEE_RECORD];

  it("stores root, hash, count, queue end and time, and publishes the bytes", async () => {
    await town.deposit(town.alice, 7, NOWHERE, 100n);
    await town.enforce(town.alice, FORCED);
    await town.commit(records, 1n);
    const [batchRoot, batchData] = encodeBatch({ number: 1n, queueTo: 1n, records });
    expect(batchRoot).toBe(recordTree(records).root);
    expect(await town.inbox.read.batches([1n])).toEqual({
      txRoot: batchRoot,
      dataHash: sha256(batchData),
      cumulative: 4n,
      queueTo: 1n,
      timestamp: await now(town),
    });
    const [event] = await town.inbox.getEvents.BatchCommitted();
    expect(event?.args).toEqual({
      number: 1n,
      txRoot: batchRoot,
      cumulative: 4n,
      queueTo: 1n,
      batchData,
    });
    await town.commit(records);
    expect(await town.inbox.read.cumulative([2n])).toBe(8n);
    expect(await town.inbox.read.batchCount()).toBe(2n);
    expect(await town.inbox.read.queueHead()).toBe(2n);
  });

  it("is for the sequencer only", async () => {
    const alice = await town.as(town.alice);
    const batch = encodeBatch({ number: 1n, queueTo: 0n, records });
    await refuses(alice.write.commitBatch(batch), "NotSequencer", [
      getAddress(town.alice.account.address),
      town.config.sequencer,
    ]);
  });

  it("comes in order", async () => {
    const sequencer = await town.as(town.sequencer);
    for (const number of [0n, 2n]) {
      const batch = encodeBatch({ number, queueTo: 0n, records });
      await refuses(sequencer.write.commitBatch(batch), "BatchOutOfOrder", [number, 1n]);
    }
    await town.commit();
    const again = encodeBatch({ number: 1n, queueTo: 0n, records });
    await refuses(sequencer.write.commitBatch(again), "BatchOutOfOrder", [1n, 2n]);
  });

  it("has whole records, one to 1,024, and ends with a FEE", async () => {
    const sequencer = await town.as(town.sequencer);
    const send = (data: Hex) => sequencer.write.commitBatch([zeroHash, data]);
    const header = numberToHex(1n << 64n, { size: 16 });
    for (const tail of ["0x", "0x05", sliceHex(FEE_RECORD, 1), `${FEE_RECORD}00`] as const) {
      const data = concatHex([header, tail]);
      await refuses(send(data), "BatchDataLength", [BigInt(data.length / 2 - 1)]);
    }
    for (const data of ["0x", sliceHex(header, 1)] as const) {
      await refuses(send(data), "BatchDataLength", [BigInt(data.length / 2 - 1)]);
    }
    const tooMany = concatHex([header, ...Array<Hex>(1_025).fill(FEE_RECORD)]);
    await refuses(send(tooMany), "BatchDataLength", [16n + 1_025n * 133n]);
    const notFee = concatHex([header, FEE_RECORD, encodeNoop()]);
    await refuses(send(notFee), "LastRecordNotFee", [Opcode.noop]);
    await town.commit(Array<Hex>(1_024).fill(FEE_RECORD));
    expect(await town.inbox.read.cumulative([1n])).toBe(1_024n);
  });

  it("states the root of its records", async () => {
    const sequencer = await town.as(town.sequencer);
    const [root, data] = encodeBatch({ number: 1n, queueTo: 0n, records });
    await refuses(sequencer.write.commitBatch([zeroHash, data]), "BatchRootMismatch", [
      zeroHash,
      root,
    ]);
  });

  it("ends between head and tail of the queue", async () => {
    await town.enforce(town.alice, FORCED);
    await town.enforce(town.alice, FORCED);
    await refuses(town.commit(records, 3n), "QueueEndOutOfRange", [3n, 0n, 2n]);
    await town.commit(records, 1n);
    await refuses(town.commit(records, 0n), "QueueEndOutOfRange", [0n, 1n, 2n]);
    await town.commit(records, 1n);
    await town.commit(records, 2n);
  });

  it("passes over no entry from the second of its soft deadline on", async () => {
    await town.enforce(town.alice, FORCED);
    const dueAt = (await now(town)) + SOFT_SECONDS;
    await town.control.setNextBlockTimestamp({ timestamp: dueAt - 1n });
    await town.commit(records, 0n);
    await town.control.setNextBlockTimestamp({ timestamp: dueAt });
    await refuses(town.commit(records, 0n), "EntryDue", [0n, dueAt]);
    await town.commit(records, 1n);
  });
});

describe("inbox / forceInclude", () => {
  it("makes a batch of entries alone, by anybody, from the second of the hard deadline on", async () => {
    await town.enforce(town.alice, FORCED);
    await town.enforce(town.alice, FORCED);
    const forceableAt = (await now(town)) + HARD_SECONDS;
    const bob = await town.as(town.bob);
    await town.control.setNextBlockTimestamp({ timestamp: forceableAt - 1n });
    await refuses(bob.write.forceInclude([2n]), "EntryNotForceable", [1n, forceableAt]);
    // The refused one was simulated in a block at this time; the next is one second later.
    await town.control.setNextBlockTimestamp({ timestamp: forceableAt });
    await bob.write.forceInclude([2n]);
    expect(await town.inbox.read.batches([1n])).toEqual({
      txRoot: zeroHash,
      dataHash: zeroHash,
      cumulative: 2n,
      queueTo: 2n,
      timestamp: forceableAt,
    });
    const [event] = await town.inbox.getEvents.BatchForced();
    expect(event?.args).toEqual({ number: 1n, cumulative: 2n, queueTo: 2n });
    expect(await town.inbox.read.queueHead()).toBe(2n);
  });

  it("takes the overdue entries and leaves the others", async () => {
    await town.enforce(town.alice, FORCED);
    await town.control.increaseTime({ seconds: Number(HARD_SECONDS) - 60 });
    await town.enforce(town.alice, FORCED);
    const forceableAt = (await now(town)) + HARD_SECONDS;
    await town.control.increaseTime({ seconds: 60 });
    const bob = await town.as(town.bob);
    await refuses(bob.write.forceInclude([2n]), "EntryNotForceable", [1n, forceableAt]);
    await bob.write.forceInclude([1n]);
    expect(await town.inbox.read.queueHead()).toBe(1n);
    // The sequencer goes on behind it.
    await town.commit();
    expect(await town.inbox.read.cumulative([2n])).toBe(3n);
  });

  it("includes something, and nothing that is not there or done", async () => {
    const bob = await town.as(town.bob);
    await refuses(bob.write.forceInclude([0n]), "QueueEndOutOfRange", [0n, 1n, 0n]);
    await town.enforce(town.alice, FORCED);
    await town.control.increaseTime({ seconds: Number(HARD_SECONDS) });
    await refuses(bob.write.forceInclude([0n]), "QueueEndOutOfRange", [0n, 1n, 1n]);
    await refuses(bob.write.forceInclude([2n]), "QueueEndOutOfRange", [2n, 1n, 1n]);
    await bob.write.forceInclude([1n]);
    await refuses(bob.write.forceInclude([1n]), "QueueEndOutOfRange", [1n, 2n, 1n]);
  });
});

describe("inbox / what there is to read", () => {
  it("knows entries and batches, and no others", async () => {
    await refuses(town.inbox.read.queueEntry([0n]), "EntryUnknown", [0n, 0n]);
    await refuses(town.inbox.read.cumulative([1n]), "BatchUnknown", [1n, 0n]);
    await refuses(town.inbox.read.batches([1n]), "BatchUnknown", [1n, 0n]);
    expect(await town.inbox.read.cumulative([0n])).toBe(0n);
    expect(await town.inbox.read.config()).toEqual(town.config);
  });

  it("takes no money outside of its entrances", async () => {
    const plain = town.alice.sendTransaction({ to: town.inbox.address, value: 1n });
    await expect(plain).rejects.toThrow();
  });

  it.each([
    ["sequencer", { sequencer: zeroAddress }, 0n, 1n, 2n ** 160n - 1n],
    ["entryFeeWei", { entryFeeWei: 0n }, 0n, 1n, 10n ** 18n],
    ["entryFeeWei", { entryFeeWei: 10n ** 18n + 1n }, 10n ** 18n + 1n, 1n, 10n ** 18n],
    ["maxOpen", { maxOpen: 0n }, 0n, 1n, 4_096n],
    ["maxOpen", { maxOpen: 4_097n }, 4_097n, 1n, 4_096n],
    ["softDeadlineSeconds", { softDeadlineSeconds: 0n }, 0n, 1n, 2_591_999n],
    ["softDeadlineSeconds", { softDeadlineSeconds: 2_592_000n }, 2_592_000n, 1n, 2_591_999n],
    ["hardDeadlineSeconds", { hardDeadlineSeconds: 3_600n }, 3_600n, 3_601n, 2_592_000n],
    ["hardDeadlineSeconds", { hardDeadlineSeconds: 2_592_001n }, 2_592_001n, 3_601n, 2_592_000n],
  ] as const)("is not deployed with a wrong %s", async (field, changed, got, least, most) => {
    const args = [field, got, least, most];
    await refuses(openInbox(changed), "InboxConfigOutOfRange", args);
  });
});
