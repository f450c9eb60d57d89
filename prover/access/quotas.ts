import { ProverError } from "../errors.ts";
import type { Identity } from "./identity.ts";
import { TokenBucket } from "./token-bucket.ts";

/** When a caller with too many open calls or waiting jobs may try again: a guess. */
const RETRY_MS = 1_000;

interface Use {
  openCalls: number;
  /** Submissions on their way into the store. */
  submitting: number;
  bucket: TokenBucket | undefined;
}

/** What each caller has of what it may have, in this process. */
export class Quotas {
  readonly #uses = new Map<string, Use>();
  readonly #now: () => number;

  constructor({ now = () => performance.now() }: { readonly now?: () => number } = {}) {
    this.#now = now;
  }

  /**
   * Begins a call.
   *
   * @returns the way to end it; more than once does no harm.
   * @throws ProverError CALLER_LIMIT
   */
  openCall({ name, limits }: Identity): () => void {
    if (limits.openCalls === undefined) return () => {};
    const use = this.#use(name);
    if (use.openCalls >= limits.openCalls) {
      throw exceeded("open calls", use.openCalls, `fewer than ${limits.openCalls}`, RETRY_MS);
    }
    use.openCalls++;
    let isOpen = true;
    return () => {
      if (isOpen) use.openCalls--;
      isOpen = false;
    };
  }

  /** Counts a submission. @throws ProverError CALLER_LIMIT */
  countSubmission({ name, limits }: Identity): void {
    const { submissionsPerSecond: perSecond } = limits;
    if (perSecond === undefined) return;
    const use = this.#use(name);
    const burst = limits.submissionsBurst ?? Math.max(1, Math.ceil(perSecond));
    const nowMs = this.#now();
    use.bucket ??= new TokenBucket(perSecond, burst, nowMs);
    use.bucket.change(perSecond, burst, nowMs);
    const waitMs = use.bucket.take(nowMs);
    if (waitMs === 0) return;
    throw exceeded(
      "submissions",
      `one after ${burst} at once`,
      `at most ${perSecond} a second`,
      waitMs,
    );
  }

  /**
   * Does `submit` if there is room for one more waiting job of its caller.
   *
   * @param waitingCount  of its jobs in the store.
   * @throws ProverError CALLER_LIMIT, and what `submit` throws.
   */
  async withinWaiting<T>(
    { name, limits }: Identity,
    waitingCount: () => Promise<number>,
    submit: () => Promise<T>,
  ): Promise<T> {
    if (limits.waitingJobs === undefined) return submit();
    const use = this.#use(name);
    // Counted first: of several at once, each must see the others.
    const others = use.submitting++;
    try {
      const count = (await waitingCount()) + others;
      if (count >= limits.waitingJobs) {
        throw exceeded("waiting jobs", count, `fewer than ${limits.waitingJobs}`, RETRY_MS);
      }
      return await submit();
    } finally {
      use.submitting--;
    }
  }

  #use(name: string): Use {
    const known = this.#uses.get(name);
    if (known !== undefined) return known;
    const use: Use = { openCalls: 0, submitting: 0, bucket: undefined };
    this.#uses.set(name, use);
    return use;
  }
}

function exceeded(
  what: string,
  got: number | string,
  expected: string,
  retryAfterMs: number,
): ProverError {
  return new ProverError(
    "CALLER_LIMIT",
    `${what} of this caller: got ${got}, expected ${expected}. Repeat later with the same request id`,
    { retryAfterMs },
  );
}
