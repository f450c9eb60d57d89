import { encodeAbiParameters, getAddress, keccak256, parseEventLogs } from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SCALAR_FIELD } from "../../worker/field.ts";
import { refuses } from "./reverts.ts";
import {
  ENTRY_FEE_WEI,
  GWEI,
  keyOf,
  MIN_DEPOSIT_GWEI,
  openRollup,
  SPACING_SECONDS,
  type TestRollup,
  WINDOW_SECONDS,
} from "./rollup.ts";

let town: TestRollup;

const LEAST_WEI = ENTRY_FEE_WEI + MIN_DEPOSIT_GWEI * GWEI;

beforeEach(async () => {
  town = await openRollup();
});

afterEach(() => town.connection.close());

const addressOf = (user: TestRollup["alice"]) => getAddress(user.account.address);
const held = () => town.client.getBalance({ address: town.rollup.address });

describe("contracts / register", () => {
  it("gives the caller the next index, from 1, and queues the deposit without the fee", async () => {
    const alice = await town.as(town.alice);
    const hash = await alice.write.register([11n, 12n], { value: LEAST_WEI + 5n * GWEI });
    const { logs } = await town.client.getTransactionReceipt({ hash });
    const { timestamp } = await town.client.getBlock();
    const overdueAt = timestamp + WINDOW_SECONDS;
    const owner = addressOf(town.alice);
    const amountGwei = MIN_DEPOSIT_GWEI + 5n;
    expect(parseEventLogs({ abi: town.rollup.abi, logs }).map(({ args }) => args)).toEqual([
      { index: 1, owner, ax: 11n, ay: 12n },
      { id: 0n, kind: 1, index: 1, amountGwei, overdueAt },
    ]);
    expect(await town.rollup.read.accounts([1])).toEqual([owner, 11n, 12n]);
    expect(await town.rollup.read.queueItem([0n])).toEqual([1, 1, amountGwei, overdueAt]);
    expect(await town.register(town.bob)).toBe(2);
    expect(await town.rollup.read.nextIndex()).toBe(3);
  });

  it("lets one owner and one key have several accounts", async () => {
    const alice = await town.as(town.alice);
    for (const index of [1, 2]) {
      await alice.write.register([11n, 12n], { value: LEAST_WEI });
      expect(await town.rollup.read.accounts([index])).toEqual([addressOf(town.alice), 11n, 12n]);
    }
  });

  it("refuses a key that is no pair of field elements", async () => {
    const alice = await town.as(town.alice);
    for (const key of [
      [SCALAR_FIELD, 1n],
      [1n, SCALAR_FIELD],
      [2n ** 256n - 1n, 1n],
    ] as [bigint, bigint][]) {
      await refuses(alice.write.register(key, { value: LEAST_WEI }), "KeyOutOfField", key);
    }
    await alice.write.register([SCALAR_FIELD - 1n, SCALAR_FIELD - 1n], { value: LEAST_WEI });
  });

  it("refuses less than fee and minimum, and parts of a gwei", async () => {
    const alice = await town.as(town.alice);
    const register = (value: bigint) => alice.write.register([1n, 2n], { value });
    await refuses(register(LEAST_WEI - 1n), "PaymentTooSmall", [LEAST_WEI - 1n, LEAST_WEI]);
    await refuses(register(0n), "PaymentTooSmall", [0n, LEAST_WEI]);
    await refuses(register(LEAST_WEI + 1n), "DepositNotWholeGwei", [
      LEAST_WEI + 1n - ENTRY_FEE_WEI,
    ]);
    await register(LEAST_WEI);
  });

  it("ends when the tree is full: 4 leaves are 3 accounts", async () => {
    await town.connection.close();
    town = await openRollup({
      parameters: { id: "three-accounts", nTx: 1, levels: 1, nDeposits: 1, top: 1 },
    });
    for (const index of [1, 2, 3]) expect(await town.register(town.alice)).toBe(index);
    await refuses(town.register(town.bob), "TreeFull", [4n]);
    await refuses(town.register(town.bob), "TreeFull", [4n]);
  });

  it("refuses what would make the rollup owe 2^64 gwei", async () => {
    const value = ENTRY_FEE_WEI + (2n ** 64n - 1n) * GWEI;
    await town.control.setBalance({ address: town.alice.account.address, value: 2n * value });
    const alice = await town.as(town.alice);
    await refuses(alice.write.register(keyOf(1), { value: value + GWEI }), "DepositOverLimit", [
      2n ** 64n,
      2n ** 64n - 1n,
    ]);
    await alice.write.register(keyOf(1), { value });
    await refuses(town.register(town.bob), "DepositOverLimit", [MIN_DEPOSIT_GWEI, 0n]);
  });
});

