import type { StageTimes } from "../../worker/task.ts";
import type { CallReport } from "../grpc.ts";
import type { Job } from "../job.ts";
import type { Refusal } from "../listening/front.ts";

/** One try at one job that has ended. */
export interface EndedAttempt {
  /** As it was claimed: the object that `attemptStarted` was told. */
  readonly job: Job;
  /**
   * Late: the lease was lost before the result came, which changed nothing. Abandoned: the store could
   * not be told, or the circuit is not served here.
   */
  readonly outcome: "succeeded" | "failed" | "stopped" | "late" | "abandoned";
  /** An `ErrorCode`, only when failed. */
  readonly reason: string | undefined;
  /** The job waits again. */
  readonly isRetried: boolean;
  /** Undefined: there is no proof. */
  readonly proved: { readonly engine: string; readonly stageMs: StageTimes } | undefined;
}

/** One use of the job store. */
export interface StoreUse {
  /** The method's name. */
  readonly operation: string;
  readonly elapsedMs: number;
  /** An `ErrorCode`; undefined: it did what it should, refusals included. */
  readonly failure: string | undefined;
}

/**
 * Who listens to what happens in the service: the one seam between its parts and metrics or the status
 * page. Methods return at once and never throw. Inputs, witnesses and proofs never come here.
 */
export interface Observer {
  callEnded(call: CallReport): void;
  /** A new job is in the store. */
  jobAccepted(job: Job): void;
  /** Once for each job, in one of the processes on a store. */
  jobEnded(job: Job): void;
  /** The job has left the line; `job.attempts` counts this attempt. */
  attemptStarted(job: Job): void;
  attemptEnded(attempt: EndedAttempt): void;
  storeUsed(use: StoreUse): void;
  /** Nothing was read from it. */
  connectionRefused(reason: Refusal): void;
  /** How late the event loop ran a timer. */
  loopDelayed(delayMs: number): void;
}

/** Tells all of them what they want to hear. */
export function toAll(observers: readonly Partial<Observer>[]): Observer {
  const tell = (event: (observer: Partial<Observer>) => void) => {
    for (const observer of observers) event(observer);
  };
  return {
    callEnded: (call) => tell((each) => each.callEnded?.(call)),
    jobAccepted: (job) => tell((each) => each.jobAccepted?.(job)),
    jobEnded: (job) => tell((each) => each.jobEnded?.(job)),
    attemptStarted: (job) => tell((each) => each.attemptStarted?.(job)),
    attemptEnded: (attempt) => tell((each) => each.attemptEnded?.(attempt)),
    connectionRefused: (reason) => tell((each) => each.connectionRefused?.(reason)),
    storeUsed: (use) => tell((each) => each.storeUsed?.(use)),
    loopDelayed: (delayMs) => tell((each) => each.loopDelayed?.(delayMs)),
  };
}
