// Chooses what goes into the next block, so that `executeBatch` accepts it.

import { buildBatch, type Execution, executeBatch, type TransferBatch } from "../circuits/batch.ts";
import { BatchError } from "../circuits/errors.ts";
import { type L1Item, L1Kind } from "../circuits/l1.ts";
import { type SignedTransfer, TransferType } from "../circuits/transfer.ts";
import { applyBlock } from "../circuits/transition.ts";
import type { StateTree } from "../circuits/tree.ts";
import { OperatorError } from "./errors.ts";
import type { PoolEntry, Reason } from "./mempool.ts";
import type { RollupState } from "./state.ts";

const U64_MAX = 2n ** 64n - 1n;

export interface BuiltBatch {
  readonly batch: TransferBatch;
  readonly execution: Execution;
  /** Ids of the queue items taken, `firstItem` to `firstItem + itemCount - 1`. */
  readonly firstItem: number;
  readonly itemCount: number;
  readonly entries: readonly PoolEntry[];
}

export interface BuildOutcome {
  /** Undefined if there is nothing that a block could do. */
  readonly built: BuiltBatch | undefined;
  /** Left out of this block, and why. */
  readonly deferred: ReadonlyMap<PoolEntry, Reason>;
  /** Refused by `executeBatch`: they will never do. */
  readonly refused: ReadonlyMap<PoolEntry, Reason>;
}

/** Candidates in order; `next(true)` says that the one before was taken. */
export type Candidates = Generator<PoolEntry, void, boolean>;

/**
 * Takes as many L1 items as fit (the queue rule wants overdue ones, and earlier is better for users), then the
 * transfers that execute on the state after them, in the pool's order.
 *
 * @param feeIndex     account that gets the fees; 0 for none.
 * @param candidates   called again when `executeBatch` refuses a transfer that the rules here let pass.
 * @throws OperatorError L1_ITEM_UNSATISFIABLE  if the queue holds what the circuit cannot execute.
 */
export function buildNextBatch(
  state: RollupState,
  feeIndex: number,
  candidates: () => Candidates,
): BuildOutcome {
  const refused = new Map<PoolEntry, Reason>();
  const { items, tree } = takeItems(state);
  for (;;) {
    const { entries, deferred } = pickTransfers(
      state,
      tree.fork(),
      feeIndex,
      candidates(),
      refused,
    );
    if (items.length === 0 && entries.length === 0) {
      return { built: undefined, deferred, refused };
    }
    try {
      const batch = buildBatch(state.parameters, state.forkTree(), {
        domain: state.domain,
        blockNumber: state.nextBlockNumber,
        feeIndex,
        l1Items: items,
        transfers: entries.map(({ transfer }) => transfer),
      });
      const built = {
        batch,
        execution: executeBatch(state.parameters, batch),
        firstItem: state.queueHead,
        itemCount: items.length,
        entries,
      };
      return { built, deferred, refused };
    } catch (error) {
      const culprit = error instanceof BatchError ? culpritOf(error, entries) : undefined;
      if (culprit === undefined) throw asItemFault(error);
      refused.set(culprit, reasonOf(error as BatchError));
    }
  }
}

/** The queue's head as the circuit wants it, and the tree after it. A forced exit takes the balance of its moment. */
function takeItems(state: RollupState): { items: L1Item[]; tree: StateTree } {
  const tree = state.forkTree();
  const items = state
    .waitingItems()
    .slice(0, state.parameters.nDeposits)
    .map(({ kind, index, amountGwei }) => {
      const account = state.registered(index);
      if (account === undefined) {
        throw new OperatorError(
          "L1_ITEM_UNSATISFIABLE",
          `a queue item names account ${index}, which is not registered.`,
        );
      }
      const amount = kind === L1Kind.deposit ? amountGwei : tree.get(index).balance;
      const item: L1Item = { kind, index, amount, key: account.key };
      applyBlock(state.parameters, tree, { feeIndex: 0, l1Items: [item], transfers: [] });
      return item;
    });
  return { items, tree };
}

