// An honest account at work: reads the chain, decides, sends one transaction at a time. Nothing is kept that the chain
// does not tell: a process that is killed and started again goes on where the chain stands.

import { type Abi, type Address, encodeFunctionData, type PublicClient } from "viem";
import { OperatorError } from "../errors.ts";
import type { LedgerDomain } from "../ledger/signature.ts";
import type { Log } from "../log.ts";
import type { RevertReason } from "../revert-reason.ts";
import type { Call, TransactionSender } from "../transaction-sender.ts";
import { Board } from "./board.ts";
import type { ChainLog, ChainPoint } from "./chain-log.ts";
import { OPTIMISTIC_ABI } from "./optimistic-abi.ts";
import { type Action, plan, type Roles, trueLine } from "./plan.ts";
import { Truth } from "./truth.ts";
import { type RollupRules, readView, type View } from "./view.ts";

/** How nodes say that an account cannot pay for what it sends along. */
const UNFUNDED = /insufficient funds|enough funds|exceeds the balance/i;

export interface PlayerOptions {
  readonly rollup: Address;
  readonly account: Address;
  readonly roles: Roles;
  /** Claims ahead of the finalized chain that a proposer stakes on: one bond each. */
  readonly maxAhead: number;
  readonly rules: RollupRules;
  readonly domain: LedgerDomain;
}

export interface PlayerDependencies {
  readonly read: PublicClient;
  readonly chain: ChainLog;
  readonly sender: TransactionSender;
  readonly log: Log;
  /** One that has executed batches before. */
  readonly truth?: Truth;
}

export class FraudPlayer {
  readonly #options: PlayerOptions;
  readonly #read: PublicClient;
  readonly #chain: ChainLog;
  readonly #sender: TransactionSender;
  readonly #log: Log;
  readonly #truth: Truth;
  #board = new Board();
  #applied = 0;
  #generation = 0;
  /** Wishes that are on the chain behind the view, by the block that fulfilled them. */
  readonly #fulfilled = new Map<string, number>();
  readonly #lostStakes = new Set<string>();

  constructor(options: PlayerOptions, dependencies: PlayerDependencies) {
    this.#options = options;
    this.#read = dependencies.read;
    this.#chain = dependencies.chain;
    this.#sender = dependencies.sender;
    this.#log = dependencies.log;
    this.#truth = dependencies.truth ?? new Truth(options.domain);
  }

  get board(): Board {
    return this.#board;
  }

  /**
   * Looks once, and does at most one thing.
   *
   * @returns what was wished for, most urgent first; empty if there is nothing to do.
   * @throws OperatorError STATE_DIVERGED  the finalized chain is not what the batches lead to.
   * @throws viem's errors if the node does not answer; nothing is lost by trying again.
   */
  async tick(): Promise<readonly Action[]> {
    const at = await this.#chain.advance();
    await this.#follow();
    const view = await this.#look(at);
    if (view === undefined) return [];
    const { account, roles, rules, maxAhead } = this.#options;
    const situation = {
      account,
      roles,
      maxAhead,
      rules,
      board: this.#board,
      truth: this.#truth,
      view,
    };
    const wishes = (await plan(situation)).filter(({ key }) => !this.#isFulfilled(key, at));
    await this.#doOne(wishes, at);
    return wishes;
  }

  async #follow(): Promise<void> {
    if (this.#chain.generation !== this.#generation) {
      this.#generation = this.#chain.generation;
      this.#board = new Board();
      this.#applied = 0;
      this.#fulfilled.clear();
      this.#log.warn({ generation: this.#generation }, "the chain was reorganised");
    }
    const { logs } = this.#chain;
    this.#board.apply(logs.slice(this.#applied));
    this.#applied = logs.length;
    await this.#truth.follow(this.#board.inbox);
    const final = this.#board.finalClaim;
    if (!this.#truth.isTrue(final)) {
      throw new OperatorError(
        "STATE_DIVERGED",
        `batch ${final.batchEnd}: the final root is ${final.root}, the batches lead to another one.`,
      );
    }
  }

