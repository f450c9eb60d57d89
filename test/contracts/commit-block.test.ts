import { getAddress, type Hex, keccak256, numberToHex, parseEventLogs, size, slice } from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { challenge, dataDigest } from "../../circuits/data.ts";
import { SCALAR_FIELD } from "../../worker/field.ts";
import { refuses } from "./reverts.ts";
import {
  GWEI,
  type MadeBlock,
  openRollup,
  record,
  type TestRollup,
  WINDOW_SECONDS,
} from "./rollup.ts";

let town: TestRollup;

/** Positions of the signals. */
const Z = 3n;
const Y = 4n;

beforeEach(async () => {
  town = await openRollup();
});

afterEach(() => town.connection.close());

describe("contracts / commitBlock", () => {
  it("appends a block and reports it", async () => {
    await town.register(town.alice);
    const block = await town.makeBlock({ l1Count: 1, newRoot: 77n });
    const hash = await town.commit(block);
    const { logs } = await town.client.getTransactionReceipt({ hash });
    expect(
      parseEventLogs({ abi: town.rollup.abi, logs }).map(({ eventName, args }) => ({
        eventName,
        args,
      })),
    ).toEqual([
      { eventName: "BlockCommitted", args: { blockNumber: 1n, stateRoot: block.newStateRoot } },
      {
        eventName: "BlockData",
        args: { blockNumber: 1n, firstItem: 0n, itemCount: 1, txData: block.txData },
      },
    ]);
    const { timestamp } = await town.client.getBlock();
    expect(await town.rollup.read.blocks([1n])).toEqual([
      block.newStateRoot,
      block.transactionsHash,
      1n,
      timestamp,
      town.config.operator,
    ]);
    expect(await town.rollup.read.currentStateRoot()).toBe(block.newStateRoot);
    expect(await town.rollup.read.blockCount()).toBe(1n);
    expect(await town.rollup.read.queueHead()).toBe(1n);
    expect(await town.rollup.read.firstItemOf([1n])).toBe(0n);
  });

  it("keeps every block for reading, and knows of no other", async () => {
    await town.commit(await town.makeBlock({ newRoot: 5n }));
    await town.commit(await town.makeBlock({ newRoot: 6n }));
    const roots = [0n, 1n, 2n].map(async (n) => (await town.rollup.read.blocks([n]))[0]);
    expect(await Promise.all(roots)).toEqual([
      town.genesis,
      numberToHex(5, { size: 32 }),
      numberToHex(6, { size: 32 }),
    ]);
    await refuses(town.rollup.read.blocks([3n]), "BlockUnknown", [3n, 2n]);
    await refuses(town.rollup.read.firstItemOf([3n]), "BlockUnknown", [3n, 2n]);
  });

  it("takes blocks from the operator only, so that nobody else redirects the fees", async () => {
    const block = await town.makeBlock();
    const { operator } = town.config;
    await refuses(town.commit(block, town.alice), "NotOperator", [
      getAddressOf(town.alice),
      operator,
    ]);
    await refuses(town.commit(block, town.deployer), "NotOperator", [
      getAddressOf(town.deployer),
      operator,
    ]);
  });

  it("refuses bytes that are longer or shorter than header and circuit say", async () => {
    const block = await town.makeBlock({ transfers: [record()] });
    const exact = BigInt(size(block.txData));
    for (const change of [-1, 1, -21, 21]) {
      const bytes =
        change > 0 ? `${block.txData}${"00".repeat(change)}` : block.txData.slice(0, 2 * change);
      const other = withBytes(block, bytes as Hex);
      await refuses(town.commit(other), "TxDataLength", [exact + BigInt(change), exact]);
    }
    const stub = withBytes(block, slice(block.txData, 0, 4));
    await refuses(town.commit(stub), "TxDataLength", [4n, 5n]);
    await refuses(town.commit(withBytes(block, "0x")), "TxDataLength", [0n, 5n]);
  });

  it("wants an amount for each forced exit, and for nothing else", async () => {
    const index = await town.register(town.alice);
    await (await town.as(town.alice)).write.requestExit([index], {
      value: town.config.entryFeeWei,
    });
    const block = await town.makeBlock({ l1Count: 2, exitAmounts: [3n] });
    expect(size(block.txData)).toBe(5 + 8 + 3 * 21);
    const without = slice(block.txData, 0, 5) + block.txData.slice(2 + 2 * 13);
    await refuses(town.commit(withBytes(block, without as Hex)), "TxDataLength", [68n, 76n]);
    await town.commit(block);
  });

  it("refuses a transactionsHash that is not the hash of the bytes", async () => {
    const block = await town.makeBlock();
    const other = numberToHex(1, { size: 32 });
    await refuses(town.commit({ ...block, transactionsHash: other }), "TransactionsHashMismatch", [
      other,
      block.transactionsHash,
    ]);
  });

  it("refuses other bytes under the same proof, even with their right hash", async () => {
    const block = await town.makeBlock({ transfers: [record({ amount: 10n })] });
    const other = await town.makeBlock({ transfers: [record({ amount: 11n })] });
    const swapped = { ...other, publicSignals: block.publicSignals };
    const call = town.commit(swapped);
    const z = expectedZ(block, other.d);
    await refuses(call, "SignalMismatch", [Z, block.publicSignals[3], z]);
  });

  it("refuses a previous root that is not the current one", async () => {
    const block = await town.makeBlock();
    const [prev, ...rest] = block.publicSignals;
    const publicSignals = [prev + 1n, ...rest] as unknown as typeof block.publicSignals;
    await refuses(town.commit({ ...block, publicSignals }), "SignalMismatch", [
      0n,
      prev + 1n,
      prev,
    ]);
  });

  it("refuses a new root that is not the proven one", async () => {
    const block = await town.makeBlock({ newRoot: 5n });
    const newStateRoot = numberToHex(6, { size: 32 });
    await refuses(town.commit({ ...block, newStateRoot }), "SignalMismatch", [1n, 5n, 6n]);
  });

  it("refuses z and y that are not those of the bytes and the queue", async () => {
    const block = await town.makeBlock();
    const [prev, next, h, z, y] = block.publicSignals;
    await refuses(
      town.commit({ ...block, publicSignals: [prev, next, h, z + 1n, y] }),
      "SignalMismatch",
      [Z, z + 1n, z],
    );
    await refuses(
      town.commit({ ...block, publicSignals: [prev, next, h, z, y + 1n] }),
      "SignalMismatch",
      [Y, y + 1n, y],
    );
  });

  it("refuses the second form x + r of every signal", async () => {
    const block = await town.makeBlock();
    for (let i = 0; i < 5; i++) {
      const publicSignals = block.publicSignals.map((value, at) =>
        at === i ? value + SCALAR_FIELD : value,
      ) as unknown as typeof block.publicSignals;
      const newStateRoot = numberToHex(publicSignals[1], { size: 32 });
      await refuses(town.commit({ ...block, newStateRoot, publicSignals }), "SignalOutOfField", [
        BigInt(i),
        publicSignals[i],
      ]);
    }
  });

  it("refuses what the verifier refuses", async () => {
    const block = await town.makeBlock();
    await town.stub.write.set([false]);
    await refuses(town.commit(block), "InvalidProof", [1n]);
    await town.stub.write.set([true]);
    await town.commit(block);
  });

  it("refuses the same block a second time, even one that changes nothing", async () => {
    const current = BigInt(await town.rollup.read.currentStateRoot());
    const block = await town.makeBlock({ newRoot: current });
    await town.commit(block);
    const again = await town.makeBlock({ newRoot: current });
    await refuses(town.commit(block), "SignalMismatch", [
      Z,
      block.publicSignals[3],
      expectedZ(block, again.d),
    ]);
  });
});

