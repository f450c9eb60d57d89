/** What the store and its thread say to each other. */
import type { ErrorCode } from "../../errors.ts";
import type { FieldViolation } from "../../field-violation.ts";
import type { Job, JobEvent, JobInput, JobStage } from "../../job.ts";
import type {
  CircuitKey,
  JobFilter,
  JobPage,
  JobReference,
  Lease,
  NewJob,
  PurgeFilter,
  RevokeReason,
  Settlement,
} from "../../job-store.ts";
import type { SealingKey } from "../input-sealer.ts";
import type { StoreLimits } from "../transition.ts";
import type { Waiter } from "../waiting-line.ts";

/** The caller's clocks, read at the call. */
export interface Clock {
  /** Unix ms: for people, and for what callers said in such times. */
  readonly nowMs: number;
  /** Whole ms that never jump, for leases: when the machine's clock is set, no worker is silent. */
  readonly steadyMs: number;
}

/** What a thread starts with. */
export interface ThreadData {
  readonly path: string;
  readonly limits: StoreLimits;
  readonly keys: readonly SealingKey[];
  readonly clock: Clock;
  /** Whether jobs that run are another process's, which is gone, or this one's, of an earlier thread. */
  readonly running: "lost" | "ours";
}

/** A job in the line, as those see it who do not have its row. */
export interface WaitingJob extends Waiter {
  readonly jobId: string;
}

export interface Claimed {
  readonly lease: Lease;
  readonly job: Job;
  readonly input: JobInput;
}

/** Where to go on with ended jobs: behind this one, in the order of their ends. */
export interface PurgeCursor {
  readonly endedMs: number;
  readonly number: number;
}

/** Calls that write. Those that come together share a transaction. */
export interface Writes {
  submit(wanted: NewJob): { readonly job: Job; readonly created: boolean };
  cancel(reference: JobReference): Job;
  claim(circuits: readonly CircuitKey[]): Claimed | undefined;
  heartbeat(lease: Lease, stage: JobStage, progressPercent: number): boolean;
  settle(lease: Lease, settlement: Settlement): Job | undefined;
  retry(reference: JobReference): Job;
  /** Looks at some ended jobs only. `next`: where to go on, if there are more. */
  purge(
    filter: PurgeFilter,
    after: PurgeCursor | undefined,
  ): { readonly count: number; readonly next: PurgeCursor | undefined };
  sweep(): void;
}

/** Calls that read what is on disk. */
export interface Reads {
  get(reference: JobReference): Job | undefined;
  list(filter: JobFilter, limit: number, cursor: number | undefined): JobPage;
  /**
   * The job's events after `sequence`, or a snapshot if they are not all kept, or the job has ended and
   * there are none. Undefined: no such job.
   */
  eventsAfter(jobId: string, sequence: number): readonly JobEvent[] | undefined;
}

/** Calls that take long: others go on meanwhile. */
export interface LongCalls {
  writeCopy(path: string): void;
}

export type Calls = Writes & Reads & LongCalls;

export interface CallMessage<N extends keyof Calls = keyof Calls> {
  readonly id: number;
  readonly name: N;
  readonly args: Parameters<Calls[N]>;
  readonly clock: Clock;
}

/** A `ProverError` as data: a class does not survive the way between threads. */
export interface ErrorData {
  readonly code: ErrorCode;
  readonly message: string;
  readonly violations: readonly FieldViolation[];
  readonly retryAfterMs: number | undefined;
}

export type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: ErrorData };

/** What a transaction changed, for those who do not read the file. In the order of the changes. */
export type News =
  | { readonly kind: "joined"; readonly job: WaitingJob; readonly end: "front" | "back" }
  | { readonly kind: "left"; readonly jobId: string }
  | { readonly kind: "claimed"; readonly lease: Lease; readonly circuit: CircuitKey }
  | { readonly kind: "revoked"; readonly jobId: string; readonly reason: RevokeReason }
  /** The claim is over. */
  | { readonly kind: "released"; readonly jobId: string }
  /** This event; without one: look, perhaps the job is forgotten. */
  | { readonly kind: "changed"; readonly jobId: string; readonly event: JobEvent | undefined }
  | { readonly kind: "ended"; readonly job: Job };

/** Ends the thread, after what was asked before. */
export const CLOSE = "close";

export type ThreadMessage =
  | { readonly kind: "opened"; readonly waiting: readonly WaitingJob[] }
  /** `error`: one of the service's own, else SQLite's words. */
  | { readonly kind: "not opened"; readonly error: ErrorData | string }
  | {
      readonly kind: "done";
      readonly answers: readonly Answer[];
      readonly news: readonly News[];
    };
