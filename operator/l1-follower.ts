// Keeps a RollupState in step with the canonical chain.

import { OperatorError } from "./errors.ts";
import type { L1Client } from "./l1-client.ts";
import { DEFAULT_CHECKPOINTS, type RollupState } from "./state.ts";

export interface FollowerOptions {
  /** L1 blocks on top of a block before its events count. 0 follows the head. */
  readonly confirmations: number;
  /** L1 blocks in one request while catching up; public nodes refuse more than a few thousand. */
  readonly rangeBlocks: number;
  /** As given to the state. */
  readonly checkpoints?: number;
}

export interface FollowerDependencies {
  readonly client: L1Client;
  /** The state before the contract's first event. */
  readonly createState: () => RollupState;
  /** Called at once when an L1 block was undone, before anybody else can look at the state. */
  readonly onUndo?: (state: RollupState) => void;
}

export interface Advance {
  readonly appliedL1Blocks: number;
  /** L1 blocks that were applied before and are not canonical any more. */
  readonly undoneL1Blocks: number;
  /** The state was thrown away and read from the chain again. */
  readonly isRebuilt: boolean;
}

/** How often one advance starts over because the chain changed under it. */
const RESTARTS_MAX = 8;

export class L1Follower {
  readonly #options: FollowerOptions;
  readonly #client: L1Client;
  readonly #createState: () => RollupState;
  readonly #onUndo: (state: RollupState) => void;
  #state: RollupState;
  #headNumber = 0;
  #isReady = false;
  #running: Promise<Advance> | undefined;

  constructor(options: FollowerOptions, dependencies: FollowerDependencies) {
    this.#options = options;
    this.#client = dependencies.client;
    this.#createState = dependencies.createState;
    this.#onUndo = dependencies.onUndo ?? (() => {});
    this.#state = this.#createState();
  }

  get state(): RollupState {
    return this.#state;
  }
  /** The chain's head as last seen. */
  get headNumber(): number {
    return this.#headNumber;
  }
  /** The state has once been level with the chain: what it does not know does not exist. */
  get isReady(): boolean {
    return this.#isReady;
  }
  /** Everything with enough confirmations is applied. */
  get isSynced(): boolean {
    return this.#state.l1.number >= this.#headNumber - this.#options.confirmations;
  }

  /**
   * Follows the chain to its head, less the confirmations. Calls that overlap share one run.
   *
   * @throws OperatorError STATE_DIVERGED  the next call then rebuilds from the chain, in case a node had left out logs.
   * @throws viem's errors if the node does not answer; the state is then consistent, only older.
   */
  async advance(signal?: AbortSignal): Promise<Advance> {
    this.#running ??= this.#advance(signal).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #advance(signal: AbortSignal | undefined): Promise<Advance> {
    let appliedL1Blocks = 0;
    let undoneL1Blocks = 0;
    let isRebuilt = false;
    for (let restart = 0; restart < RESTARTS_MAX; restart++) {
      try {
        undoneL1Blocks += await this.#undoStale();
        const outcome = await this.#applyNew(signal);
        appliedL1Blocks += outcome.applied;
        if (outcome.isDone) {
          this.#isReady = true;
          break;
        }
      } catch (error) {
        if (!(error instanceof OperatorError)) throw error;
        const mustRebuild = error.code === "REORG_TOO_DEEP" || error.code === "STATE_DIVERGED";
        if (mustRebuild) {
          this.#state = this.#createState();
          this.#isReady = false;
          isRebuilt = true;
        }
        if (error.code !== "REORG_TOO_DEEP") throw error;
      }
    }
    return { appliedL1Blocks, undoneL1Blocks, isRebuilt };
  }

  /** Rolls back to the last block that is still canonical. */
  async #undoStale(): Promise<number> {
    const head = await this.#client.header("latest");
    this.#headNumber = head.number;
    let undone = 0;
    while (!(await this.#isCanonical(head))) {
      this.#state.rollBack();
      this.#onUndo(this.#state);
      undone++;
    }
    return undone;
  }

  async #isCanonical(head: { readonly number: number; readonly hash: string }): Promise<boolean> {
    const { number, hash } = this.#state.l1;
    if (number > head.number) {
      // Most likely a node that lags behind another one we asked before; a chain that became shorter will show
      // another hash at a height we know, or grow.
      const known = this.#state.hashOf(head.number);
      return known === undefined || known === head.hash;
    }
    return (await this.#client.header(number)).hash === hash;
  }

  async #applyNew(signal: AbortSignal | undefined): Promise<{ applied: number; isDone: boolean }> {
    const { confirmations, rangeBlocks, checkpoints = DEFAULT_CHECKPOINTS } = this.#options;
    const target = this.#headNumber - confirmations;
    const deep = Math.min(target, this.#headNumber - checkpoints);
    let applied = 0;
    while (this.#state.l1.number < target) {
      signal?.throwIfAborted();
      const next = this.#state.l1.number + 1;
      if (next <= deep) {
        const to = Math.min(deep, this.#state.l1.number + rangeBlocks);
        for (const block of await this.#client.range(next, to)) this.#state.apply(block);
        applied += to - next + 1;
        continue;
      }
      const header = await this.#client.header(next);
      if (header.parentHash !== this.#state.l1.hash) return { applied, isDone: false };
      this.#state.apply(await this.#client.block(header));
      applied++;
    }
    return { applied, isDone: true };
  }
}
