/** States of a job; the last four are final. Names as in prover.v1.JobState. */
export type JobState = "QUEUED" | "RUNNING" | "SUCCEEDED" | "FAILED" | "CANCELLED" | "EXPIRED";
export type JobStage = "WITNESS" | "PROVING" | "VERIFYING";
export type JobPriority = "LOW" | "NORMAL" | "HIGH";
/** The form in which the caller sent the input. */
export type InputKind = "TRANSFER_BATCH" | "JSON" | "WTNS";

/** What an attempt begins with. */
export function firstStage(kind: InputKind): JobStage {
  return kind === "WTNS" ? "PROVING" : "WITNESS";
}

export const PRIORITIES: readonly JobPriority[] = ["HIGH", "NORMAL", "LOW"];
export const FINAL_STATES = ["SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"] as const;

/** A job as it stands at `sequence`. A value: each change makes a new one. It never holds inputs. */
export interface Job {
  readonly jobId: string;
  /** Name of the caller who submitted it. Empty: callers are not told apart. */
  readonly owner: string;
  /** Unique among its owner's jobs. */
  readonly requestId: string;
  readonly circuitId: string;
  /** Hex: the proving key that the circuit had when the job was accepted. No other one may prove it. */
  readonly zkeySha256: string;
  readonly inputKind: InputKind;
  /** Hex. Decides whether a repeated request id means the same request. */
  readonly contentSha256: string;
  readonly priority: JobPriority;
  readonly labels: Readonly<Record<string, string>>;
  readonly developmentKeys: boolean;
  readonly state: JobState;
  /** Only while RUNNING. */
  readonly stage: JobStage | undefined;
  /** 0 to 100, only while RUNNING. */
  readonly progressPercent: number;
  /** Attempts started. */
  readonly attempts: number;
  readonly cancelRequested: boolean;
  /** Unix times in milliseconds. */
  readonly createdMs: number;
  readonly startedMs: number | undefined;
  readonly endedMs: number | undefined;
  readonly expireMs: number | undefined;
  /** Number of the last event, from 1 on. */
  readonly sequence: number;
  readonly failure: JobFailure | undefined;
  /** Only when SUCCEEDED: an encoded prover.v1.ProofResult. Stores need not know its form. */
  readonly result: Uint8Array | undefined;
}

export interface JobFailure {
  /** An `ErrorCode`. */
  readonly reason: string;
  /** No secrets: it is shown to every caller who knows the job. */
  readonly message: string;
  /** The fault was the service's: another attempt may end well. */
  readonly retryable: boolean;
}

/** What a worker needs; the only place of secrets. Kept apart from the job and deleted when it ends. */
export interface JobInput {
  /** Circuit inputs as circom's JSON (UTF-8), or a .wtns file. */
  readonly format: "json" | "wtns";
  readonly bytes: Uint8Array;
  /** Only for a typed batch: what `commitBlock` takes besides the proof. */
  readonly commit: CommitPlan | undefined;
}

/** Public once the block is on L1. */
export interface CommitPlan {
  readonly newRoot: bigint;
  readonly txData: Uint8Array;
}

export interface JobEvent {
  readonly sequence: number;
  readonly timeMs: number;
  /** True: the job as it stands. False: a change. */
  readonly isSnapshot: boolean;
  readonly job: Job;
}

export function isFinal(state: JobState): boolean {
  return (FINAL_STATES as readonly JobState[]).includes(state);
}