describe("contracts / topUp", () => {
  beforeEach(async () => {
    await town.register(town.alice);
  });

  it("queues a deposit to the account, whoever pays it", async () => {
    const account = await town.accountHash(1);
    await (await town.as(town.bob)).write.topUp([1, account], { value: LEAST_WEI });
    expect((await town.rollup.read.queueItem([1n])).slice(0, 3)).toEqual([1, 1, MIN_DEPOSIT_GWEI]);
    expect(await town.rollup.read.owedGwei()).toBe(2n * MIN_DEPOSIT_GWEI);
  });

  it("refuses when the account is not the one that is meant, owner included", async () => {
    const bob = await town.as(town.bob);
    const actual = await town.accountHash(1);
    const [, ax, ay] = await town.rollup.read.accounts([1]);
    const types = [{ type: "uint256" }, { type: "uint256" }, { type: "address" }] as const;
    const impostor = keccak256(encodeAbiParameters(types, [ax, ay, addressOf(town.bob)]));
    await refuses(bob.write.topUp([1, impostor], { value: LEAST_WEI }), "AccountMismatch", [
      1,
      impostor,
      actual,
    ]);
  });

  it("refuses an index that nobody has, also with the hash of nothing", async () => {
    const bob = await town.as(town.bob);
    const types = [{ type: "uint256" }, { type: "uint256" }, { type: "uint256" }] as const;
    const nothing = keccak256(encodeAbiParameters(types, [0n, 0n, 0n]));
    for (const index of [0, 2, 15, 16, 2 ** 32 - 1]) {
      await refuses(bob.write.topUp([index, nothing], { value: LEAST_WEI }), "AccountUnknown", [
        index,
      ]);
    }
  });

  it("has the same price as the first deposit", async () => {
    const bob = await town.as(town.bob);
    const account = await town.accountHash(1);
    const topUp = (value: bigint) => bob.write.topUp([1, account], { value });
    await refuses(topUp(LEAST_WEI - 1n), "PaymentTooSmall", [LEAST_WEI - 1n, LEAST_WEI]);
    await refuses(topUp(LEAST_WEI + 7n), "DepositNotWholeGwei", [LEAST_WEI + 7n - ENTRY_FEE_WEI]);
  });
});

