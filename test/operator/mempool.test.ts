import { beforeEach, describe, expect, it } from "vitest";
import { type SignedTransfer, TransferType } from "../../circuits/transfer.ts";
import { type BuiltBatch, buildNextBatch } from "../../operator/batch-builder.ts";
import type { OperatorError } from "../../operator/errors.ts";
import { Mempool, type MempoolOptions } from "../../operator/mempool.ts";
import { type PaymentPlan, World } from "./world.ts";

const OPTIONS: MempoolOptions = {
  maxPending: 6,
  maxPendingPerAccount: 4,
  maxRefusals: 3,
  minFeeGwei: 2n,
  takesFees: true,
};

let world: World;
let pool: Mempool;

const add = (plan: PaymentPlan) => pool.add(world.state, world.sign({ fee: 2n, ...plan }));
const receiptOf = (id: ReturnType<typeof add>["id"]) => pool.receipt(world.state, id);

function build(): BuiltBatch {
  const { built } = buildNextBatch(world.state, 1, () => pool.candidates());
  if (built === undefined) throw new Error("nothing to build");
  return built;
}

function refusal(action: () => unknown): OperatorError {
  try {
    action();
  } catch (error) {
    return error as OperatorError;
  }
  throw new Error("was accepted");
}

beforeEach(() => {
  world = new World();
  pool = new Mempool(OPTIONS);
  for (const amount of [1_000n, 500n, 100n]) {
    world.register(amount);
    world.commit(build());
  }
});

