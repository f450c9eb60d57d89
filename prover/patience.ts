import type { CallScope } from "./call-scope.ts";
import { ProverClientError } from "./client-error.ts";

const BACKOFF_FIRST_MS = 100;
/** Also the longest time between two attempts to connect. */
export const BACKOFF_MAX_MS = 5_000;

/** Decides whether a failed attempt is followed by another one, and waits before it is. */
export class Patience {
  readonly #ms: number;
  readonly #scope: CallScope;
  #startedMs = 0;
  #openedMs = Number.POSITIVE_INFINITY;
  #failures = 0;

  /** @param ms  how long to go on after the first of several failures. 0: not at all. */
  constructor(ms: number, scope: CallScope) {
    this.#ms = ms;
    this.#scope = scope;
  }

  /** After a success: the next failure is the first one. */
  renew(): void {
    this.#failures = 0;
  }

  /**
   * The server has taken the call. That alone is no success, since it may still refuse it at once;
   * standing for longer than the longest pause is one, even if nothing had to be said.
   */
  opened(): void {
    this.#openedMs = performance.now();
  }

  /**
   * Returns when it is time to repeat.
   *
   * @throws ProverClientError  why the call is over, or `error` if it is not to be repeated.
   */
  async after(error: unknown): Promise<void> {
    this.#scope.throwIfOver();
    if (!(error instanceof ProverClientError) || !error.isTransient) throw error;
    const nowMs = performance.now();
    if (nowMs - this.#openedMs > BACKOFF_MAX_MS) this.renew();
    this.#openedMs = Number.POSITIVE_INFINITY;
    if (this.#failures === 0) this.#startedMs = nowMs;
    const backoffMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** this.#failures++);
    // Spread over 50 to 150 %, so that callers who were refused together do not come back together.
    const pauseMs = Math.max(error.retryAfterMs ?? 0, backoffMs * (0.5 + Math.random()));
    if (nowMs + pauseMs - this.#startedMs > this.#ms) throw error;
    await this.#scope.pause(pauseMs, error);
  }
}
