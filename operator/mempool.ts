// Signed transfers that wait for a block. Accepted ones leave only by a block, by expiry, or because L1 overtook them.

import type { Hex } from "viem";
import type { SignedTransfer } from "../circuits/transfer.ts";
import {
  checkBalance,
  checkExpiry,
  checkNonce,
  checkParties,
  checkRanges,
  checkSignature,
  findObstacle,
  firstFreeNonce,
} from "./admission.ts";
import { OperatorError, type OperatorErrorCode } from "./errors.ts";
import type { RollupState } from "./state.ts";
import { transferId } from "./transfer-id.ts";

export interface MempoolOptions {
  /** Transfers waiting in all, before MEMPOOL_FULL. */
  readonly maxPending: number;
  /** Transfers waiting of one account, before ACCOUNT_PENDING_LIMIT. */
  readonly maxPendingPerAccount: number;
  /** Refusals that are remembered for receipts; the oldest is forgotten first. */
  readonly maxRefusals: number;
  readonly minFeeGwei: bigint;
  /** Whether the operator has an account to which fees can go. */
  readonly takesFees: boolean;
}

export interface Reason {
  readonly code: OperatorErrorCode;
  readonly message: string;
}

export interface PoolEntry {
  readonly id: Hex;
  readonly transfer: SignedTransfer;
  /** Rises by one with each accepted transfer. */
  readonly arrival: number;
  /** The rollup block that is being proven with it. */
  inBatch: number | undefined;
  /** Why the last batch went without it. */
  waitingFor: Reason | undefined;
}

export type Receipt =
  | { readonly status: "pending"; readonly waitingFor?: Reason }
  | { readonly status: "in_batch"; readonly blockNumber: number }
  | {
      readonly status: "committed";
      readonly blockNumber: number;
      /** Position in the block's exit tree: L1 slots first, then transfers. */
      readonly slot: number;
    }
  | { readonly status: "refused"; readonly reason: Reason };

export class Mempool {
  readonly #options: MempoolOptions;
  readonly #entries = new Map<Hex, PoolEntry>();
  /** By sender, by rising nonce, without equal nonces. */
  readonly #accounts = new Map<number, PoolEntry[]>();
  /** Committed, but in an L1 block that may still be undone. */
  readonly #settled = new Map<Hex, PoolEntry>();
  readonly #refusals = new Map<Hex, Reason>();
  #arrivals = 0;

  constructor(options: MempoolOptions) {
    this.#options = options;
  }

  /** Transfers waiting, those that are being proven included. */
  get size(): number {
    return this.#entries.size;
  }
  /** Transfers that are waiting and not in a batch. */
  get idleCount(): number {
    return [...this.#entries.values()].filter(({ inBatch }) => inBatch === undefined).length;
  }

  /**
   * Accepts a transfer. The same transfer again is the same entry.
   *
   * @throws OperatorError FIELD_MALFORMED, TRANSFER_*, ACCOUNT_PENDING_LIMIT, MEMPOOL_FULL
   */
  add(state: RollupState, transfer: SignedTransfer): { readonly id: Hex; readonly isNew: boolean } {
    checkRanges(state, transfer);
    const id = transferId(state.domain, transfer, transfer.nonce, transfer.recipient);
    if (this.#entries.has(id) || state.committed(id)) return { id, isNew: false };
    this.#checkFee(transfer);
    checkParties(state, transfer);
    checkExpiry(state, transfer);
    const waiting = this.#accounts.get(transfer.from) ?? [];
    this.#checkRoom(waiting);
    checkNonce(state, transfer, noncesOf(waiting));
    checkBalance(state, transfer, costOf(waiting));
    // Last, because it costs a hundred times what the other checks cost together.
    checkSignature(state, transfer);

    this.#refusals.delete(id);
    this.#insert({
      id,
      transfer,
      arrival: this.#arrivals++,
      inBatch: undefined,
      waitingFor: undefined,
    });
    return { id, isNew: true };
  }

