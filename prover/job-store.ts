// What the service remembers. The API side submits, reads, watches and cancels; the worker side
// claims, reports and settles. Both may be in one process, or in many that share a database.
//
// A store answers for these rules; test/prover/job-store-contract.ts checks them on every store:
// - A request id stands for one content of its owner's. Submitting it again gives the same job, whatever
//   became of it; other content is refused. What other owners call their jobs has no part in it.
// - There is one waiting line: priority first, then age. Its depth counts waiting jobs only.
// - A job is proved under the key that its circuit had when it was accepted, or not at all.
// - A job is claimed by one worker at a time. Who lost its lease can change nothing any more.
// - Inputs are deleted when a job ends, except a dead letter's: a job that FAILED with a retryable
//   failure keeps its input until it is retried, purged or too old.
// - A cancelled running job ends CANCELLED, even if its proof was ready first: a caller may have
//   submitted another batch in its place.
// - Submitting, claiming and reading a job take a time that does not grow with the number of jobs.
import { ProverError } from "./errors.ts";
import type {
  FINAL_STATES,
  InputKind,
  Job,
  JobEvent,
  JobFailure,
  JobInput,
  JobPriority,
  JobStage,
  JobState,
} from "./job.ts";

export interface NewJob {
  readonly owner: string;
  readonly requestId: string;
  readonly circuitId: string;
  /** Hex. */
  readonly zkeySha256: string;
  readonly inputKind: InputKind;
  readonly contentSha256: string;
  readonly priority: JobPriority;
  readonly labels: Readonly<Record<string, string>>;
  readonly developmentKeys: boolean;
  readonly expireMs: number | undefined;
  /** The store owns its bytes from then on: it wipes them, or moves them away from the caller. */
  readonly input: JobInput;
}

/** A circuit with the key under which it is proved. Another key under the same name is another circuit. */
export interface CircuitKey {
  readonly circuitId: string;
  /** Hex. */
  readonly zkeySha256: string;
}

/** Jobs of one circuit that have not ended. */
export interface CircuitLoad extends CircuitKey {
  readonly queuedCount: number;
  readonly runningCount: number;
}

/** A job by its own name or by its caller's, which says nothing without the caller. */
export type JobReference =
  | { readonly jobId: string }
  | { readonly owner: string; readonly requestId: string };

/** The right to work on a job, until it is settled or lost. */
export interface Lease {
  readonly jobId: string;
  /** Differs for each claim. */
  readonly token: string;
}

/** Why a worker must stop: the caller's wish, the job's expiry, or another worker has the job now. */
export type RevokeReason = "cancelled" | "expired" | "lost";

export interface Claim {
  readonly lease: Lease;
  /** RUNNING. */
  readonly job: Job;
  /** For this attempt alone, to be changed or transferred; a later one gets it anew. */
  readonly input: JobInput;
  /** Aborts with a RevokeReason. The worker then stops, and settles with `stopped` unless it is "lost". */
  readonly revoked: AbortSignal;
}

export type Settlement =
  | { readonly kind: "succeeded"; readonly result: Uint8Array }
  /** A retryable failure puts the job back into its place in the line until its attempts are used up. */
  | { readonly kind: "failed"; readonly failure: JobFailure }
  /** The work was stopped: CANCELLED or EXPIRED if that was asked for, else back into the line at no attempt's cost. */
  | { readonly kind: "stopped" };

export interface JobFilter {
  /** Undefined: everybody's. */
  readonly owner: string | undefined;
  /** Empty: all. */
  readonly states: readonly JobState[];
  /** Undefined: all. */
  readonly circuitId: string | undefined;
  /** All must match. */
  readonly labels: Readonly<Record<string, string>>;
}

export interface JobPage {
  /**
   * Newest first, without results. May be fewer than asked for, and none, although there is a next page:
   * a call looks at a bounded number of jobs, however few pass the filter.
   */
  readonly jobs: readonly Job[];
  /** Undefined: the last page. */
  readonly nextCursor: number | undefined;
}

export interface PurgeFilter {
  /** Empty: every final state. */
  readonly states: readonly (typeof FINAL_STATES)[number][];
  readonly endedBeforeMs: number | undefined;
}