  /** @returns undefined if the chain changed while it was read. */
  async #look(at: ChainPoint): Promise<View | undefined> {
    const { rollup, account, maxAhead } = this.#options;
    let keys = trueLine(this.#board, this.#truth, new Map(), maxAhead);
    for (;;) {
      const view = await readView(this.#read, rollup, account, this.#board, at, keys);
      const line = trueLine(this.#board, this.#truth, view.nextBatchEnds, maxAhead);
      if (line.length <= keys.length) {
        // Storage was read by number. If the number still means the block, all of it is of that block.
        return (await this.#chain.isCanonical(at)) ? view : undefined;
      }
      keys = line;
    }
  }

  async #doOne(wishes: readonly Action[], at: ChainPoint): Promise<void> {
    const pending = wishes.find(({ key }) => key === this.#sender.pendingKey);
    // What is on its way comes first, or two of ours would fight for one nonce.
    const queue =
      pending === undefined ? wishes : [pending, ...wishes.filter((w) => w !== pending)];
    for (const action of queue) {
      if (await this.#isTooMuch(action)) continue;
      if (!(await this.#attempt(action, at))) return;
    }
  }

  /** @returns whether the next wish may be tried, since this one needs nothing more for now. */
  async #attempt(action: Action, at: ChainPoint): Promise<boolean> {
    const { key } = action;
    const progress = await this.#sender
      .advance(key, () => this.#encode(action, at))
      .catch((error: Error) => {
        // Without the stake of one wish, another one may even bring money.
        if (UNFUNDED.test(error.message)) return { kind: "unfunded" } as const;
        throw error;
      });
    switch (progress.kind) {
      case "waiting":
        this.#log.debug({ action: key }, "on its way");
        return false;
      case "mined": {
        this.#fulfilled.set(key, progress.l1Block.number);
        const { transactionHash, gasUsed } = progress;
        this.#log.info({ action: key, transactionHash, gasUsed: Number(gasUsed) }, "done");
        return true;
      }
      case "refused":
        this.#noteRefusal(key, progress.reason);
        return true;
      case "unfunded":
        this.#log.warn({ action: key, valueWei: String(action.valueWei ?? 0n) }, "lacks money");
        return true;
      case "reverted":
        this.#log.warn({ action: key, reason: progress.reason }, "mined, and reverted");
        return false;
      case "expensive":
        this.#log.warn(
          { action: key, feePerGasWei: String(progress.feePerGasWei) },
          "gas is too expensive",
        );
        return false;
    }
  }

  #noteRefusal(key: string, { name, text }: RevertReason): void {
    // A stake on the truth that was lost, say while nobody was there to defend it, is not made twice.
    if (name === "AlreadyProposed" && !this.#lostStakes.has(key)) {
      this.#lostStakes.add(key);
      this.#log.warn({ action: key }, "its stake is lost: another account must propose");
    }
    // Somebody was faster, or it is already on the chain in a block that the view does not have yet.
    this.#log.debug({ action: key, reason: text }, "refused before sending");
  }

  #isFulfilled(key: string, at: ChainPoint): boolean {
    const block = this.#fulfilled.get(key);
    if (block === undefined) return false;
    if (block > at.number) return true;
    this.#fulfilled.delete(key);
    return false;
  }

  /** A second game about an entry would be won as well, but it would bind a second deposit. */
  async #isTooMuch({ functionName, args }: Action): Promise<boolean> {
    if (functionName !== "challengeStateRoot") return false;
    const { rollup: address, account } = this.#options;
    const contract = { address, abi: OPTIMISTIC_ABI } as const;
    const count = await this.#read.readContract({ ...contract, functionName: "challengeCount" });
    for (let id = count; id > this.#board.lastGameId; id--) {
      const game = await this.#read.readContract({
        ...contract,
        functionName: "challenges",
        args: [id],
      });
      const isMine = game.challenger.toLowerCase() === account.toLowerCase();
      if (isMine && game.rootId === args[0] && !game.resolved) return true;
    }
    return false;
  }

  #encode({ functionName, args, valueWei, isConditional }: Action, at: ChainPoint): Call {
    const abi = OPTIMISTIC_ABI as Abi;
    const inner = encodeFunctionData({ abi, functionName, args });
    const data = isConditional
      ? encodeFunctionData({
          abi,
          functionName: "callIfCanonical",
          args: [BigInt(at.number), at.hash, inner],
        })
      : inner;
    return { to: this.#options.rollup, data, ...(valueWei !== undefined && { valueWei }) };
  }
}
