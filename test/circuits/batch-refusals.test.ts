import { describe, expect, it } from "vitest";
import { EMPTY_ACCOUNT, pkHashOf } from "../../circuits/account.ts";
import { SUBGROUP_ORDER } from "../../circuits/babyjubjub.ts";
import { executeBatch, type TransferBatch } from "../../circuits/batch.ts";
import type { BatchErrorCode } from "../../circuits/errors.ts";
import { NOOP_TRANSFER } from "../../circuits/inputs.ts";
import type { AccountOpening } from "../../circuits/openings.ts";
import { circuitParameters } from "../../circuits/parameters.ts";
import type { SignedTransfer } from "../../circuits/transfer.ts";
import { SCALAR_FIELD } from "../../worker/field.ts";
import { expectRefusal, positionOf, refusal, withOpening, withTransfer } from "./refusal.ts";
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
