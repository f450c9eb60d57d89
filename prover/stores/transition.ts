/** What becomes of a job: the rules that every store follows, free of how it remembers. */
import { randomUUID } from "node:crypto";
import { ProverError } from "../errors.ts";
import type { Job, JobFailure } from "../job.ts";
import type { NewJob, Settlement } from "../job-store.ts";

/** How much a store takes and keeps. */
export interface StoreLimits {
  readonly queueMax: number;
  /** Inputs of waiting jobs, together; and as many again of dead letters. */
  readonly queueMaxBytes: number;
  readonly attemptsMax: number;
  readonly leaseMs: number;
  readonly keepFinishedMs: number;
  readonly keepFinishedMax: number;
  readonly keepDeadMs: number;
}

/** Changes of a job that ends, or of one that goes back into its line. */
export type Outcome =
  | { readonly kind: "ended"; readonly changes: Partial<Job> }
  | { readonly kind: "again"; readonly changes: Partial<Job> };

/** What the end of a claim makes of its job. */
export function outcomeOf(
  { cancelRequested, expireMs, attempts }: Job,
  settlement: Settlement,
  attemptsMax: number,
  nowMs: number,
): Outcome {
  if (cancelRequested) return { kind: "ended", changes: { state: "CANCELLED" } };
  if (settlement.kind === "succeeded") {
    return { kind: "ended", changes: { state: "SUCCEEDED", result: settlement.result } };
  }
  if (expireMs !== undefined && expireMs <= nowMs) {
    return { kind: "ended", changes: { state: "EXPIRED" } };
  }
  if (settlement.kind === "stopped") return { kind: "again", changes: { attempts: attempts - 1 } };
  const { failure } = settlement;
  if (failure.retryable && attempts < attemptsMax) return { kind: "again", changes: {} };
  return { kind: "ended", changes: { state: "FAILED", failure } };
}

/** A job whose input is kept for a retry. */
export function isDeadLetter({ failure }: Partial<Job>): boolean {
  return failure?.retryable === true;
}

/** Sequence 0: accepting it is the first event. */
export function newJob({ input: _, ...described }: NewJob, nowMs: number): Job {
  return {
    ...described,
    jobId: randomUUID(),
    state: "QUEUED",
    stage: undefined,
    progressPercent: 0,
    attempts: 0,
    cancelRequested: false,
    createdMs: nowMs,
    startedMs: undefined,
    endedMs: undefined,
    sequence: 0,
    failure: undefined,
    result: undefined,
  };
}

/** A rough guess of when a full line has moved: callers spread their retries around it. */
const FULL_RETRY_MS = 1_000;

/** @throws ProverError QUEUE_FULL */
export function checkRoom(
  inputBytes: number,
  waiting: { readonly queuedCount: number; readonly queuedBytes: number },
  limits: Pick<StoreLimits, "queueMax" | "queueMaxBytes">,
): void {
  const refuse = (got: string) =>
    new ProverError("QUEUE_FULL", `queue: got ${got}. Repeat later with the same request id`, {
      retryAfterMs: FULL_RETRY_MS,
    });
  const { queuedCount, queuedBytes } = waiting;
  const { queueMax, queueMaxBytes } = limits;
  if (queuedCount >= queueMax) {
    throw refuse(`${queuedCount} jobs waiting, expected fewer than ${queueMax}`);
  }
  if (queuedBytes + inputBytes > queueMaxBytes) {
    throw refuse(
      `${queuedBytes} bytes waiting and ${inputBytes} more, expected at most ${queueMaxBytes}`,
    );
  }
}

export function unknownJob(): ProverError {
  return new ProverError(
    "JOB_UNKNOWN",
    "no such job: it was never accepted here or is forgotten. Submit it again with its request id",
  );
}

export function notRetryable({ jobId, state }: Job): ProverError {
  return new ProverError(
    "JOB_NOT_RETRYABLE",
    `job ${jobId} is ${state}: only a dead letter (FAILED, retryable, input still kept) can be retried. Submit it anew under another request id`,
  );
}

export function silentWorker(leaseMs: number): JobFailure {
  return {
    reason: "WORKER_LOST",
    message: `the worker was silent for more than ${leaseMs} ms`,
    retryable: true,
  };
}