describe("operator / mempool admission", () => {
  it("accepts consecutive nonces of one account before any is in a block", () => {
    for (const nonce of [0n, 1n, 2n]) expect(add({ from: 1, to: 2, nonce }).isNew).toBe(true);
    expect(pool.nextNonce(world.state, 1)).toBe(3n);
    expect(pool.size).toBe(3);
  });

  it("takes the same transfer twice as one, with one identifier", () => {
    const first = add({ from: 1, to: 2 });
    expect(add({ from: 1, to: 2 })).toEqual({ id: first.id, isNew: false });
    expect(pool.size).toBe(1);
  });

  const cases: [sentence: string, plan: PaymentPlan, code: string, path: string][] = [
    [
      "a used or taken nonce",
      { from: 1, to: 2, nonce: 0n, amount: 7n },
      "TRANSFER_NONCE_USED",
      "nonce",
    ],
    ["a nonce behind a gap", { from: 1, to: 2, nonce: 2n }, "TRANSFER_NONCE_GAP", "nonce"],
    [
      "more than the account has left",
      { from: 1, to: 2, nonce: 1n, amount: 996n },
      "TRANSFER_BALANCE",
      "amountGwei",
    ],
    ["a fee below the floor", { from: 1, to: 2, nonce: 1n, fee: 1n }, "TRANSFER_FEE", "feeGwei"],
    [
      "a last block that has passed",
      { from: 1, to: 2, nonce: 1n, validUntil: 3 },
      "TRANSFER_EXPIRED",
      "validUntilBlock",
    ],
    [
      "a last block too far away",
      { from: 1, to: 2, nonce: 1n, validUntil: 2 ** 32 + 9 },
      "TRANSFER_EXPIRED",
      "validUntilBlock",
    ],
    ["a sender that nobody is", { from: 9, to: 2 }, "TRANSFER_SENDER", "from"],
    ["a receiver that nobody is", { from: 1, to: 9, nonce: 1n }, "TRANSFER_RECIPIENT", "to"],
    ["an index outside the tree", { from: 1, to: 16, nonce: 1n }, "FIELD_MALFORMED", "to"],
    ["index 0", { from: 1, to: 0, nonce: 1n }, "FIELD_MALFORMED", "to"],
    [
      "an amount of nothing",
      { from: 1, to: 2, nonce: 1n, amount: 0n },
      "FIELD_MALFORMED",
      "amountGwei",
    ],
    [
      "an amount of 65 bits",
      { from: 1, to: 2, nonce: 1n, amount: 2n ** 64n },
      "FIELD_MALFORMED",
      "amountGwei",
    ],
    [
      "a fee of 33 bits",
      { from: 1, to: 2, nonce: 1n, fee: 2n ** 32n },
      "FIELD_MALFORMED",
      "feeGwei",
    ],
    ["a no-op", { from: 1, to: 2, nonce: 1n, type: TransferType.noop }, "FIELD_MALFORMED", "type"],
  ];
  it.each(cases)("refuses %s", (_sentence, plan, code, path) => {
    add({ from: 1, to: 2 });
    expect(refusal(() => add(plan))).toMatchObject({ code, path });
    expect(pool.size).toBe(1);
  });

  const forgeries: [
    sentence: string,
    forge: (good: SignedTransfer) => SignedTransfer,
    code: string,
  ][] = [
    ["another amount than signed", (t) => ({ ...t, amount: t.amount + 1n }), "TRANSFER_SIGNATURE"],
    [
      "another receiver than signed",
      (t) => ({ ...t, to: 3, recipient: world.user(3).pkHash }),
      "TRANSFER_SIGNATURE",
    ],
    ["another type than signed", (t) => ({ ...t, type: TransferType.exit }), "TRANSFER_SIGNATURE"],
    [
      "a later last block than signed",
      (t) => ({ ...t, validUntil: t.validUntil + 1 }),
      "TRANSFER_SIGNATURE",
    ],
    [
      "a changed signature",
      (t) => ({ ...t, signature: { ...t.signature, s: t.signature.s + 1n } }),
      "TRANSFER_SIGNATURE",
    ],
    ["somebody else's key", (t) => ({ ...t, key: world.user(2).key }), "TRANSFER_SENDER"],
    ["somebody else's owner", (t) => ({ ...t, key: { ...t.key, owner: 5n } }), "TRANSFER_SENDER"],
    [
      "another recipient than the index has",
      (t) => ({ ...t, recipient: 5n }),
      "TRANSFER_RECIPIENT",
    ],
  ];
  it.each(forgeries)("refuses %s", (_sentence, forge, code) => {
    const good = world.sign({ from: 1, to: 2, fee: 2n, amount: 5n });
    expect(refusal(() => pool.add(world.state, forge(good))).code).toBe(code);
    expect(pool.add(world.state, good).isNew).toBe(true);
  });

  it("counts what waits against the balance, and deposits that wait in the queue for it", () => {
    add({ from: 3, to: 1, amount: 90n });
    const more = { from: 3, to: 1, nonce: 1n, amount: 50n };
    expect(refusal(() => add(more)).code).toBe("TRANSFER_BALANCE");
    world.mine([world.queued(1, 3, 44n)]);
    expect(add(more).isNew).toBe(true);
  });

  it("refuses transfers of an account whose forced exit waits", () => {
    world.mine([world.queued(2, 3, 0n)]);
    expect(refusal(() => add({ from: 3, to: 1 })).code).toBe("TRANSFER_SENDER");
  });

  it("bounds what waits for one account and in all", () => {
    for (const nonce of [0n, 1n, 2n, 3n]) add({ from: 1, to: 2, nonce });
    expect(refusal(() => add({ from: 1, to: 2, nonce: 4n })).code).toBe("ACCOUNT_PENDING_LIMIT");
    for (const nonce of [0n, 1n]) add({ from: 2, to: 1, nonce });
    expect(refusal(() => add({ from: 3, to: 1 })).code).toBe("MEMPOOL_FULL");
  });

  it("refuses any fee when the operator has no account for it", () => {
    pool = new Mempool({ ...OPTIONS, minFeeGwei: 0n, takesFees: false });
    expect(refusal(() => add({ from: 1, to: 2, fee: 1n })).code).toBe("TRANSFER_FEE");
    expect(add({ from: 1, to: 2, fee: 0n }).isNew).toBe(true);
  });
});

