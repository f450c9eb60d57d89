import fc from "fast-check";
import type { BatchRequest } from "../../circuits/batch.ts";
import type { CircuitParameters } from "../../circuits/parameters.ts";
import { StateTree } from "../../circuits/tree.ts";
import {
  accountOf,
  BLOCK_NUMBER,
  DOMAIN,
  deposit,
  forcedExit,
  resident,
  signed,
} from "./small-rollup.ts";

/** What the test's own ledger says of one account. Written apart from the twin, with nothing but addition. */
export interface Entry {
  balance: bigint;
  nonce: bigint;
}

export interface RandomBatch {
  readonly before: StateTree;
  readonly request: BatchRequest;
  /** Every account after the batch, by the test's ledger. */
  readonly ledger: ReadonlyMap<number, Entry>;
  readonly depositedGwei: bigint;
  readonly exitedGwei: bigint;
}

interface Draw {
  readonly balances: readonly bigint[];
  readonly items: readonly { isExit: boolean; index: number; amount: bigint }[];
  readonly transfers: readonly {
    isExit: boolean;
    from: number;
    to: number;
    /** Part of what the sender has, in thousandths. */
    share: bigint;
    fee: bigint;
    validFor: number;
  }[];
  readonly feeIndex: number;
}

const gwei = () => fc.bigInt({ min: 0n, max: 2n ** 60n });

/** Batches that keep every rule, over any number of slots, some accounts new and some poor. */
export function randomBatch(parameters: CircuitParameters): fc.Arbitrary<RandomBatch> {
  const capacity = 4 ** parameters.levels;
  // Few accounts, so that they meet in several roles; among them the last slot.
  const index = () => fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constant(capacity - 1));
  return fc
    .record({
      balances: fc.array(gwei(), { minLength: 1, maxLength: 4 }),
      items: fc.array(fc.record({ isExit: fc.boolean(), index: index(), amount: gwei() }), {
        maxLength: parameters.nDeposits,
      }),
      transfers: fc.array(
        fc.record({
          isExit: fc.boolean(),
          from: index(),
          to: index(),
          share: fc.bigInt({ min: 0n, max: 1000n }),
          fee: fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }),
          validFor: fc.oneof(fc.constantFrom(0, 2 ** 32 - 1), fc.integer({ min: 0, max: 1000 })),
        }),
        { maxLength: parameters.nTx },
      ),
      feeIndex: index(),
    })
    .map((draw) => play(parameters, draw));
}

function play(parameters: CircuitParameters, draw: Draw): RandomBatch {
  const before = new StateTree(parameters.levels);
  const ledger = new Map<number, Entry>();
  for (const [i, balance] of draw.balances.entries()) {
    before.set(i + 1, accountOf(i + 1, balance, BigInt(i)));
    ledger.set(i + 1, { balance, nonce: BigInt(i) });
  }
  let depositedGwei = 0n;
  let exitedGwei = 0n;
  const l1Items = draw.items.map((item) => {
    const entry = ledger.get(item.index) ?? { balance: 0n, nonce: 0n };
    ledger.set(item.index, entry);
    if (!item.isExit) {
      depositedGwei += item.amount;
      entry.balance += item.amount;
      return deposit(item.index, item.amount);
    }
    const amount = entry.balance;
    exitedGwei += amount;
    entry.balance = 0n;
    entry.nonce += 1n;
    return forcedExit(item.index, amount);
  });
  let fees = 0n;
  const transfers = draw.transfers.flatMap(({ isExit, from, to, share, fee, validFor }) => {
    const [sender, receiver] = [ledger.get(from), ledger.get(to)];
    if (sender === undefined || receiver === undefined) return [];
    const paid = !ledger.has(draw.feeIndex) || fee > sender.balance ? 0n : fee;
    const amount = ((sender.balance - paid) * share) / 1000n;
    const nonce = sender.nonce;
    sender.balance -= amount + paid;
    sender.nonce += 1n;
    if (isExit) exitedGwei += amount;
    else receiver.balance += amount;
    fees += paid;
    const type = isExit ? (2 as const) : (1 as const);
    const validUntil = BLOCK_NUMBER + validFor;
    return [signed({ type, from, to, amount, fee: paid, validUntil, nonce })];
  });
  const feeEntry = ledger.get(draw.feeIndex);
  if (feeEntry !== undefined) feeEntry.balance += fees;
  const request: BatchRequest = {
    domain: DOMAIN,
    blockNumber: BLOCK_NUMBER,
    feeIndex: draw.feeIndex,
    l1Items,
    transfers,
  };
  return { before, request, ledger, depositedGwei, exitedGwei };
}

/** The tree that the ledger describes. */
export function treeOf(levels: number, ledger: ReadonlyMap<number, Entry>): StateTree {
  const tree = new StateTree(levels);
  for (const [index, { balance, nonce }] of ledger) {
    tree.set(index, { pkHash: resident(index).pkHash, balance, nonce });
  }
  return tree;
}
