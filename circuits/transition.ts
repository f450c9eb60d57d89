import { type Account, type AccountKey, pkHashOf } from "./account.ts";
import { toElement } from "./field.ts";
import { type L1Item, L1Kind } from "./l1.ts";
import type { CircuitParameters } from "./parameters.ts";
import { type TransferRecord, TransferType } from "./transfer.ts";
import type { StateTree } from "./tree.ts";

/** What changes the state in one block. */
export interface BlockContent<T extends TransferRecord = TransferRecord> {
  readonly feeIndex: number;
  readonly l1Items: readonly L1Item[];
  readonly transfers: readonly T[];
}

/**
 * Sees each account path that the circuit opens, in the circuit's order, just before the tree changes there.
 * An unused slot is announced too (`undefined`): it opens index 0 and changes nothing.
 */
export interface BlockObserver<T extends TransferRecord = TransferRecord> {
  l1?(slot: number, item: L1Item | undefined): void;
  sender?(slot: number, transfer: T | undefined): void;
  /** The sender has been debited: sender and receiver may be one account. */
  receiver?(slot: number, transfer: T | undefined): void;
  fee?(total: bigint): void;
}

/**
 * Applies a block to the tree, in place: L1 slots, transfer slots, one credit of all fees. It judges nothing, which
 * suits data that a proof or an observer has judged; numbers wrap in the field, as in the circuit.
 *
 * @throws RangeError if an index is not in the tree.
 */
export function applyBlock<T extends TransferRecord>(
  parameters: CircuitParameters,
  tree: StateTree,
  content: BlockContent<T>,
  ...observers: readonly BlockObserver<T>[]
): void {
  for (let slot = 0; slot < parameters.nDeposits; slot++) {
    const item = content.l1Items[slot];
    for (const observer of observers) observer.l1?.(slot, item);
    if (item !== undefined) tree.set(item.index, afterL1Item(tree.get(item.index), item));
  }
  let totalFee = 0n;
  for (let slot = 0; slot < parameters.nTx; slot++) {
    const transfer = content.transfers[slot];
    const used = transfer !== undefined && transfer.type !== TransferType.noop;
    for (const observer of observers) observer.sender?.(slot, transfer);
    if (used) {
      tree.set(transfer.from, debited(tree.get(transfer.from), transfer.amount + transfer.fee));
    }
    for (const observer of observers) observer.receiver?.(slot, transfer);
    if (used && transfer.type === TransferType.transfer) {
      tree.set(transfer.to, credited(tree.get(transfer.to), transfer.amount));
    }
    totalFee += transfer?.fee ?? 0n;
  }
  for (const observer of observers) observer.fee?.(totalFee);
  if (totalFee !== 0n) {
    tree.set(content.feeIndex, credited(tree.get(content.feeIndex), totalFee));
  }
}

/** A forced exit takes everything and uses up a nonce, so that no pending transfer runs after a later deposit. */
function afterL1Item(account: Account, item: L1Item): Account {
  const pkHash = pkHashOf(toKeyElements(item.key));
  return item.kind === L1Kind.forcedExit
    ? { pkHash, balance: 0n, nonce: toElement(account.nonce + 1n) }
    : { pkHash, balance: toElement(account.balance + item.amount), nonce: account.nonce };
}

function debited(account: Account, amount: bigint): Account {
  return {
    pkHash: account.pkHash,
    balance: toElement(account.balance - amount),
    nonce: toElement(account.nonce + 1n),
  };
}

function credited(account: Account, amount: bigint): Account {
  return { ...account, balance: toElement(account.balance + amount) };
}

function toKeyElements(key: AccountKey): AccountKey {
  return { ax: toElement(key.ax), ay: toElement(key.ay), owner: toElement(key.owner) };
}
