import { describe, expect, it } from "vitest";
import { EMPTY_ACCOUNT, pkHashOf } from "../../circuits/account.ts";
import { BASE8, SUBGROUP_ORDER } from "../../circuits/babyjubjub.ts";
import { executeBatch, type TransferBatch } from "../../circuits/batch.ts";
import { BatchError, type BatchErrorCode } from "../../circuits/errors.ts";
import { NOOP_TRANSFER } from "../../circuits/inputs.ts";
import type { L1Item } from "../../circuits/l1.ts";
import type { AccountOpening } from "../../circuits/openings.ts";
import { circuitParameters } from "../../circuits/parameters.ts";
import { PUBLIC_SIGNALS } from "../../circuits/signals.ts";
import type { SignedTransfer, TransferType } from "../../circuits/transfer.ts";
import { SCALAR_FIELD } from "../../worker/field.ts";
import {
  accountOf,
  BLOCK_NUMBER,
  batchOf,
  DOMAIN,
  deposit,
  forcedExit,
  resident,
  signed,
  smallTree,
} from "./small-rollup.ts";

const tiny = circuitParameters("batch-tiny");
const U64 = 2n ** 64n;

const execute = (batch: TransferBatch) => executeBatch(tiny, batch);
const accountAfter = (batch: TransferBatch, index: number) => execute(batch).accounts.get(index);

function refusal(batch: TransferBatch): BatchError {
  try {
    execute(batch);
  } catch (error) {
    expect(error).toBeInstanceOf(BatchError);
    return error as BatchError;
  }
  throw new Error("the batch was accepted");
}

function expectRefusal(batch: TransferBatch, code: BatchErrorCode, path: string): void {
  const { code: gotCode, path: gotPath, message } = refusal(batch);
  expect({ code: gotCode, path: gotPath }, message).toEqual({ code, path });
}

const withTransfer = (batch: TransferBatch, i: number, changes: Partial<SignedTransfer>) => ({
  ...batch,
  transfers: batch.transfers.with(i, { ...(batch.transfers[i] as SignedTransfer), ...changes }),
});
const withItem = (batch: TransferBatch, changes: Partial<L1Item>) => ({
  ...batch,
  l1Items: batch.l1Items.with(0, { ...(batch.l1Items[0] as L1Item), ...changes }),
});
const withOpening = (batch: TransferBatch, index: number, changes: Partial<AccountOpening>) => ({
  ...batch,
  openings: batch.openings.map((opening) =>
    opening.index === index ? { ...opening, ...changes } : opening,
  ),
});
const positionOf = (batch: TransferBatch, index: number): number =>
  batch.openings.findIndex((opening) => opening.index === index);

