const ROUNDING = 1e-9;

/** Lets through so many a second in the long run, and a burst after a pause. */
export class TokenBucket {
  #perSecond: number;
  #burst: number;
  #left: number;
  #filledMs: number;

  /** @param nowMs  on a clock that never goes back. */
  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#left = burst;
    this.#filledMs = nowMs;
  }

  /** Takes one, or returns the milliseconds until there is one. */
  take(nowMs: number): number {
    this.#fill(nowMs);
    // Sums of fractions miss 1 by a little.
    const missing = 1 - this.#left - ROUNDING;
    if (missing > 0) return Math.ceil((missing * 1_000) / this.#perSecond);
    this.#left--;
    return 0;
  }

  /** From now on other numbers hold; what was used stays used. */
  change(perSecond: number, burst: number, nowMs: number): void {
    this.#fill(nowMs);
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#left = Math.min(this.#left, burst);
  }

  #fill(nowMs: number): void {
    this.#left = Math.min(
      this.#burst,
      this.#left + ((nowMs - this.#filledMs) * this.#perSecond) / 1_000,
    );
    this.#filledMs = nowMs;
  }
}
