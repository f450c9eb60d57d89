// The rollup's state as L1 events make it, and nothing else: accounts, owners, the queue, the blocks.

import type { Hex } from "viem";
import { type Account, pkHashOf } from "../circuits/account.ts";
import type { Exit } from "../circuits/exits.ts";
import type { CircuitParameters } from "../circuits/parameters.ts";
import { StateTree } from "../circuits/tree.ts";
import { replayBlock } from "./block-replay.ts";
import type { L1Block, RollupEvent } from "./chain-events.ts";
import { OperatorError } from "./errors.ts";
import type { QueueItem, RegisteredAccount } from "./l1-record.ts";

/**
 * L1 blocks that can be undone: twice the two epochs (64 slots) after which Ethereum calls a block final.
 * Below that the state is rebuilt from the chain.
 */
export const DEFAULT_CHECKPOINTS = 128;

/** The genesis has number 0. */
const FIRST_BLOCK_NUMBER = 1;

export interface L1Reference {
  readonly number: number;
  readonly hash: Hex;
}

export interface CommittedTransfer {
  readonly id: Hex;
  readonly slot: number;
}

export interface CommittedBlock {
  readonly number: number;
  readonly stateRoot: bigint;
  readonly l1Block: L1Reference;
  readonly transactionHash: Hex;
  readonly transfers: readonly CommittedTransfer[];
  readonly exits: readonly Exit[];
}

/** What one L1 block changed, so that it can be undone. */
interface Checkpoint {
  readonly previous: L1Reference;
  readonly registered: number;
  readonly queued: number;
  readonly queueHead: number;
  readonly blocks: number;
  readonly tree: StateTree;
}

export interface StateOptions {
  readonly parameters: CircuitParameters;
  readonly domain: bigint;
  /** The L1 block before the contract's first event. */
  readonly origin: L1Reference;
  readonly checkpoints?: number;
}

export class RollupState {
  readonly parameters: CircuitParameters;
  readonly domain: bigint;
  readonly #options: StateOptions;
  readonly #checkpoints: Checkpoint[] = [];
  /** By index; index 0 is never an account. */
  readonly #registered: (RegisteredAccount | undefined)[] = [undefined];
  readonly #indicesByOwner = new Map<bigint, number[]>();
  readonly #queue: QueueItem[] = [];
  readonly #blocks: CommittedBlock[] = [];
  readonly #committed = new Map<Hex, { blockNumber: number; slot: number }>();
  #queueHead = 0;
  #tree: StateTree;
  #l1: L1Reference;

  constructor(options: StateOptions) {
    this.#options = options;
    this.parameters = options.parameters;
    this.domain = options.domain;
    this.#tree = new StateTree(options.parameters.levels);
    this.#l1 = options.origin;
  }