describe("operator / mempool order and life", () => {
  const order = (): string[] => {
    const names: string[] = [];
    const candidates = pool.candidates();
    for (let next = candidates.next(); !next.done; next = candidates.next(true)) {
      names.push(`${next.value.transfer.from}/${next.value.transfer.nonce}`);
    }
    return names;
  };

  it("offers the highest fee first, then the first comer, and each account by rising nonce", () => {
    add({ from: 1, to: 2, nonce: 0n, fee: 3n });
    add({ from: 1, to: 2, nonce: 1n, fee: 9n });
    add({ from: 2, to: 1, fee: 5n });
    add({ from: 3, to: 1, fee: 3n });
    expect(order()).toEqual(["2/0", "1/0", "1/1", "3/0"]);
  });

  it("offers nothing of an account behind a transfer that was not taken", () => {
    add({ from: 1, to: 2, nonce: 0n });
    add({ from: 1, to: 2, nonce: 1n });
    const candidates = pool.candidates();
    expect(candidates.next().value?.transfer.nonce).toBe(0n);
    expect(candidates.next(false).done).toBe(true);
  });

  it("leads a transfer from pending through its batch to its slot in a block", () => {
    const { id } = add({ from: 1, to: 2, amount: 10n });
    expect(receiptOf(id)).toEqual({ status: "pending" });
    const built = build();
    pool.markInBatch([id], 4);
    expect(receiptOf(id)).toEqual({ status: "in_batch", blockNumber: 4 });
    world.commit(built);
    pool.reconcile(world.state);
    expect(receiptOf(id)).toEqual({ status: "committed", blockNumber: 4, slot: 1 });
    expect(pool.size).toBe(0);
    expect(add({ from: 1, to: 2, amount: 10n, nonce: 0n })).toEqual({ id, isNew: false });
  });

  it("takes transfers back when their block is undone, and settles them again when it returns", () => {
    const { id } = add({ from: 1, to: 2, amount: 10n });
    const built = build();
    world.commit(built);
    pool.reconcile(world.state);
    world.state.rollBack();
    pool.reconcile(world.state);
    expect(receiptOf(id)).toEqual({ status: "pending" });
    expect(build().entries.map((entry) => entry.id)).toEqual([id]);
    world.commit(built);
    pool.reconcile(world.state);
    expect(receiptOf(id)).toMatchObject({ status: "committed" });
    expect(pool.size).toBe(0);
  });

  it("refuses what a forced exit overtook, with the reason", () => {
    const { id } = add({ from: 3, to: 1, amount: 10n });
    world.mine([world.queued(2, 3, 0n)]);
    pool.markInBatch([id], 4);
    pool.release([id]);
    const { built } = buildNextBatch(world.state, 1, () => pool.candidates());
    expect(built?.entries).toEqual([]);
    world.commit(built as BuiltBatch);
    pool.reconcile(world.state);
    expect(receiptOf(id)).toMatchObject({
      status: "refused",
      reason: { code: "TRANSFER_NONCE_USED" },
    });
  });

  it("refuses an expired transfer, and with it those that build upon its nonce", () => {
    const first = add({ from: 1, to: 2, validUntil: 4 });
    const second = add({ from: 1, to: 2, nonce: 1n });
    const other = add({ from: 2, to: 1 });
    world.mine([world.queued(1, 3, 1n)]);
    const { built } = buildNextBatch(world.state, 1, function* () {});
    world.commit(built as BuiltBatch);
    pool.reconcile(world.state);
    expect(receiptOf(first.id)).toMatchObject({ reason: { code: "TRANSFER_EXPIRED" } });
    expect(receiptOf(second.id)).toMatchObject({ reason: { code: "TRANSFER_NONCE_GAP" } });
    expect(receiptOf(other.id)).toEqual({ status: "pending" });
    expect(pool.nextNonce(world.state, 1)).toBe(0n);
  });

  it("accepts a refused transfer anew when its reason is gone, and forgets the oldest refusals", () => {
    const ids = [1n, 2n, 3n, 4n].map((amount) => {
      const { id } = add({ from: 1, to: 2, amount });
      pool.refuse(id, { code: "TRANSFER_SENDER", message: "test." });
      return id;
    });
    expect(receiptOf(ids[0] as `0x${string}`)).toBeUndefined();
    expect(receiptOf(ids[3] as `0x${string}`)).toMatchObject({ status: "refused" });
    expect(add({ from: 1, to: 2, amount: 4n }).isNew).toBe(true);
    expect(receiptOf(ids[3] as `0x${string}`)).toEqual({ status: "pending" });
  });

  it("refuses a transfer whose receiver's index went to another key by a reorg", () => {
    const index = world.register(50n);
    const { id } = add({ from: 1, to: index });
    world.state.rollBack();
    world.mine([{ type: "registered", index, key: world.user(9).key }]);
    pool.reconcile(world.state);
    expect(receiptOf(id)).toMatchObject({ reason: { code: "TRANSFER_RECIPIENT" } });
  });
});
