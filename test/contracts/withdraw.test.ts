import { decodeErrorResult, getAddress, type Hex, parseEventLogs } from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { exitNonce } from "../../circuits/exits.ts";
import { refuses } from "./reverts.ts";
import {
  ENTRY_FEE_WEI,
  GWEI,
  type MadeBlock,
  openRollup,
  record,
  type TestRollup,
} from "./rollup.ts";

let town: TestRollup;
/** Block 2: account 1 (alice) exits 400 gwei to herself, then 500 to bob. Its slots are 3 and 4. */
let block: MadeBlock;
const ALICE_SLOT = 3;
const BOB_SLOT = 4;

const ZERO: Hex = `0x${"00".repeat(32)}`;

beforeEach(async () => {
  town = await openRollup();
  await town.register(town.alice, 10n ** 9n);
  await town.register(town.bob, 10n ** 9n);
  await town.commit(await town.makeBlock({ l1Count: 2 }));
  block = await town.makeBlock({
    transfers: [
      record(),
      record({ type: 2, from: 1, to: 1, amount: 400n }),
      record({ type: 2, from: 1, to: 2, amount: 500n }),
    ],
  });
  await town.commit(block);
});

afterEach(() => town.connection.close());

const addressOf = (user: TestRollup["alice"]) => getAddress(user.account.address);

interface Claim {
  readonly amountWei: bigint;
  readonly nonce: bigint;
  readonly proof: Hex[];
  readonly index: bigint;
}

/** Alice's exit, or a changed claim of it. */
const claim = (changes: Partial<Claim> = {}): Claim => ({
  amountWei: 400n * GWEI,
  nonce: exitNonce(2, ALICE_SLOT),
  proof: block.tree.proof(ALICE_SLOT),
  index: changes.nonce ?? exitNonce(2, ALICE_SLOT),
  ...changes,
});

const withdraw = async (user: TestRollup["alice"], { amountWei, nonce, proof, index }: Claim) =>
  (await town.as(user)).write.withdraw([amountWei, nonce, proof, index]);

