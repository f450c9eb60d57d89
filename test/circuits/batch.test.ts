import { describe, expect, it } from "vitest";
import { pkHashOf } from "../../circuits/account.ts";
import { BASE8 } from "../../circuits/babyjubjub.ts";
import { executeBatch, type TransferBatch } from "../../circuits/batch.ts";
import { NOOP_TRANSFER } from "../../circuits/inputs.ts";
import { circuitParameters } from "../../circuits/parameters.ts";
import { PUBLIC_SIGNALS } from "../../circuits/signals.ts";
import type { SignedTransfer } from "../../circuits/transfer.ts";
import {
  accountOf,
  BLOCK_NUMBER,
  batchOf,
  deposit,
  forcedExit,
  signed,
  smallTree,
} from "./small-rollup.ts";

const tiny = circuitParameters("batch-tiny");
const execute = (batch: TransferBatch) => executeBatch(tiny, batch);
const accountAfter = (batch: TransferBatch, index: number) => execute(batch).accounts.get(index);

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
