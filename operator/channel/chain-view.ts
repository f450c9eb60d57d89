// What a side knows of its channel on chain, asked for no more often than it matters.

import type { Address } from "viem";
import { STATUS } from "./abi.ts";
import type { ChannelReader } from "./channel-reader.ts";
import type { ChannelView } from "./succession.ts";

export interface ChainViewOptions {
  readonly channel: Address;
  /** Blocks on top of a deposit before it counts. */
  readonly confirmations: number;
  /** A younger answer is used again. */
  readonly maxAgeMs?: number;
  /**
   * While the node does not answer, an older one will do for so long: less than the shortest time between a dispute's
   * start and its end, so that no payment is taken in a channel that was settled meanwhile.
   */
  readonly staleAfterMs?: number;
}

const MAX_AGE_MS = 12_000; // a slot
const STALE_AFTER_MS = 600_000; // a sixth of the shortest challenge period

export class ChainView {
  readonly #options: ChainViewOptions;
  readonly #reader: Pick<ChannelReader, "deposits" | "standing">;
  readonly #nowMs: () => number;
  #last: { readonly view: ChannelView; readonly atMs: number } | undefined;
  #asking: Promise<ChannelView> | undefined;

  constructor(
    options: ChainViewOptions,
    dependencies: {
      readonly reader: Pick<ChannelReader, "deposits" | "standing">;
      readonly nowMs?: () => number;
    },
  ) {
    this.#options = options;
    this.#reader = dependencies.reader;
    this.#nowMs = dependencies.nowMs ?? Date.now;
  }

  /** @throws viem's errors if the node does not answer, and what is known is too old. */
  readonly view = async (): Promise<ChannelView> => {
    const { maxAgeMs = MAX_AGE_MS, staleAfterMs = STALE_AFTER_MS } = this.#options;
    const last = this.#last;
    const ageMs = last === undefined ? Number.POSITIVE_INFINITY : this.#nowMs() - last.atMs;
    if (last !== undefined && ageMs < maxAgeMs) return last.view;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    try {
      return await this.#asking;
    } catch (error) {
      if (last === undefined || ageMs >= staleAfterMs) throw error;
      return last.view;
    }
  };

  async #ask(): Promise<ChannelView> {
    const atMs = this.#nowMs();
    const { channel, confirmations } = this.#options;
    const deposits = await this.#reader.deposits(channel, confirmations);
    // Where nothing is deposited there may be no contract to ask, and there is nothing to pay with.
    const hasMoney = deposits.aliceWei + deposits.bobWei > 0n;
    const isOpen = !hasMoney || (await this.#reader.standing(channel)).status === STATUS.open;
    const view = { ...deposits, isOpen };
    this.#last = { view, atMs };
    return view;
  }
}
