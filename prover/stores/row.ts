import type { Job, JobEvent, JobInput, JobPriority } from "../job.ts";
import type { RevokeReason } from "../job-store.ts";
import type { Waiter } from "./waiting-line.ts";

/** Events kept for each job: a stream that resumes further back begins with a snapshot. */
const EVENTS_KEPT = 64;

interface RowLease {
  readonly token: string;
  deadlineMs: number;
  readonly revoke: AbortController;
  /** The attempt's own copy. */
  readonly input: JobInput;
}

/** One job in memory with all that belongs to it: input, lease, latest events, watchers. */
export class Row implements Waiter {
  job: Job;
  /** Undefined once the job has ended, except a dead letter's. */
  input: JobInput | undefined;
  /** Place among the ended jobs. */
  place = 0;
  lease: RowLease | undefined;
  /** Counts up over all jobs: the order of lists. */
  readonly ordinal: number;
  readonly #now: () => number;
  readonly #events: JobEvent[] = [];
  readonly #watchers = new Set<() => void>();

  constructor(job: Job, input: JobInput, ordinal: number, now: () => number) {
    this.job = job;
    this.input = input;
    this.ordinal = ordinal;
    this.#now = now;
  }

  get owner(): string {
    return this.job.owner;
  }

  get priority(): JobPriority {
    return this.job.priority;
  }

  get createdMs(): number {
    return this.job.createdMs;
  }

  get circuitId(): string {
    return this.job.circuitId;
  }

  get zkeySha256(): string {
    return this.job.zkeySha256;
  }

  get inputBytes(): number {
    return this.input?.bytes.length ?? 0;
  }

  /** Makes the next version of the job, and an event of it. */
  change(changes: Partial<Job>): void {
    this.job = Object.freeze({ ...this.job, ...changes, sequence: this.job.sequence + 1 });
    this.#events.push(this.#event(false));
    if (this.#events.length > EVENTS_KEPT) this.#events.shift();
    this.wake();
  }

  snapshot(): JobEvent {
    return this.#event(true);
  }

  /** The events after `sequence`, or a snapshot if they are not all kept. */
  eventsAfter(sequence: number): readonly JobEvent[] {
    const later = this.#events.filter((event) => event.sequence > sequence);
    const isGap = later[0] !== undefined && later[0].sequence > sequence + 1;
    return isGap ? [this.snapshot()] : later;
  }

  /** Until the next `wake` or abort. */
  nextWake(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#watchers.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#watchers.add(done);
      signal.addEventListener("abort", done);
    });
  }

  wake(): void {
    for (const watcher of this.#watchers) watcher();
  }

  revoke(reason: RevokeReason): void {
    this.lease?.revoke.abort(reason);
  }

  deleteInput(): void {
    // The bytes may be a witness: do not leave them to the garbage collector.
    this.input?.bytes.fill(0);
    this.input = undefined;
  }

  #event(isSnapshot: boolean): JobEvent {
    return { sequence: this.job.sequence, timeMs: this.#now(), isSnapshot, job: this.job };
  }
}