describe("circuits / batch, accepted", () => {
  it("pays the receiver, the fee account, and counts the sender's nonce", () => {
    const { accounts } = execute(batchOf(tiny, { transfers: [signed()] }));
    expect(accounts.get(1)).toEqual(accountOf(1, 989n, 1n));
    expect(accounts.get(2)).toEqual(accountOf(2, 2010n));
    expect(accounts.get(5)).toEqual(accountOf(5, 5001n));
  });

  it("opens a new account by a deposit, and lets it spend in the same batch", () => {
    const batch = batchOf(tiny, {
      l1Items: [deposit(6, 77n)],
      transfers: [signed({ from: 6, amount: 76n })],
    });
    expect(accountAfter(batch, 6)).toEqual(accountOf(6, 0n, 1n));
  });

  it("adds a deposit to an account that exists", () => {
    expect(accountAfter(batchOf(tiny, { l1Items: [deposit(2, 5n)] }), 2)).toEqual(
      accountOf(2, 2005n),
    );
  });

  it("takes a deposit to a key that is not on the curve: the contract cannot know", () => {
    const key = { ax: 1n, ay: 2n, owner: 3n };
    const batch = batchOf(tiny, { l1Items: [{ kind: 1, index: 6, amount: 5n, key }] });
    expect(accountAfter(batch, 6)).toEqual({ pkHash: pkHashOf(key), balance: 5n, nonce: 0n });
  });

  it("empties an account by a forced exit and uses up its nonce", () => {
    const { accounts, exits } = execute(batchOf(tiny, { l1Items: [forcedExit(2, 2000n)] }));
    expect(accounts.get(2)).toEqual(accountOf(2, 0n, 1n));
    expect(exits).toEqual([{ slot: 0, index: 2, amountGwei: 2000n }]);
  });

  it("gives a registered account without a leaf its key by a forced exit of nothing", () => {
    const { accounts, exits } = execute(batchOf(tiny, { l1Items: [forcedExit(8, 0n)] }));
    expect(accounts.get(8)).toEqual(accountOf(8, 0n, 1n));
    expect(exits).toEqual([]);
  });

  it("takes an exit from the sender and leaves the payee's leaf as it is", () => {
    const { accounts, exits } = execute(batchOf(tiny, { transfers: [signed({ type: 2 })] }));
    expect(accounts.get(1)).toEqual(accountOf(1, 989n, 1n));
    expect(accounts.get(2)).toEqual(accountOf(2, 2000n));
    expect(exits).toEqual([{ slot: 1, index: 2, amountGwei: 10n }]);
  });

  it("handles one account in several roles", () => {
    const cases: [
      name: string,
      transfers: SignedTransfer[],
      index: number,
      balance: bigint,
      nonce: bigint,
    ][] = [
      ["transfer to oneself", [signed({ to: 1 })], 1, 999n, 1n],
      ["exit to oneself", [signed({ to: 1, type: 2 })], 1, 989n, 1n],
      ["sender is the fee account", [signed({ from: 5 })], 5, 4990n, 1n],
      ["receiver is the fee account", [signed({ to: 5 })], 5, 5011n, 0n],
      ["all three", [signed({ from: 5, to: 5 })], 5, 5000n, 1n],
      ["twice the same sender", [signed(), signed({ nonce: 1n })], 1, 978n, 2n],
      ["there and back", [signed(), signed({ from: 2, to: 1 })], 1, 999n, 1n],
    ];
    for (const [name, transfers, index, balance, nonce] of cases) {
      const account = accountAfter(batchOf(tiny, { transfers }), index);
      expect(account, name).toEqual(accountOf(index, balance, nonce));
    }
  });

  it("spends the whole balance, and takes validUntil from this block to 2^32 - 1 blocks ahead", () => {
    expect(accountAfter(batchOf(tiny, { transfers: [signed({ amount: 999n })] }), 1)?.balance).toBe(
      0n,
    );
    for (const validUntil of [BLOCK_NUMBER, BLOCK_NUMBER + 2 ** 32 - 1]) {
      execute(batchOf(tiny, { transfers: [signed({ validUntil })] }));
    }
  });

  it("takes a fee index without an account while nobody pays a fee", () => {
    execute(batchOf(tiny, { feeIndex: 0 }));
    execute(batchOf(tiny, { feeIndex: 9, transfers: [signed({ fee: 0n })] }));
  });

  it("takes an explicit no-op for an empty slot", () => {
    const explicit = batchOf(tiny, { transfers: [NOOP_TRANSFER, signed()] });
    expect(execute(explicit).inputs.tx[0]).toEqual([0n, 0n, 0n, 0n, 0n, 0n]);
    const implicit = batchOf(tiny, { transfers: [signed()] });
    const padded = batchOf(tiny, { transfers: [signed(), NOOP_TRANSFER] });
    expect(execute(padded)).toEqual(execute(implicit));
  });

  it("uses the last slot of the tree", () => {
    const tree = smallTree(2);
    tree.set(15, accountOf(15, 9n));
    const transfers = [signed({ to: 15 }), signed({ from: 15, to: 1 })];
    expect(accountAfter(batchOf(tiny, { transfers }, tree), 15)).toEqual(accountOf(15, 8n, 1n));
  });

  it("leaves the state alone when nothing happens", () => {
    const { newRoot, inputs } = execute(batchOf(tiny));
    expect(newRoot).toBe(inputs.prevRoot);
    expect(newRoot).toBe(smallTree(2).root);
  });

  it("names the public signals in the circuit's order", () => {
    const { inputs, publicSignals, newRoot } = execute(batchOf(tiny, { transfers: [signed()] }));
    expect(publicSignals).toEqual(PUBLIC_SIGNALS.map((name) => inputs[name]));
    expect(publicSignals[1]).toBe(newRoot);
  });

  it("fills unused slots with index 0 and points on the curve", () => {
    const { inputs } = execute(batchOf(tiny));
    expect(inputs.l1).toEqual([[0n, 0n, 0n, 0n, 0n, 0n]]);
    expect(inputs.txKey).toEqual(Array(2).fill([BASE8.x, BASE8.y, 0n]));
    expect(inputs.txSignature).toEqual(Array(2).fill([0n, BASE8.x, BASE8.y]));
    expect(inputs.txFromSiblings).toEqual(Array(2).fill(smallTree(2).siblings(0, 1)));
  });
});

