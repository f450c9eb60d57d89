// The logs of some contracts as the canonical chain has them: what a reorganisation takes away is taken back here, too.

import type { Address, Hex, Log, PublicClient } from "viem";

/** A block. Whatever is read is read as of one. */
export interface ChainPoint {
  readonly number: number;
  readonly hash: Hex;
  readonly timestampSeconds: bigint;
}

export interface ChainLogOptions {
  readonly addresses: readonly Address[];
  /** The first block that can have logs. */
  readonly fromBlock: number;
  /** Blocks in one request while catching up. */
  readonly rangeBlocks?: number;
}

/**
 * One block behind the head: what is decided here is made conditional on this block (`callIfCanonical`), and a node
 * that tries a call on its newest block does not know that block's own hash.
 */
const BEHIND = 1;
/** Blocks whose hashes are remembered: twice the two epochs until finality. Below, everything is read again. */
const REMEMBERED = 128;
const RANGE_BLOCKS = 1_000;
/** How often one advance starts over because the chain changed under it. */
const RESTARTS_MAX = 8;

interface Mark {
  readonly number: number;
  readonly hash: Hex;
}

export class ChainLog {
  readonly #read: PublicClient;
  readonly #options: Required<ChainLogOptions>;
  #marks: Mark[] = [];
  #logs: Log[] = [];
  #tip: ChainPoint | undefined;
  #generation = 0;

  constructor(read: PublicClient, options: ChainLogOptions) {
    this.#read = read;
    this.#options = { rangeBlocks: RANGE_BLOCKS, ...options };
  }

  /** All logs up to the tip, in order. Only grows as long as `generation` stays. */
  get logs(): readonly Log[] {
    return this.#logs;
  }
  /** Another number: logs that were here are gone. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * Follows the chain to the block before its head.
   *
   * @returns the block that the logs now end with.
   * @throws viem's errors if the node does not answer, and an error if the chain changes faster than it can be read.
   */
  async advance(): Promise<ChainPoint> {
    for (let restart = 0; restart < RESTARTS_MAX; restart++) {
      const target = (await this.#point("latest")).number - BEHIND;
      await this.#undoStale();
      if (await this.#applyUpTo(Math.max(target, this.#options.fromBlock - 1))) {
        return this.#tip as ChainPoint;
      }
    }
    throw new Error("the chain changes faster than it can be read");
  }

  /** Whether a block is still part of the chain. */
  async isCanonical({ number, hash }: Mark): Promise<boolean> {
    const found = await this.#point(number).catch((error: Error) => {
      if (error.name === "BlockNotFoundError") return undefined;
      throw error;
    });
    return found?.hash === hash;
  }

  async #undoStale(): Promise<void> {
    let isUndone = false;
    for (let last = this.#marks.at(-1); last !== undefined; last = this.#marks.at(-1)) {
      if (await this.isCanonical(last)) break;
      this.#marks.pop();
      isUndone = true;
    }
    if (!isUndone) return;
    this.#generation++;
    const kept = this.#marks.at(-1)?.number ?? -1;
    this.#logs = this.#logs.filter(({ blockNumber }) => Number(blockNumber) <= kept);
  }

  /** @returns false if the chain changed meanwhile. */
  async #applyUpTo(target: number): Promise<boolean> {
    const { fromBlock, rangeBlocks } = this.#options;
    if (this.#marks.length === 0) {
      const origin = await this.#point(fromBlock - 1);
      this.#marks.push(origin);
      this.#tip = origin;
    }
    let last = this.#marks.at(-1) as Mark;
    const deep = target - REMEMBERED;
    while (last.number < deep) {
      // By number, an answer could mix two chains: only for blocks too deep to be undone.
      const to = Math.min(deep, last.number + rangeBlocks);
      await this.#append({ fromBlock: BigInt(last.number + 1), toBlock: BigInt(to) });
      last = await this.#mark(await this.#point(to));
    }
    while (last.number < target) {
      const next = await this.#point(last.number + 1);
      if (next.parentHash !== last.hash) return false;
      await this.#append({ blockHash: next.hash });
      last = await this.#mark(next);
    }
    return true;
  }

  async #append(
    where: { readonly blockHash: Hex } | { readonly fromBlock: bigint; readonly toBlock: bigint },
  ): Promise<void> {
    const logs = await this.#read.getLogs({ address: [...this.#options.addresses], ...where });
    const order = (log: Log) => [Number(log.blockNumber), Number(log.logIndex)] as const;
    this.#logs.push(
      ...logs.toSorted((one, other) => {
        const [[a, b], [c, d]] = [order(one), order(other)];
        return a - c || b - d;
      }),
    );
  }

  async #mark(point: ChainPoint): Promise<Mark> {
    this.#marks.push(point);
    if (this.#marks.length > REMEMBERED) this.#marks.shift();
    this.#tip = point;
    return point;
  }

  async #point(number: number | "latest"): Promise<ChainPoint & { readonly parentHash: Hex }> {
    const block =
      number === "latest"
        ? await this.#read.getBlock()
        : await this.#read.getBlock({ blockNumber: BigInt(number) });
    return {
      number: Number(block.number),
      hash: block.hash as Hex,
      parentHash: block.parentHash,
      timestampSeconds: block.timestamp,
    };
  }
}
