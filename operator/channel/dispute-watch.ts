// Looks for disputes about stale states, and has them answered.
//
// What is done follows in every round from what the chain says at that moment: logs only say where to look. A round
// that is lost, an answer that a reorganisation undoes, a crash anywhere: the next round finds the same dispute again.

import type { Address } from "viem";
import type { Log } from "../log.ts";
import { nodeFailure } from "../node-failure.ts";
import { STATUS } from "./abi.ts";
import type { Answer } from "./answer-sender.ts";
import type { ChainMoment, ChannelReader, ChannelStanding } from "./channel-reader.ts";
import { answerData } from "./settlement.ts";
import type { SignedState } from "./signed-state.ts";

export interface WatchOptions {
  /** Every channel is looked at so often, whatever the logs say: nodes leave some out. */
  readonly sweepMs: number;
  /** Blocks in one request for logs. */
  readonly rangeBlocks: number;
}

export interface WatchDependencies {
  readonly reader: Pick<ChannelReader, "head" | "disputed" | "standing">;
  readonly sender: { advance(wanted: readonly Answer[]): Promise<void> };
  readonly states: {
    readonly channels: readonly Address[];
    state(channel: Address): SignedState | undefined;
  };
  readonly log: Log;
  readonly nowMs?: () => number;
}

/**
 * Blocks that are read once more, and for which a channel stays under observation after its dispute seems over: as long
 * as Ethereum takes to make a block final.
 */
const REORG_BLOCKS = 64n;
/** Channels that are asked for at the same time. */
const TOGETHER = 32;

export class DisputeWatch {
  readonly #options: WatchOptions;
  readonly #dependencies: WatchDependencies;
  readonly #nowMs: () => number;
  /** Channels to look at in each round, with the block in which they were last seen in a dispute. */
  readonly #active = new Map<Address, bigint>();
  #readTo: bigint | undefined;
  #sweptAtMs = Number.NEGATIVE_INFINITY;
  #head: ChainMoment | undefined;

  constructor(options: WatchOptions, dependencies: WatchDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#nowMs = dependencies.nowMs ?? Date.now;
  }

  get head(): ChainMoment | undefined {
    return this.#head;
  }
  get active(): readonly Address[] {
    return [...this.#active.keys()];
  }

  /** A state came in: its channel may be in a dispute already. */
  touch(channel: Address): void {
    if (!this.#active.has(channel)) this.#active.set(channel, this.#head?.number ?? 0n);
  }

  /**
   * One round. A channel that cannot be read keeps no other from its answer: anybody may bring one.
   *
   * @throws viem's errors if the node does not answer.
   */
  async advance(): Promise<void> {
    const { reader, sender } = this.#dependencies;
    const head = await reader.head();
    this.#head = head;
    await this.#lookForNews(head);
    const wanted: Answer[] = [];
    const unread: unknown[] = [];
    const channels = [...this.#active.keys()];
    for (let i = 0; i < channels.length; i += TOGETHER) {
      const some = channels.slice(i, i + TOGETHER);
      const standings = await Promise.allSettled(some.map((channel) => reader.standing(channel)));
      for (const [k, channel] of some.entries()) {
        const standing = standings[k] as PromiseSettledResult<ChannelStanding>;
        if (standing.status === "rejected") {
          unread.push(standing.reason);
          continue;
        }
        const answer = this.#answerTo(channel, standing.value, head);
        if (answer) wanted.push(answer);
      }
    }
    wanted.sort((a, b) => a.urgencyMs - b.urgencyMs);
    await sender.advance(wanted);
    if (unread.length === 0) return;
    if (unread.length === channels.length) throw unread[0];
    this.#dependencies.log.warn(
      { channels: unread.length, failure: nodeFailure(unread[0]) },
      "channels that cannot be read; they are looked at again",
    );
  }

  #answerTo(channel: Address, standing: ChannelStanding, head: ChainMoment): Answer | undefined {
    const { states, log } = this.#dependencies;
    const { status, nonce, expirationTime } = standing;
    const ours = states.state(channel);
    const isDisputed = status === STATUS.disputed;
    const seen = this.#active.get(channel) ?? 0n;
    if (isDisputed) this.#active.set(channel, head.number);
    else if (head.number > seen + REORG_BLOCKS) this.#active.delete(channel);
    if (!isDisputed || ours === undefined || nonce >= ours.state.nonce) return undefined;
    const leftSeconds = expirationTime - head.timestamp;
    if (leftSeconds <= 0n) {
      log.error({ channel, nonce: String(nonce) }, "a stale state's time for answers is over");
      return undefined;
    }
    return { to: channel, data: answerData(ours), urgencyMs: Number(leftSeconds) * 1_000 };
  }

  async #lookForNews(head: ChainMoment): Promise<void> {
    const { states, log } = this.#dependencies;
    const from = this.#readTo === undefined ? undefined : this.#readTo - REORG_BLOCKS;
    const isFar =
      from === undefined || head.number - from > BigInt(this.#options.rangeBlocks) + REORG_BLOCKS;
    const isDue = this.#nowMs() - this.#sweptAtMs >= this.#options.sweepMs;
    const news = isFar || isDue ? undefined : await this.#news(from, head.number);
    if (news === undefined) {
      // At the start, after a long absence, and now and then: no logs are needed to know all.
      for (const channel of states.channels) {
        if (!this.#active.has(channel)) this.#active.set(channel, head.number - REORG_BLOCKS);
      }
      this.#sweptAtMs = this.#nowMs();
      log.debug({ channels: states.channels.length }, "all channels looked at");
    }
    for (const channel of news ?? []) {
      if (states.state(channel)) this.#active.set(channel, head.number);
    }
    this.#readTo = head.number;
  }

  /** @returns undefined if there are more logs than a node gives: anybody can emit such events. */
  async #news(from: bigint, to: bigint): Promise<readonly Address[] | undefined> {
    try {
      return await this.#dependencies.reader.disputed(from < 0n ? 0n : from, to);
    } catch (error) {
      this.#dependencies.log.warn({ failure: nodeFailure(error) }, "no logs; sweeping");
      return undefined;
    }
  }
}