describe("circuits / batch, refused: transfers", () => {
  const one = batchOf(tiny, { transfers: [signed()] });
  const signature = (one.transfers[0] as SignedTransfer).signature;

  it("overspending by one, with the fee counted", () => {
    const batch = batchOf(tiny, { transfers: [signed({ amount: 1000n })] });
    expectRefusal(batch, "BATCH_BALANCE", "transfers[0].amount");
    expect(refusal(batch).message).toBe(
      "transfers[0].amount: got 1001 with fee, expected at most 1000 gwei",
    );
  });

  it("a receiver or fee account beyond 2^64 - 1 gwei", () => {
    const tree = smallTree(2);
    tree.set(2, accountOf(2, U64 - 10n));
    expectRefusal(
      batchOf(tiny, { transfers: [signed()] }, tree),
      "BATCH_BALANCE",
      "transfers[0].amount",
    );
    execute(batchOf(tiny, { transfers: [signed({ type: 2 })] }, tree));
    execute(batchOf(tiny, { transfers: [signed({ amount: 9n })] }, tree));
    tree.set(5, accountOf(5, U64 - 1n));
    expectRefusal(
      batchOf(tiny, { transfers: [signed({ amount: 9n })] }, tree),
      "BATCH_BALANCE",
      "feeIndex",
    );
  });

  it("a nonce that is not the next one: replay, gap", () => {
    const replay = batchOf(tiny, { transfers: [signed(), signed()] });
    expectRefusal(replay, "BATCH_NONCE", "transfers[1].nonce");
    expectRefusal(
      batchOf(tiny, { transfers: [signed({ nonce: 1n })] }),
      "BATCH_NONCE",
      "transfers[0].nonce",
    );
    const afterForcedExit = batchOf(tiny, {
      l1Items: [forcedExit(1, 1000n)],
      transfers: [signed({ amount: 0n, fee: 0n })],
    });
    expectRefusal(afterForcedExit, "BATCH_NONCE", "transfers[0].nonce");
  });

  it("a nonce with no successor below 2^64", () => {
    const tree = smallTree(2);
    tree.set(1, accountOf(1, 1000n, U64 - 1n));
    const last = batchOf(tiny, { transfers: [signed({ nonce: U64 - 1n })] }, tree);
    expectRefusal(last, "BATCH_NONCE", "transfers[0].nonce");
    tree.set(2, accountOf(2, 3n, U64 - 1n));
    expectRefusal(
      batchOf(tiny, { l1Items: [forcedExit(2, 3n)] }, tree),
      "BATCH_L1",
      "l1Items[0].index",
    );
  });

  it("one that has expired, or is valid too far ahead", () => {
    for (const validUntil of [BLOCK_NUMBER - 1, 0, BLOCK_NUMBER + 2 ** 32]) {
      const batch = batchOf(tiny, { transfers: [signed({ validUntil })] });
      expectRefusal(batch, "BATCH_EXPIRED", "transfers[0].validUntil");
    }
  });

  it("an unregistered sender, receiver or payee", () => {
    expectRefusal(
      batchOf(tiny, { transfers: [signed({ from: 9 })] }),
      "BATCH_ACCOUNT",
      "transfers[0].from",
    );
    expectRefusal(
      batchOf(tiny, { transfers: [signed({ to: 9 })] }),
      "BATCH_ACCOUNT",
      "transfers[0].to",
    );
    expectRefusal(
      batchOf(tiny, { transfers: [signed({ to: 9, type: 2 })] }),
      "BATCH_ACCOUNT",
      "transfers[0].to",
    );
    expectRefusal(
      batchOf(tiny, { transfers: [signed({ to: 0 })] }),
      "BATCH_ACCOUNT",
      "transfers[0].to",
    );
    expectRefusal(
      batchOf(tiny, { transfers: [signed({ from: 0 })] }),
      "BATCH_ACCOUNT",
      "transfers[0].from",
    );
  });

  it("a fee without an account that takes it", () => {
    for (const feeIndex of [0, 9]) {
      expectRefusal(
        batchOf(tiny, { feeIndex, transfers: [signed()] }),
        "BATCH_ACCOUNT",
        "feeIndex",
      );
    }
  });

  it("another account's key, and the right key under another owner", () => {
    const stranger = batchOf(tiny, { transfers: [signed({ signer: 3 })] });
    expectRefusal(stranger, "BATCH_ACCOUNT", "transfers[0].key");
    const { key } = resident(1);
    const otherOwner = withTransfer(one, 0, { key: { ...key, owner: key.owner + 1n } });
    expectRefusal(otherOwner, "BATCH_ACCOUNT", "transfers[0].key");
  });

  it("a receiver's index that belongs to another key than the sender meant", () => {
    const batch = batchOf(tiny, { transfers: [signed({ recipient: resident(3).pkHash })] });
    expectRefusal(batch, "BATCH_ACCOUNT", "transfers[0].recipient");
  });

  it("a field that is not the one that was signed", () => {
    const changes: [Partial<SignedTransfer>, BatchErrorCode, string][] = [
      [{ type: 2 }, "BATCH_SIGNATURE", "transfers[0].signature"],
      [{ amount: 11n }, "BATCH_SIGNATURE", "transfers[0].signature"],
      [{ fee: 2n }, "BATCH_SIGNATURE", "transfers[0].signature"],
      [{ validUntil: 99 }, "BATCH_SIGNATURE", "transfers[0].signature"],
      [{ nonce: 1n }, "BATCH_NONCE", "transfers[0].nonce"],
      [{ recipient: 1n }, "BATCH_ACCOUNT", "transfers[0].recipient"],
    ];
    for (const [change, code, path] of changes)
      expectRefusal(withTransfer(one, 0, change), code, path);
    const elsewhere = batchOf(tiny, {
      transfers: [{ ...signed(), to: 3, recipient: resident(3).pkHash }],
    });
    expectRefusal(elsewhere, "BATCH_SIGNATURE", "transfers[0].signature");
    const replayed = batchOf(tiny, {
      transfers: [{ ...signed({ signer: 1 }), from: 2, key: resident(2).key }],
    });
    expectRefusal(replayed, "BATCH_SIGNATURE", "transfers[0].signature");
  });

  it("a signature for another rollup", () => {
    const batch = batchOf(tiny, { transfers: [signed({ domain: DOMAIN + 1n })] });
    expectRefusal(batch, "BATCH_SIGNATURE", "transfers[0].signature");
  });

  it("a malleated signature", () => {
    const malleated = { ...signature, s: signature.s + SUBGROUP_ORDER };
    expectRefusal(
      withTransfer(one, 0, { signature: malleated }),
      "BATCH_SIGNATURE",
      "transfers[0].signature",
    );
  });

  it("a key that is not on the curve or of small order, though it is registered", () => {
    for (const [ax, ay] of [
      [1n, 2n],
      [0n, 1n],
      [0n, SCALAR_FIELD - 1n],
    ] as const) {
      const key = { ax, ay, owner: 1n };
      const tree = smallTree(2);
      tree.set(1, { pkHash: pkHashOf(key), balance: 1000n, nonce: 0n });
      const forged = { ...signed(), key, signature: { s: 0n, r8x: 0n, r8y: 1n } };
      expectRefusal(
        batchOf(tiny, { transfers: [forged] }, tree),
        "BATCH_SIGNATURE",
        "transfers[0].key",
      );
    }
  });

  it("a no-op with content", () => {
    const noop = batchOf(tiny, { transfers: [NOOP_TRANSFER] });
    const contents: Partial<SignedTransfer>[] = [
      { amount: 1n },
      { fee: 1n },
      { validUntil: 1 },
      { nonce: 1n },
      { recipient: 1n },
      { key: resident(1).key },
      { signature },
    ];
    for (const content of contents) {
      expectRefusal(withTransfer(noop, 0, content), "BATCH_SHAPE", "transfers[0]");
    }
  });

  it("never quotes a signature", () => {
    const wrong = { ...signature, s: signature.s + 1n };
    const { message } = refusal(withTransfer(one, 0, { signature: wrong }));
    for (const part of Object.values(wrong)) expect(message).not.toContain(part.toString());
  });
});