describe("contracts / requestExit", () => {
  beforeEach(async () => {
    await town.register(town.alice);
    await town.register(town.bob);
  });

  it("queues the exit of the caller's account", async () => {
    await (await town.as(town.bob)).write.requestExit([2], { value: ENTRY_FEE_WEI });
    expect((await town.rollup.read.queueItem([2n])).slice(0, 3)).toEqual([2, 2, 0n]);
    expect(await town.rollup.read.owedGwei()).toBe(2n * MIN_DEPOSIT_GWEI);
  });

  it("is for the owner only", async () => {
    const bob = await town.as(town.bob);
    const [alice, thief] = [addressOf(town.alice), addressOf(town.bob)];
    await refuses(bob.write.requestExit([1], { value: ENTRY_FEE_WEI }), "NotAccountOwner", [
      1,
      thief,
      alice,
    ]);
    for (const index of [0, 3]) {
      await refuses(bob.write.requestExit([index], { value: ENTRY_FEE_WEI }), "AccountUnknown", [
        index,
      ]);
    }
  });

  it("carries exactly the fee", async () => {
    const bob = await town.as(town.bob);
    for (const value of [0n, ENTRY_FEE_WEI - 1n, ENTRY_FEE_WEI + 1n]) {
      await refuses(bob.write.requestExit([2], { value }), "FeeMismatch", [value, ENTRY_FEE_WEI]);
    }
  });

  it("is open once for each account until a block has taken it", async () => {
    const [alice, bob] = [await town.as(town.alice), await town.as(town.bob)];
    const fee = { value: ENTRY_FEE_WEI };
    await bob.write.requestExit([2], fee);
    await refuses(bob.write.requestExit([2], fee), "ExitPending", [2, 2n]);
    await alice.write.requestExit([1], fee); // another account's is another matter
    await town.commit(await town.makeBlock({ l1Count: 2 }));
    await refuses(bob.write.requestExit([2], fee), "ExitPending", [2, 2n]);
    await town.commit(await town.makeBlock({ l1Count: 1, exitAmounts: [MIN_DEPOSIT_GWEI] }));
    await bob.write.requestExit([2], fee);
    await refuses(bob.write.requestExit([2], fee), "ExitPending", [2, 4n]);
    await refuses(alice.write.requestExit([1], fee), "ExitPending", [1, 3n]);
  });
});

describe("contracts / L1 queue", () => {
  it("burns every fee: the sum stays in the contract and nobody is credited", async () => {
    await town.register(town.alice);
    await (await town.as(town.bob)).write.topUp([1, await town.accountHash(1)], {
      value: LEAST_WEI,
    });
    await (await town.as(town.alice)).write.requestExit([1], { value: ENTRY_FEE_WEI });
    const burned = ENTRY_FEE_WEI * (await town.rollup.read.queueTail());
    expect(await held()).toBe(burned + (await town.rollup.read.owedGwei()) * GWEI);
    expect(burned).toBe(3n * ENTRY_FEE_WEI);
    expect(await town.rollup.read.credits([addressOf(town.operator)])).toBe(0n);
  });

  it("spaces the deadlines of a burst, and starts anew after a quiet time", async () => {
    await town.control.setAutomine(false);
    const alice = await town.as(town.alice);
    for (const key of [1, 2, 3]) {
      await alice.write.register(keyOf(key), { value: LEAST_WEI, gas: 500_000n });
    }
    await town.control.mine({ blocks: 1 });
    await town.control.setAutomine(true);
    const { timestamp } = await town.client.getBlock();
    const deadlines = async (ids: bigint[]) =>
      Promise.all(ids.map(async (id) => (await town.rollup.read.queueItem([id]))[3]));
    const first = timestamp + WINDOW_SECONDS;
    expect(await deadlines([0n, 1n, 2n])).toEqual([
      first,
      first + SPACING_SECONDS,
      first + 2n * SPACING_SECONDS,
    ]);
    await town.control.increaseTime({ seconds: 100 });
    await town.register(town.bob);
    const { timestamp: later } = await town.client.getBlock();
    expect(await deadlines([3n])).toEqual([later + WINDOW_SECONDS]);
  });

  it("knows entries, waiting or consumed, and no others", async () => {
    await refuses(town.rollup.read.queueItem([0n]), "ItemUnknown", [0n, 0n]);
    await town.register(town.alice);
    await town.commit(await town.makeBlock({ l1Count: 1 }));
    expect((await town.rollup.read.queueItem([0n]))[1]).toBe(1);
    await refuses(town.rollup.read.queueItem([1n]), "ItemUnknown", [1n, 1n]);
  });

  it("takes no money outside of its entrances", async () => {
    const plain = town.alice.sendTransaction({ to: town.rollup.address, value: 1n });
    await expect(plain).rejects.toThrow();
    expect(await held()).toBe(0n);
  });
});