  receipt(state: RollupState, id: Hex): Receipt | undefined {
    const committed = state.committed(id);
    if (committed) return { status: "committed", ...committed };
    const entry = this.#entries.get(id);
    if (entry) {
      if (entry.inBatch !== undefined) return { status: "in_batch", blockNumber: entry.inBatch };
      return { status: "pending", ...(entry.waitingFor && { waitingFor: entry.waitingFor }) };
    }
    // Its block has gone; `reconcile` will have it wait again.
    if (this.#settled.has(id)) return { status: "pending" };
    const reason = this.#refusals.get(id);
    return reason && { status: "refused", reason };
  }

  /** First nonce that a new transfer of the account may carry. */
  nextNonce(state: RollupState, index: number): bigint {
    return firstFreeNonce(state.account(index).nonce, noncesOf(this.#accounts.get(index) ?? []));
  }

  /**
   * Candidates for a block: highest fee first, then first come; of one account only by rising nonce.
   * Answer `true` to a yield when the transfer was taken: then the account's next one becomes a candidate.
   */
  *candidates(): Generator<PoolEntry, void, boolean> {
    const before = (a: PoolEntry, b: PoolEntry): boolean =>
      a.transfer.fee === b.transfer.fee ? a.arrival < b.arrival : a.transfer.fee > b.transfer.fee;
    const idle = [...this.#accounts.values()].map((entries) =>
      entries.filter(({ inBatch }) => inBatch === undefined),
    );
    const rest = new Map(idle.map((entries) => [entries[0]?.transfer.from, entries]));
    const heads = idle
      .flatMap((entries) => entries.slice(0, 1))
      .sort((a, b) => (before(a, b) ? -1 : 1));
    for (let position = 0; position < heads.length; position++) {
      const entry = heads[position] as PoolEntry;
      const isTaken = yield entry;
      if (!isTaken) continue;
      const following = rest.get(entry.transfer.from) ?? [];
      const next = following[following.indexOf(entry) + 1];
      if (next === undefined) continue;
      const at = heads.findIndex((other, i) => i > position && before(next, other));
      heads.splice(at < 0 ? heads.length : at, 0, next);
    }
  }

  markInBatch(ids: Iterable<Hex>, blockNumber: number): void {
    for (const entry of this.#known(ids)) {
      entry.inBatch = blockNumber;
      entry.waitingFor = undefined;
    }
  }

  /** The batch is given up: its transfers wait again. */
  release(ids: Iterable<Hex>): void {
    for (const entry of this.#known(ids)) entry.inBatch = undefined;
  }

  defer(id: Hex, reason: Reason): void {
    for (const entry of this.#known([id])) entry.waitingFor = reason;
  }

  /** Drops a transfer for good, and those of the same account that build upon its nonce. */
  refuse(id: Hex, reason: Reason): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    const { from, nonce } = entry.transfer;
    const later = (this.#accounts.get(from) ?? []).filter((other) => other.transfer.nonce > nonce);
    this.#remove(entry);
    this.#recordRefusal(id, { code: reason.code, message: reason.message });
    for (const other of later) {
      this.#remove(other);
      this.#recordRefusal(other.id, {
        code: "TRANSFER_NONCE_GAP",
        message: `an earlier transfer of account ${from} (nonce ${nonce}) was refused: ${reason.message} Sign again.`,
      });
    }
  }

  /**
   * Brings the pool in line with the state after L1 blocks were applied or undone: what a block took leaves, what
   * an undone block had taken waits again, what L1 overtook is refused.
   */
  reconcile(state: RollupState): void {
    for (const entry of [...this.#settled.values()]) {
      const committed = state.committed(entry.id);
      if (committed === undefined) {
        this.#settled.delete(entry.id);
        const { from, nonce } = entry.transfer;
        const isTaken = this.#accounts.get(from)?.some((other) => other.transfer.nonce === nonce);
        if (isTaken) {
          this.#recordRefusal(entry.id, {
            code: "TRANSFER_NONCE_USED",
            message: "its block was undone on L1, and another transfer carries its nonce now.",
          });
          continue;
        }
        this.#insert({ ...entry, inBatch: undefined, waitingFor: undefined });
      } else if (
        (state.block(committed.blockNumber)?.l1Block.number ?? 0) < state.oldestCheckpoint
      ) {
        this.#settled.delete(entry.id);
      }
    }
    for (const entry of [...this.#entries.values()]) {
      if (state.committed(entry.id)) {
        this.#remove(entry);
        this.#settled.set(entry.id, entry);
        continue;
      }
      // While it is being proven the batch decides: its block may be on L1 and only lack confirmations.
      const obstacle =
        entry.inBatch === undefined ? findObstacle(state, entry.transfer) : undefined;
      if (obstacle) this.refuse(entry.id, obstacle);
    }
  }

  #checkFee({ fee }: SignedTransfer): void {
    if (fee < this.#options.minFeeGwei) {
      throw new OperatorError("TRANSFER_FEE", `fee ${fee} gwei is below the operator's minimum.`, {
        path: "feeGwei",
        got: String(fee),
        expected: `at least ${this.#options.minFeeGwei}`,
      });
    }
    if (fee > 0n && !this.#options.takesFees) {
      throw new OperatorError("TRANSFER_FEE", "this operator takes no fees.", {
        path: "feeGwei",
        got: String(fee),
        expected: "0",
      });
    }
  }

  #checkRoom(waiting: readonly PoolEntry[]): void {
    if (waiting.length >= this.#options.maxPendingPerAccount) {
      throw new OperatorError(
        "ACCOUNT_PENDING_LIMIT",
        `account has ${waiting.length} transfers waiting. Wait until a block takes some.`,
      );
    }
    if (this.#entries.size >= this.#options.maxPending) {
      throw new OperatorError(
        "MEMPOOL_FULL",
        `${this.#entries.size} transfers are waiting, the limit. Try again after the next block.`,
      );
    }
  }

  #insert(entry: PoolEntry): void {
    this.#entries.set(entry.id, entry);
    const waiting = this.#accounts.get(entry.transfer.from) ?? [];
    waiting.push(entry);
    waiting.sort((a, b) => (a.transfer.nonce < b.transfer.nonce ? -1 : 1));
    this.#accounts.set(entry.transfer.from, waiting);
  }

  #remove(entry: PoolEntry): void {
    this.#entries.delete(entry.id);
    const { from } = entry.transfer;
    const rest = (this.#accounts.get(from) ?? []).filter((other) => other !== entry);
    if (rest.length === 0) this.#accounts.delete(from);
    else this.#accounts.set(from, rest);
  }

  #recordRefusal(id: Hex, reason: Reason): void {
    this.#refusals.set(id, reason);
    const oldest = this.#refusals.keys().next();
    if (this.#refusals.size > this.#options.maxRefusals && !oldest.done) {
      this.#refusals.delete(oldest.value);
    }
  }

  *#known(ids: Iterable<Hex>): Generator<PoolEntry> {
    for (const id of ids) {
      const entry = this.#entries.get(id);
      if (entry) yield entry;
    }
  }
}

const noncesOf = (entries: readonly PoolEntry[]): bigint[] =>
  entries.map(({ transfer }) => transfer.nonce);

const costOf = (entries: readonly PoolEntry[]): bigint =>
  entries.reduce((sum, { transfer }) => sum + transfer.amount + transfer.fee, 0n);