describe("circuits / batch, refused: L1 items", () => {
  it("an item for an account with another key or owner", () => {
    for (const item of [deposit(2, 5n), forcedExit(2, 2000n)]) {
      const stranger = { ...item, key: resident(3).key };
      expectRefusal(batchOf(tiny, { l1Items: [stranger] }), "BATCH_L1", "l1Items[0].key");
      const otherOwner = { ...item, key: { ...item.key, owner: 1n } };
      expectRefusal(batchOf(tiny, { l1Items: [otherOwner] }), "BATCH_L1", "l1Items[0].key");
    }
  });

  it("a forced exit of another amount than the balance", () => {
    for (const amount of [1999n, 2001n, 0n]) {
      expectRefusal(
        batchOf(tiny, { l1Items: [forcedExit(2, amount)] }),
        "BATCH_L1",
        "l1Items[0].amount",
      );
    }
    expectRefusal(batchOf(tiny, { l1Items: [forcedExit(8, 1n)] }), "BATCH_L1", "l1Items[0].amount");
  });

  it("a deposit beyond 2^64 - 1 gwei, which the contract's bound excludes", () => {
    const tree = smallTree(2);
    tree.set(2, accountOf(2, U64 - 5n));
    expectRefusal(
      batchOf(tiny, { l1Items: [deposit(2, 5n)] }, tree),
      "BATCH_L1",
      "l1Items[0].amount",
    );
    execute(batchOf(tiny, { l1Items: [deposit(2, 4n)] }, tree));
  });
});

