// A party's line to its watchtower: brings the newest state, again and again until it is kept.

import { setTimeout as pause } from "node:timers/promises";
import type { Address } from "viem";
import { OperatorError } from "../errors.ts";
import type { Log } from "../log.ts";
import { type SignedState, signedToJson } from "./signed-state.ts";

const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 60_000;
const REQUEST_TIMEOUT_MS = 10_000;

export interface TowerClientOptions {
  /** `http://host:port` of the watchtower. */
  readonly url: string;
  readonly channel: Address;
}

export class TowerClient {
  readonly #options: TowerClientOptions;
  readonly #log: Log;
  #next: SignedState | undefined;
  #keptNonce = 0n;
  #running: Promise<void> | undefined;
  readonly #stop = new AbortController();

  constructor(options: TowerClientOptions, log: Log) {
    this.#options = options;
    this.#log = log;
  }

  /** Nonce of the last state that the tower has on its disk. */
  get keptNonce(): bigint {
    return this.#keptNonce;
  }

  /** For `onAgreed`. Of states that come faster than they are brought only the newest matters. */
  readonly bring = (state: SignedState): void => {
    if (this.#next !== undefined && this.#next.state.nonce >= state.state.nonce) return;
    this.#next = state;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  };

  /** What was brought so far is kept, or the line was closed. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    let waitMs = RETRY_FIRST_MS;
    while (this.#next !== undefined && !this.#stop.signal.aborted) {
      const state = this.#next;
      try {
        this.#keptNonce = await this.#post(state);
        waitMs = RETRY_FIRST_MS;
        if (this.#next === state) this.#next = undefined;
      } catch (error) {
        // Also a refusal: the channel may not be deployed yet where the tower looks.
        const failure = (error as Error).message;
        this.#log.warn(
          { channel: this.#options.channel, failure },
          "watchtower did not keep a state",
        );
        await pause(waitMs, undefined, { signal: this.#stop.signal }).catch(() => {});
        waitMs = Math.min(2 * waitMs, RETRY_MAX_MS);
      }
    }
  }

  async #post(state: SignedState): Promise<bigint> {
    const response = await fetch(new URL("/v1/states", this.#options.url), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ channel: this.#options.channel, ...signedToJson(state) }),
      signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
    });
    const body = (await response.json()) as { nonce?: string; error?: { message: string } };
    if (!response.ok || body.nonce === undefined) {
      throw new OperatorError("CHANNEL_MESSAGE", body.error?.message ?? `HTTP ${response.status}`);
    }
    return BigInt(body.nonce);
  }
}