describe("contracts / withdraw", () => {
  it("turns an exit into credit, and the credit into money", async () => {
    const hash = await withdraw(town.alice, claim());
    const { logs } = await town.client.getTransactionReceipt({ hash });
    const alice = addressOf(town.alice);
    const leaf = block.tree.leaf(ALICE_SLOT);
    expect(
      parseEventLogs({ abi: town.rollup.abi, logs }).map(({ eventName, args }) => [
        eventName,
        args,
      ]),
    ).toEqual([
      ["TransactionProcessed", { txHash: leaf }],
      ["CreditAdded", { account: alice, amountWei: 400n * GWEI }],
    ]);
    expect(await town.rollup.read.processedTransactions([leaf])).toBe(true);
    expect(await town.rollup.read.credits([alice])).toBe(400n * GWEI);

    const before = await town.client.getBalance({ address: town.rollup.address });
    const paid = await (await town.as(town.alice)).write.withdrawCredit();
    const receipt = await town.client.getTransactionReceipt({ hash: paid });
    expect(parseEventLogs({ abi: town.rollup.abi, logs: receipt.logs })[0]?.args).toEqual({
      account: alice,
      amountWei: 400n * GWEI,
    });
    expect(await town.rollup.read.credits([alice])).toBe(0n);
    const after = await town.client.getBalance({ address: town.rollup.address });
    expect(before - after).toBe(400n * GWEI);
  });

  it("adds up what is credited until it is fetched", async () => {
    const pays = record({ type: 2, from: 1, to: 1, amount: 33n });
    const later = await town.makeBlock({ transfers: [pays] });
    await town.commit(later);
    await withdraw(town.alice, claim());
    const nonce = exitNonce(3, 2);
    const proof = later.tree.proof(2);
    await withdraw(town.alice, { amountWei: 33n * GWEI, nonce, proof, index: nonce });
    expect(await town.rollup.read.credits([addressOf(town.alice)])).toBe(433n * GWEI);
  });

  it("works however many blocks came after", async () => {
    for (let i = 0; i < 3; i++) await town.commit(await town.makeBlock());
    await withdraw(town.alice, claim());
  });

  it("pays an exit once", async () => {
    await withdraw(town.alice, claim());
    const leaf = block.tree.leaf(ALICE_SLOT);
    await refuses(withdraw(town.alice, claim()), "AlreadyWithdrawn", [leaf]);
    await (await town.as(town.alice)).write.withdrawCredit();
    await refuses(withdraw(town.alice, claim()), "AlreadyWithdrawn", [leaf]);
    await refuses((await town.as(town.alice)).write.withdrawCredit(), "NoCredit", [
      addressOf(town.alice),
    ]);
  });

  it("pays a forced exit from its L1 slot", async () => {
    await (await town.as(town.bob)).write.requestExit([2], { value: ENTRY_FEE_WEI });
    const forced = await town.makeBlock({ l1Count: 1, exitAmounts: [10n ** 9n] });
    await town.commit(forced);
    const nonce = exitNonce(3, 0);
    await withdraw(town.bob, {
      amountWei: 10n ** 18n,
      nonce,
      proof: forced.tree.proof(0),
      index: nonce,
    });
    expect(await town.rollup.read.credits([addressOf(town.bob)])).toBe(10n ** 18n);
  });

  it("pays nobody but the owner of the receiving account", async () => {
    const { nonce } = claim();
    for (const thief of [town.bob, town.operator, town.carol]) {
      const attempt = withdraw(thief, claim());
      await expect(attempt).rejects.toThrow("ExitNotProven");
    }
    await withdraw(town.alice, claim({ nonce }));
    await withdraw(
      town.bob,
      claim({
        amountWei: 500n * GWEI,
        nonce: exitNonce(2, BOB_SLOT),
        proof: block.tree.proof(BOB_SLOT),
      }),
    );
  });

  it("wants the index to be the nonce", async () => {
    const { nonce } = claim();
    const aliased = nonce + (1n << 64n);
    await refuses(withdraw(town.alice, claim({ index: aliased })), "IndexMismatch", [
      nonce,
      aliased,
    ]);
  });

  it("refuses another amount, nonce, block, slot or path", async () => {
    const { nonce, proof } = claim();
    const [first = ZERO, second = ZERO, third = ZERO] = proof;
    const attempts: Partial<Claim>[] = [
      { amountWei: 400n * GWEI + 1n },
      { amountWei: 500n * GWEI },
      { nonce: exitNonce(2, BOB_SLOT) },
      { nonce: exitNonce(1, ALICE_SLOT) },
      { nonce: exitNonce(3, ALICE_SLOT) },
      { nonce: nonce + 8n }, // a slot of the same path beyond the tree
      { nonce: nonce + (1n << 64n) }, // the block number wrapped round
      { proof: [] },
      { proof: [first, second] },
      { proof: [first, second, third, ZERO] },
      { proof: [second, first, third] },
      { proof: block.tree.proof(BOB_SLOT) },
    ];
    for (const attempt of attempts) {
      await expect(
        withdraw(town.alice, claim(attempt)),
        JSON.stringify(attempt, text),
      ).rejects.toThrow("ExitNotProven");
    }
    const wrong = claim({ proof: [] });
    await refuses(withdraw(town.alice, wrong), "ExitNotProven", [
      block.tree.leaf(ALICE_SLOT),
      wrong.index,
    ]);
  });
});