describe("circuits / batch, refused: openings", () => {
  const batch = batchOf(tiny, { transfers: [signed()] });

  it("another root or top node", () => {
    const wrongRoot = { ...batch, prevRoot: batch.prevRoot + 1n };
    expectRefusal(wrongRoot, "BATCH_PATH", "topNodes");
    const wrongNode = { ...batch, topNodes: batch.topNodes.with(3, 1n) };
    expectRefusal(wrongNode, "BATCH_PATH", "topNodes");
  });

  it("another balance, nonce, key, index or sibling", () => {
    const opening = batch.openings[positionOf(batch, 1)] as AccountOpening;
    const { account, siblings } = opening;
    const changes: Partial<AccountOpening>[] = [
      { account: { ...account, balance: account.balance + 1n } },
      { account: { ...account, nonce: account.nonce + 1n } },
      { account: { ...account, pkHash: 1n } },
      ...[0, 1, 2].map((k) => ({ siblings: [(siblings[0] as bigint[]).with(k, 1n)] })),
      { siblings: [(siblings[0] as bigint[]).toReversed()] },
    ];
    for (const change of changes) {
      const path = `openings[${positionOf(batch, 1)}]`;
      expectRefusal(withOpening(batch, 1, change), "BATCH_PATH", path);
    }
  });

  it("a missing opening, one too many, and one twice", () => {
    for (const { index } of batch.openings) {
      const missing = { ...batch, openings: batch.openings.filter((o) => o.index !== index) };
      expectRefusal(missing, "BATCH_PATH", "openings");
      expect(refusal(missing).message).toContain(`no opening of account ${index}`);
    }
    const extra = batchOf(tiny, { feeIndex: 3 }).openings.filter(({ index }) => index === 3);
    expectRefusal(
      { ...batch, openings: [...batch.openings, ...extra] },
      "BATCH_SHAPE",
      "openings[4].index",
    );
    const twice = [...batch.openings, batch.openings[1] as AccountOpening];
    expectRefusal({ ...batch, openings: twice }, "BATCH_SHAPE", "openings[4].index");
  });

  it("the state after an earlier item of the same batch", () => {
    const items = batchOf(tiny, { l1Items: [deposit(1, 5n)], transfers: [signed()] });
    const after = smallTree(2);
    after.set(1, accountOf(1, 1005n));
    const { openings } = batchOf(tiny, { transfers: [signed()] }, after);
    expect(refusal({ ...items, openings }).code).toBe("BATCH_PATH");
  });

  it("a slot 0 or a keyless slot that holds something", () => {
    for (const index of [0, 9]) {
      for (const content of [{ balance: 1n }, { nonce: 1n }]) {
        const tree = smallTree(2);
        tree.set(index, { ...EMPTY_ACCOUNT, ...content });
        const odd = batchOf(tiny, { feeIndex: index }, tree);
        expectRefusal(odd, "BATCH_ACCOUNT", `openings[${positionOf(odd, index)}].account`);
      }
    }
    const tree = smallTree(2);
    tree.set(0, accountOf(0, 1n));
    expectRefusal(batchOf(tiny, { feeIndex: 0 }, tree), "BATCH_ACCOUNT", "openings[0].account");
  });

  it("gives the same execution for openings in another order", () => {
    const reversed = { ...batch, openings: batch.openings.toReversed() };
    expect(execute(reversed).inputs).toEqual(execute(batch).inputs);
  });
});