export interface StoreStats {
  readonly queuedCount: number;
  /** The same by priority. */
  readonly queuedByPriority: Readonly<Record<JobPriority, number>>;
  /** Bytes of the inputs of waiting jobs. */
  readonly queuedBytes: number;
  readonly runningCount: number;
  /** In no order; only circuits of which a job waits or runs, also those that nobody here can prove. */
  readonly circuits: readonly CircuitLoad[];
  /** Unix ms at which the oldest waiting job was accepted. */
  readonly oldestQueuedMs: number | undefined;
}

export interface JobStore {
  /** True: jobs are there for the next process, or for others, so that this one may leave them behind. */
  readonly outlivesProcess: boolean;

  /**
   * Accepts a job; on return it will not be lost as long as the store lives. The input's bytes are the
   * store's from now on, and what shares their buffer with them.
   * @throws ProverError REQUEST_ID_REUSED, QUEUE_FULL
   */
  submit(job: NewJob): Promise<{ readonly job: Job; readonly created: boolean }>;
  get(reference: JobReference): Promise<Job | undefined>;
  /** Jobs ahead of a waiting job, or more by those cancelled in the line; 0 when it does not wait. */
  position(jobId: string): Promise<number>;
  list(filter: JobFilter, limit: number, cursor: number | undefined): Promise<JobPage>;
  /**
   * Events after `afterSequence`, ending after the one with a final state. 0: begins with a
   * snapshot. Begins with a snapshot also if the next event is no longer kept, or if the job has
   * ended and there is none. Ends without a final state only when `signal` aborts.
   * @throws ProverError JOB_UNKNOWN, also when the job is purged meanwhile
   */
  events(
    reference: JobReference,
    afterSequence: number,
    signal: AbortSignal,
  ): AsyncIterable<JobEvent>;
  /**
   * Waiting: CANCELLED at once. Running: its claim is revoked. Ended: no change.
   * @throws ProverError JOB_UNKNOWN
   */
  cancel(reference: JobReference): Promise<Job>;

  /**
   * The first waiting job of one of these circuits, or undefined. Jobs of other circuits and of other
   * keys keep waiting and hold up nobody. Takes a time that grows with the circuits given only.
   */
  claim(circuits: readonly CircuitKey[]): Promise<Claim | undefined>;
  /** Keeps the lease and reports progress. False: the lease is lost. */
  heartbeat(lease: Lease, stage: JobStage, progressPercent: number): Promise<boolean>;
  /** Ends the claim. Undefined: the lease was lost, and nothing has changed. */
  settle(lease: Lease, settlement: Settlement): Promise<Job | undefined>;
  /** Tells when `claim` may find something. Returns the way to stop listening. */
  onWork(listener: () => void): () => void;
  /**
   * Tells of each job that ended by this store's hand, once: settled, cancelled or expired here, or
   * given up after a silent worker's last attempt. Of several processes on one database, one tells.
   * Returns the way to stop listening.
   */
  onEnded(listener: (job: Job) => void): () => void;

  /**
   * Puts a dead letter back into the line, with all its attempts.
   * @throws ProverError JOB_UNKNOWN, JOB_NOT_RETRYABLE
   */
  retry(reference: JobReference): Promise<Job>;
  /** Forgets ended jobs; returns how many. */
  purge(filter: PurgeFilter): Promise<number>;
  /** Housekeeping, to be called a few times a second: expiry, silent workers, forgetting. */
  sweep(): Promise<void>;
  stats(): Promise<StoreStats>;
  /** Waiting jobs of one owner. Takes a time that does not grow with the number of jobs. */
  queuedOf(owner: string): Promise<number>;
  /**
   * Writes all that is there into a new file, in which another store finds it. Absent: the store is
   * no file of this machine.
   */
  writeCopy?(path: string): Promise<void>;
  /** Lets go of what it holds. Nothing may be called any more. */
  close(): Promise<void>;
}

/**
 * The known job, if the content is its own.
 *
 * @throws ProverError REQUEST_ID_REUSED
 */
export function sameContent(known: Job, contentSha256: string): Job {
  if (known.contentSha256 === contentSha256) return known;
  const description = `got content with SHA-256 ${contentSha256}, but the id stands for ${known.contentSha256}. Choose a new request id for another proof`;
  throw new ProverError("REQUEST_ID_REUSED", `request_id: ${description}`, {
    violations: [{ field: "request_id", description }],
  });
}