function pickTransfers(
  state: RollupState,
  tree: StateTree,
  feeIndex: number,
  candidates: Candidates,
  refused: ReadonlyMap<PoolEntry, Reason>,
): { entries: PoolEntry[]; deferred: Map<PoolEntry, Reason> } {
  const entries: PoolEntry[] = [];
  const deferred = new Map<PoolEntry, Reason>();
  let isTaken = false;
  // To the pool's end if need be, about 2 microseconds each. Were it less, high fees on transfers that cannot run yet,
  // which nobody has to pay before they do, would keep others out of empty slots.
  while (entries.length < state.parameters.nTx) {
    const next = candidates.next(isTaken);
    if (next.done) break;
    isTaken = false;
    if (refused.has(next.value)) continue;
    const obstacle = obstacleOf(state, tree, feeIndex, next.value.transfer);
    if (obstacle) {
      deferred.set(next.value, obstacle);
      continue;
    }
    movePayment(tree, next.value.transfer);
    entries.push(next.value);
    isTaken = true;
  }
  return { entries, deferred };
}

/** Debit and credit of one transfer. Its fee goes to nobody yet: fees are credited after all transfers. */
function movePayment(tree: StateTree, transfer: SignedTransfer): void {
  const sender = tree.get(transfer.from);
  const balance = sender.balance - transfer.amount - transfer.fee;
  tree.set(transfer.from, { ...sender, balance, nonce: sender.nonce + 1n });
  if (transfer.type !== TransferType.transfer) return;
  const receiver = tree.get(transfer.to);
  tree.set(transfer.to, { ...receiver, balance: receiver.balance + transfer.amount });
}

/** Why a transfer, good when it was accepted, cannot be executed at this point of this block. */
function obstacleOf(
  state: RollupState,
  tree: StateTree,
  feeIndex: number,
  transfer: SignedTransfer,
): Reason | undefined {
  const sender = tree.get(transfer.from);
  const receiver = tree.get(transfer.to);
  if (transfer.validUntil < state.nextBlockNumber) {
    return { code: "TRANSFER_EXPIRED", message: "its last block has passed." };
  }
  if (sender.pkHash === 0n) {
    return { code: "TRANSFER_SENDER", message: "the sender's first deposit waits in the queue." };
  }
  if (transfer.nonce !== sender.nonce) {
    return {
      code: transfer.nonce < sender.nonce ? "TRANSFER_NONCE_USED" : "TRANSFER_NONCE_GAP",
      message: `the account stands at nonce ${sender.nonce}, the transfer carries ${transfer.nonce}.`,
    };
  }
  if (transfer.amount + transfer.fee > sender.balance) {
    return {
      code: "TRANSFER_BALANCE",
      message: `the account holds ${sender.balance} gwei; a deposit may still wait in the queue.`,
    };
  }
  if (receiver.pkHash === 0n) {
    return {
      code: "TRANSFER_RECIPIENT",
      message: "the receiver's first deposit waits in the queue.",
    };
  }
  if (receiver.pkHash !== transfer.recipient) {
    return { code: "TRANSFER_RECIPIENT", message: "the index belongs to another account now." };
  }
  if (transfer.type === TransferType.transfer && receiver.balance + transfer.amount > U64_MAX) {
    return {
      code: "TRANSFER_BALANCE",
      message: "the receiver's balance would pass 2^64 - 1 gwei.",
    };
  }
  if (transfer.fee > 0n && tree.get(feeIndex).pkHash === 0n) {
    return {
      code: "TRANSFER_FEE",
      message: "the operator's own account waits for its first deposit.",
    };
  }
  return undefined;
}

/** The transfer that a refusal of the whole batch points at: `transfers[2].signature` → the third. */
function culpritOf(error: BatchError, entries: readonly PoolEntry[]): PoolEntry | undefined {
  const position = /^transfers\[(\d+)\]/.exec(error.path)?.[1];
  return position === undefined ? undefined : entries[Number(position)];
}

const reasonOf = ({ code, message }: BatchError): Reason => ({
  code: code === "BATCH_SIGNATURE" ? "TRANSFER_SIGNATURE" : "TRANSFER_SENDER",
  message,
});

function asItemFault(error: unknown): unknown {
  if (!(error instanceof BatchError) || error.code !== "BATCH_L1") return error;
  return new OperatorError(
    "L1_ITEM_UNSATISFIABLE",
    `${error.message} No block can be built until this is understood.`,
    { path: error.path },
    { cause: error },
  );
}