describe("circuits / batch, refused: shapes", () => {
  const batch = batchOf(tiny, { l1Items: [deposit(6, 77n)], transfers: [signed()] });
  const first = batch.openings[0] as AccountOpening;
  const at = (changes: object) => ({ ...batch, ...changes }) as TransferBatch;
  const opening = (changes: object) => withOpening(batch, first.index, changes);
  const key = resident(1).key;
  const signature = (batch.transfers[0] as SignedTransfer).signature;
  const account = first.account;

  const cases: [path: string, batch: TransferBatch][] = [
    ["domain", at({ domain: SCALAR_FIELD })],
    ["domain", at({ domain: -1n })],
    ["blockNumber", at({ blockNumber: 2 ** 32 })],
    ["blockNumber", at({ blockNumber: 0.5 })],
    ["feeIndex", at({ feeIndex: 16 })],
    ["feeIndex", at({ feeIndex: Number.NaN })],
    ["prevRoot", at({ prevRoot: SCALAR_FIELD })],
    ["topNodes", at({ topNodes: batch.topNodes.slice(1) })],
    ["topNodes[2]", at({ topNodes: batch.topNodes.with(2, SCALAR_FIELD) })],
    ["openings", at({ openings: Array(8).fill(first) })],
    ["openings[0].index", opening({ index: 16 })],
    ["openings[0].index", opening({ index: -1 })],
    ["openings[0].account.pkHash", opening({ account: { ...account, pkHash: SCALAR_FIELD } })],
    ["openings[0].account.balance", opening({ account: { ...account, balance: U64 } })],
    ["openings[0].account.nonce", opening({ account: { ...account, nonce: U64 } })],
    ["openings[0].siblings", opening({ siblings: [] })],
    ["openings[0].siblings", opening({ siblings: Array(2).fill(first.siblings[0]) })],
    ["openings[0].siblings[0]", opening({ siblings: [first.siblings[0]?.slice(1)] })],
    ["openings[0].siblings[0][1]", opening({ siblings: [first.siblings[0]?.with(1, -1n)] })],
    ["l1Items", at({ l1Items: Array(2).fill(batch.l1Items[0]) })],
    ["l1Items[0].kind", withItem(batch, { kind: 0 as 1 })],
    ["l1Items[0].kind", withItem(batch, { kind: 3 as 1 })],
    ["l1Items[0].index", withItem(batch, { index: 0 })],
    ["l1Items[0].index", withItem(batch, { index: 16 })],
    ["l1Items[0].amount", withItem(batch, { amount: U64 })],
    ["l1Items[0].amount", withItem(batch, { amount: -1n })],
    ["l1Items[0].key.ax", withItem(batch, { key: { ...key, ax: SCALAR_FIELD } })],
    ["l1Items[0].key.ay", withItem(batch, { key: { ...key, ay: -1n } })],
    ["l1Items[0].key.owner", withItem(batch, { key: { ...key, owner: 1n << 160n } })],
    ["transfers", at({ transfers: Array(3).fill(batch.transfers[0]) })],
    ["transfers[0].type", withTransfer(batch, 0, { type: 3 as TransferType })],
    ["transfers[0].from", withTransfer(batch, 0, { from: 16 })],
    ["transfers[0].to", withTransfer(batch, 0, { to: 16 })],
    ["transfers[0].amount", withTransfer(batch, 0, { amount: U64 })],
    ["transfers[0].fee", withTransfer(batch, 0, { fee: 1n << 32n })],
    ["transfers[0].validUntil", withTransfer(batch, 0, { validUntil: 2 ** 33 })],
    ["transfers[0].nonce", withTransfer(batch, 0, { nonce: U64 })],
    ["transfers[0].recipient", withTransfer(batch, 0, { recipient: SCALAR_FIELD })],
    ["transfers[0].key.owner", withTransfer(batch, 0, { key: { ...key, owner: -1n } })],
    [
      "transfers[0].signature.s",
      withTransfer(batch, 0, { signature: { ...signature, s: SCALAR_FIELD } }),
    ],
    [
      "transfers[0].signature.r8x",
      withTransfer(batch, 0, { signature: { ...signature, r8x: -1n } }),
    ],
    [
      "transfers[0].signature.r8y",
      withTransfer(batch, 0, { signature: { ...signature, r8y: SCALAR_FIELD } }),
    ],
  ];
  for (const [path, wrong] of cases) {
    it(`refuses ${path} out of range`, () => expectRefusal(wrong, "BATCH_SHAPE", path));
  }

  it("says got and expected, and measures a number that is too long to print", () => {
    expect(refusal(at({ feeIndex: 16 })).message).toBe(
      "feeIndex: got 16, expected a whole number from 0 to 15",
    );
    expect(refusal(at({ domain: 1n << 100_000n })).got).toBe("a number of more than 256 bits");
  });

  it("refuses to build on a tree of another height", () => {
    expect(() => batchOf(tiny, {}, smallTree(3))).toThrow("got a tree of 3 levels, expected 2");
  });
});
