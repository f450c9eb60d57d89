import type { Job } from "../job.ts";
import type { EndedAttempt, Observer } from "./observer.ts";

/** Width of a bar of the throughput plot. */
const BUCKET_MS = 10_000;
/** Bars: ten minutes, long enough to see a change and its cause. */
const BUCKETS = 60;
/** Latest times that percentiles are made of: enough for a 99th, few enough to sort every second. */
const TIMES_KEPT = 1_000;

/** Milliseconds; null when nothing was measured. */
export interface Percentiles {
  readonly count: number;
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  readonly p99Ms: number | null;
}

export interface Bucket {
  readonly succeeded: number;
  readonly failed: number;
}

/** What this process did lately, for the status page: metrics are for what must be kept. */
export class History implements Partial<Observer> {
  readonly #now: () => number;
  readonly #buckets = new Map<number, { succeeded: number; failed: number }>();
  readonly #waits = new Times();
  readonly #proofs = new Times();
  readonly #totals = new Times();
  readonly #ended = { succeeded: 0, failed: 0, cancelled: 0, expired: 0 };
  #retried = 0;
  #rejected = 0;

  constructor({ now = Date.now }: { readonly now?: () => number } = {}) {
    this.#now = now;
  }

  attemptStarted({ attempts, createdMs, startedMs }: Job): void {
    if (attempts === 1) this.#waits.add((startedMs ?? createdMs) - createdMs);
  }

  attemptEnded({ proved, isRetried, outcome, reason }: EndedAttempt): void {
    if (isRetried && outcome === "failed") this.#retried++;
    if (reason === "PROOF_REJECTED") this.#rejected++;
    if (proved === undefined) return;
    const { loading, witness, proving, verifying } = proved.stageMs;
    this.#proofs.add(loading + witness + proving + verifying);
  }

  jobEnded({ state, createdMs, endedMs }: Job): void {
    const bucket = this.#bucket();
    if (state === "SUCCEEDED") {
      bucket.succeeded++;
      this.#ended.succeeded++;
      this.#totals.add((endedMs ?? createdMs) - createdMs);
    } else if (state === "FAILED") {
      bucket.failed++;
      this.#ended.failed++;
    } else if (state === "CANCELLED") this.#ended.cancelled++;
    else this.#ended.expired++;
  }

  /** Since this process began. */
  get counts() {
    return { ...this.#ended, retried: this.#retried, rejected: this.#rejected };
  }

  get latencies() {
    return {
      queueWait: this.#waits.percentiles(),
      proof: this.#proofs.percentiles(),
      total: this.#totals.percentiles(),
    };
  }

  /** The oldest first; the last one is still being filled. */
  get throughput(): { readonly bucketMs: number; readonly buckets: readonly Bucket[] } {
    const last = Math.floor(this.#now() / BUCKET_MS);
    const buckets = Array.from({ length: BUCKETS }, (_, i) => {
      const { succeeded = 0, failed = 0 } = this.#buckets.get(last - BUCKETS + 1 + i) ?? {};
      return { succeeded, failed };
    });
    return { bucketMs: BUCKET_MS, buckets };
  }

  #bucket() {
    const index = Math.floor(this.#now() / BUCKET_MS);
    for (const old of this.#buckets.keys()) {
      if (old <= index - BUCKETS) this.#buckets.delete(old);
    }
    const bucket = this.#buckets.get(index) ?? { succeeded: 0, failed: 0 };
    this.#buckets.set(index, bucket);
    return bucket;
  }
}

/** The latest of many times. */
class Times {
  readonly #kept: number[] = [];
  #count = 0;

  add(ms: number): void {
    // A clock that was set back makes no negative time.
    this.#kept[this.#count++ % TIMES_KEPT] = Math.max(0, ms);
  }

  percentiles(): Percentiles {
    const sorted = [...this.#kept].sort((a, b) => a - b);
    // The nearest rank: a time that there was, also when there are few.
    const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? null;
    return { count: this.#count, p50Ms: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99) };
  }
}