describe("contracts / verifyInclusion", () => {
  const includes = (leaf: Hex, proof: readonly Hex[], index: bigint) =>
    town.rollup.read.verifyInclusion([leaf, proof, index]);

  it("answers for exits, spent or not, and for nothing else", async () => {
    const { proof, index } = claim();
    const leaf = block.tree.leaf(ALICE_SLOT);
    expect(await includes(leaf, proof, index)).toBe(true);
    await withdraw(town.alice, claim());
    expect(await includes(leaf, proof, index)).toBe(true);
    expect(await includes(block.tree.leaf(BOB_SLOT), proof, index)).toBe(false);
    expect(await includes(leaf, proof, index + (1n << 64n))).toBe(false);
    expect(await includes(leaf, proof, index + (1n << 128n))).toBe(false);
    expect(await includes(leaf, proof, index + 8n)).toBe(false);
  });

  it("takes neither an empty leaf nor a block without exits", async () => {
    // Slot 2 holds a plain transfer: its leaf 0 is in the tree, and this is its path.
    const path = [block.tree.leaf(ALICE_SLOT), ...block.tree.proof(ALICE_SLOT).slice(1)];
    expect(await includes(ZERO, path, exitNonce(2, 2))).toBe(false);
    expect(await includes(ZERO, [ZERO, ZERO, ZERO], exitNonce(1, 0))).toBe(false);
    expect(await includes(ZERO, [ZERO, ZERO, ZERO], exitNonce(9, 0))).toBe(false);
    // The root 0 of a block without exits is no root of anything.
    expect(await includes(ZERO, [], exitNonce(1, 0))).toBe(false);
  });

  it("takes no inner node for a leaf, and no root", async () => {
    const [, second = ZERO, third = ZERO] = block.tree.proof(ALICE_SLOT);
    const root = block.tree.root;
    expect(await includes(root, [], exitNonce(2, 0))).toBe(false);
    expect(await includes(root, [second, third], exitNonce(2, 0))).toBe(false);
  });
});

describe("contracts / credits", () => {
  it("keeps the credit of a receiver that refuses money, and harms nobody else", async () => {
    const receiver = await town.viem.deployContract("RevertingReceiver", [town.rollup.address]);
    await receiver.write.register([1n, 2n], { value: ENTRY_FEE_WEI + 10n ** 9n * GWEI });
    const exit = await town.makeBlock({
      l1Count: 1,
      transfers: [
        record({ type: 2, from: 3, to: 3, amount: 70n }),
        record({ type: 2, from: 1, to: 1, amount: 80n }),
      ],
    });
    await town.commit(exit);
    const nonce = exitNonce(3, 2);
    await receiver.write.withdraw([70n * GWEI, nonce, exit.tree.proof(2), nonce]);
    await refuses(receiver.write.fetch(), "PaymentRefused", [
      getAddress(receiver.address),
      70n * GWEI,
    ]);
    expect(await town.rollup.read.credits([receiver.address])).toBe(70n * GWEI);
    const alices = exitNonce(3, 3);
    await withdraw(town.alice, {
      amountWei: 80n * GWEI,
      nonce: alices,
      proof: exit.tree.proof(3),
      index: alices,
    });
    await (await town.as(town.alice)).write.withdrawCredit();
    await receiver.write.setAccepts([true]);
    await receiver.write.fetch();
    expect(await town.client.getBalance({ address: receiver.address })).toBe(70n * GWEI);
  });

  it("pays a receiver that reenters exactly once", async () => {
    const thief = await town.viem.deployContract("ReentrantReceiver", [town.rollup.address]);
    await thief.write.register([1n, 2n], { value: ENTRY_FEE_WEI + 10n ** 9n * GWEI });
    const exit = await town.makeBlock({
      l1Count: 1,
      transfers: [record({ type: 2, from: 3, to: 3, amount: 70n })],
    });
    await town.commit(exit);
    await thief.write.steal([70n * GWEI, exitNonce(3, 2), exit.tree.proof(2)]);
    expect(await town.client.getBalance({ address: thief.address })).toBe(70n * GWEI);
    expect(await town.rollup.read.credits([thief.address])).toBe(0n);
    const { abi } = town.rollup;
    expect(decodeErrorResult({ abi, data: await thief.read.fetchAgain() }).errorName).toBe(
      "ReentrancyGuardReentrantCall",
    );
    expect(decodeErrorResult({ abi, data: await thief.read.withdrawAgain() }).errorName).toBe(
      "AlreadyWithdrawn",
    );
  });
});

const text = (_key: string, value: unknown) => (typeof value === "bigint" ? `${value}` : value);
