/** What one run of `npm run bench -- store` found: the form of its files. */
import type { Commit, Machine } from "../machine.ts";

export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** One operation in one store, ms. */
export interface OperationTimes {
  readonly operation: string;
  readonly empty: Percentiles;
  /** With the jobs that `StoreResult` counts. */
  readonly full: Percentiles;
}

export interface StoreResult {
  readonly formatVersion: 1;
  readonly startedAt: string;
  readonly minutes: number;
  readonly commit: Commit;
  readonly machine: Machine;
  readonly isQuick: boolean;
  readonly finished: number;
  readonly waiting: number;
  readonly stores: readonly { readonly name: string; readonly operations: OperationTimes[] }[];
  /** Submissions to the store in SQLite while a thread for each core computes. */
  readonly acceptance: {
    readonly perSecond: number;
    readonly inputBytes: number;
    /** From the time at which each was due, ms. */
    readonly submit: Percentiles;
    /** How late the main thread came to what was due there, ms. */
    readonly mainThread: Percentiles;
  };
}

/** @throws RangeError if there is nothing. */
export function percentilesOf(samples: readonly number[]): Percentiles {
  if (samples.length === 0) throw new RangeError("got no samples, expected at least one");
  const sorted = samples.toSorted((a, b) => a - b);
  // The least value that so many percent do not exceed.
  const at = (percent: number): number =>
    sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] as number;
  return { p50: at(50), p90: at(90), p99: at(99), max: at(100) };
}