describe("contracts / queue rule of commitBlock", () => {
  it("keeps a proof valid when somebody deposits before it is committed", async () => {
    await town.register(town.alice);
    const block = await town.makeBlock({ l1Count: 1 });
    await town.register(town.bob);
    await town.register(town.carol);
    await town.commit(block);
    expect(await town.rollup.read.queueHead()).toBe(1n);
  });

  it("refuses more entries than wait, so that the head never passes the tail", async () => {
    await town.register(town.alice);
    const block = await town.makeBlock({ l1Count: 1 });
    const two = `0x${block.txData.slice(2, 10)}02${block.txData.slice(12)}` as const;
    await refuses(town.commit(withBytes(block, two)), "ItemsNotQueued", [2n, 1n]);
    const empty = withBytes(await town.makeBlock(), `0x0000000102${"00".repeat(63)}`);
    await refuses(town.commit(empty), "ItemsNotQueued", [2n, 1n]);
    expect(await town.rollup.read.queueHead()).toBe(0n);
  });

  it("refuses more entries than a block has slots", async () => {
    for (const user of [town.alice, town.bob, town.carol]) await town.register(user);
    const block = await town.makeBlock({ l1Count: 2 });
    const three = `0x${block.txData.slice(2, 10)}03${block.txData.slice(12)}` as const;
    await refuses(town.commit(withBytes(block, three)), "TooManyItems", [3n, 2n]);
  });

  it("lets a block pass an entry over until it is overdue, and not from that second on", async () => {
    await town.register(town.alice);
    const [, , , overdueAt] = await town.rollup.read.queueItem([0n]);
    await town.control.setNextBlockTimestamp({ timestamp: overdueAt - 1n });
    await town.commit(await town.makeBlock());
    const passing = await town.makeBlock();
    await town.control.increaseTime({ seconds: 1 });
    await refuses(town.commit(passing), "ItemOverdue", [0n, overdueAt]);
    await town.commit(await town.makeBlock({ l1Count: 1 }));
  });

  it("is satisfied by a full block, however many entries are overdue", async () => {
    for (const user of [town.alice, town.bob, town.carol]) await town.register(user);
    await town.control.increaseTime({ seconds: Number(WINDOW_SECONDS) * 2 });
    await town.control.mine({ blocks: 1 });
    await refuses(town.commit(await town.makeBlock({ l1Count: 1 })), "ItemOverdue", [
      1n,
      (await town.rollup.read.queueItem([1n]))[3],
    ]);
    await town.commit(await town.makeBlock({ l1Count: 2 }));
    await town.commit(await town.makeBlock({ l1Count: 1 }));
    expect(await town.rollup.read.queueHead()).toBe(3n);
  });
});