  /** The last L1 block that is applied. */
  get l1(): L1Reference {
    return this.#l1;
  }
  /** Hash of an applied L1 block, as far back as the checkpoints reach. */
  hashOf(l1Number: number): Hex | undefined {
    if (l1Number === this.#l1.number) return this.#l1.hash;
    return this.#checkpoints.find(({ previous }) => previous.number === l1Number)?.previous.hash;
  }
  get root(): bigint {
    return this.#tree.root;
  }
  /** A copy: what is written to it does not reach this state. */
  forkTree(): StateTree {
    return this.#tree.fork();
  }
  get nextBlockNumber(): number {
    return FIRST_BLOCK_NUMBER + this.#blocks.length;
  }
  /** Id of the next queue item that a block must take. */
  get queueHead(): number {
    return this.#queueHead;
  }
  get registeredCount(): number {
    return this.#registered.length - 1;
  }
  /** The oldest L1 block that can still be undone has this number. */
  get oldestCheckpoint(): number {
    return (this.#checkpoints[0]?.previous.number ?? this.#l1.number) + 1;
  }

  /** The account's leaf; zeros as long as nothing was deposited. */
  account(index: number): Account {
    return this.#tree.get(index);
  }
  /** What L1 has registered under the index, or undefined. */
  registered(index: number): RegisteredAccount | undefined {
    return this.#registered[index];
  }
  indicesOf(owner: bigint): readonly number[] {
    return this.#indicesByOwner.get(owner) ?? [];
  }
  /** Queue items that no block has taken yet, first to take first. */
  waitingItems(): readonly QueueItem[] {
    return this.#queue.slice(this.#queueHead);
  }
  block(number: number): CommittedBlock | undefined {
    return this.#blocks[number - FIRST_BLOCK_NUMBER];
  }
  committed(id: Hex): { readonly blockNumber: number; readonly slot: number } | undefined {
    return this.#committed.get(id);
  }

  /**
   * Applies one L1 block, which must follow the last one.
   *
   * @returns the rollup blocks that it committed.
   * @throws OperatorError STATE_DIVERGED  if an event contradicts the state; the state is then as before.
   */
  apply(block: L1Block): CommittedBlock[] {
    const isNext = block.number > this.#l1.number;
    const isChild = block.parentHash === undefined || block.parentHash === this.#l1.hash;
    if (!isNext || !isChild) {
      throw new OperatorError(
        "STATE_DIVERGED",
        `L1 block ${block.number} does not follow ${this.#l1.number}: roll back first.`,
      );
    }
    this.#checkpoints.push({
      previous: this.#l1,
      registered: this.#registered.length,
      queued: this.#queue.length,
      queueHead: this.#queueHead,
      blocks: this.#blocks.length,
      tree: this.#tree.fork(),
    });
    this.#l1 = { number: block.number, hash: block.hash };
    const blocksBefore = this.#blocks.length;
    try {
      for (const event of block.events) this.#applyEvent(event);
    } catch (error) {
      this.rollBack();
      throw error;
    }
    const limit = this.#options.checkpoints ?? DEFAULT_CHECKPOINTS;
    if (this.#checkpoints.length > limit) this.#checkpoints.shift();
    return this.#blocks.slice(blocksBefore);
  }

  /**
   * Undoes the last L1 block.
   *
   * @returns the rollup blocks that are no longer committed.
   * @throws OperatorError REORG_TOO_DEEP  if no checkpoint is left.
   */
  rollBack(): CommittedBlock[] {
    const checkpoint = this.#checkpoints.pop();
    if (checkpoint === undefined) {
      throw new OperatorError(
        "REORG_TOO_DEEP",
        `no checkpoint below L1 block ${this.#l1.number}: rebuild the state from the chain.`,
      );
    }
    this.#tree = checkpoint.tree;
    for (let index = this.#registered.length - 1; index >= checkpoint.registered; index--) {
      const owner = this.#registered[index]?.key.owner ?? 0n;
      const rest = this.indicesOf(owner).filter((known) => known !== index);
      this.#indicesByOwner.set(owner, rest);
    }
    this.#registered.length = checkpoint.registered;
    this.#queue.length = checkpoint.queued;
    this.#queueHead = checkpoint.queueHead;
    const undone = this.#blocks.splice(checkpoint.blocks);
    for (const { transfers } of undone) for (const { id } of transfers) this.#committed.delete(id);
    this.#l1 = checkpoint.previous;
    return undone;
  }

  #applyEvent(event: RollupEvent): void {
    switch (event.type) {
      case "registered":
        this.#requireNext("account index", event.index, this.#registered.length);
        this.#registered.push({ key: event.key, pkHash: pkHashOf(event.key) });
        this.#indicesByOwner.set(event.key.owner, [
          ...this.indicesOf(event.key.owner),
          event.index,
        ]);
        return;
      case "queued":
        this.#requireNext("queue item", event.id, this.#queue.length);
        this.#queue.push(event);
        return;
      case "block":
        this.#applyBlock(event);
    }
  }

  #applyBlock(event: Extract<RollupEvent, { type: "block" }>): void {
    this.#requireNext("rollup block", event.number, this.nextBlockNumber);
    this.#requireNext("first item", event.firstItem, this.queueHead);
    const items = this.waitingItems().slice(0, event.itemCount);
    this.#requireNext("item count", event.itemCount, items.length);

    const { exits, transfers } = replayBlock(this.#tree, this, items, event.txData);
    if (this.root !== event.stateRoot) {
      throw new OperatorError(
        "STATE_DIVERGED",
        `rollup block ${event.number}: replaying its data gives another root than the chain has. ` +
          "Do not commit anything; check that circuit and contract belong together.",
        { got: String(this.root), expected: String(event.stateRoot) },
      );
    }
    this.#queueHead += items.length;
    for (const { id, slot } of transfers) {
      this.#committed.set(id, { blockNumber: event.number, slot });
    }
    this.#blocks.push({
      number: event.number,
      stateRoot: event.stateRoot,
      l1Block: this.#l1,
      transactionHash: event.transactionHash,
      transfers,
      exits,
    });
  }

  #requireNext(what: string, got: number, expected: number): void {
    if (got === expected) return;
    throw new OperatorError("STATE_DIVERGED", `${what}: got ${got}, expected ${expected}.`, {
      got: String(got),
      expected: String(expected),
    });
  }
}