describe("contracts / exits of commitBlock", () => {
  beforeEach(async () => {
    await town.register(town.alice, 10n ** 9n);
    await town.register(town.bob, 10n ** 9n);
    await town.commit(await town.makeBlock({ l1Count: 2 }));
  });

  it("stores the root of the exit tree, L1 slots first", async () => {
    await (await town.as(town.bob)).write.requestExit([2], { value: town.config.entryFeeWei });
    const block = await town.makeBlock({
      l1Count: 1,
      exitAmounts: [400n],
      transfers: [record(), record({ type: 2, from: 1, to: 1, amount: 30n })],
    });
    expect(block.exits.map(({ slot }) => slot)).toEqual([0, 3]);
    await town.commit(block);
    expect(await town.rollup.read.exitRoot([2n])).toBe(block.tree.root);
    expect(await town.rollup.read.owedGwei()).toBe(2n * 10n ** 9n - 430n);
  });

  it("stores nothing for a block without exits, or with exits of nothing", async () => {
    await (await town.as(town.bob)).write.requestExit([2], { value: town.config.entryFeeWei });
    await town.commit(
      await town.makeBlock({
        l1Count: 1,
        exitAmounts: [0n],
        transfers: [record(), record({ type: 2, amount: 0n })],
      }),
    );
    expect(await town.rollup.read.exitRoot([2n])).toBe(numberToHex(0, { size: 32 }));
    expect(await town.rollup.read.exitRoot([99n])).toBe(numberToHex(0, { size: 32 }));
  });

  it("refuses an exit to an account that nobody has", async () => {
    const exit = record({ type: 2, to: 3, amount: 5n });
    await refuses(
      town.commit(await town.makeBlock({ transfers: [record(), exit] })),
      "ExitOwnerUnknown",
      [3n, 3n],
    );
  });

  it("refuses exits of more than was ever deposited, whatever the proof says", async () => {
    const exit = record({ type: 2, from: 1, to: 1, amount: 2n * 10n ** 9n + 1n });
    await refuses(town.commit(await town.makeBlock({ transfers: [exit] })), "ExitsOverOwed", [
      2n * 10n ** 9n + 1n,
      2n * 10n ** 9n,
    ]);
  });

  it("counts what has left as room for new deposits", async () => {
    const exit = record({ type: 2, from: 1, to: 1, amount: 10n ** 9n });
    await town.commit(await town.makeBlock({ transfers: [exit] }));
    const room = 2n ** 64n - 1n - 10n ** 9n;
    const value = town.config.entryFeeWei + room * GWEI;
    await town.control.setBalance({ address: town.carol.account.address, value: 2n * value });
    await refuses(
      (await town.as(town.carol)).write.register([1n, 2n], { value: value + GWEI }),
      "DepositOverLimit",
      [room + 1n, room],
    );
    await (await town.as(town.carol)).write.register([1n, 2n], { value });
    expect(await town.rollup.read.owedGwei()).toBe(2n ** 64n - 1n);
  });
});

const getAddressOf = (user: TestRollup["alice"]) => getAddress(user.account.address);

/** The same block with other bytes and their right hash. */
function withBytes(block: MadeBlock, txData: Hex): MadeBlock {
  return { ...block, txData, transactionsHash: keccak256(txData) };
}

/** z over the chain's d with the h that a block states. */
function expectedZ(block: MadeBlock, d: readonly bigint[]): bigint {
  return challenge(town.parameters, dataDigest(d), block.publicSignals[2]);
}
