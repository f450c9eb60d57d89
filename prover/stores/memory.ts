import { randomUUID } from "node:crypto";
import { discard } from "../../worker/spent-bytes.ts";
import {
  firstStage,
  isFinal,
  type Job,
  type JobEvent,
  type JobInput,
  type JobStage,
} from "../job.ts";
import type {
  CircuitKey,
  Claim,
  JobFilter,
  JobPage,
  JobReference,
  JobStore,
  Lease,
  NewJob,
  PurgeFilter,
  Settlement,
  StoreStats,
} from "../job-store.ts";
import { sameContent } from "../job-store.ts";
import { Endings } from "./endings.ts";
import { matches, SCANNED_MAX } from "./job-filter.ts";
import { Row } from "./row.ts";
import {
  checkRoom,
  isDeadLetter,
  newJob,
  notRetryable,
  outcomeOf,
  type StoreLimits,
  silentWorker,
  unknownJob,
} from "./transition.ts";
import { statsOf, WaitingLine } from "./waiting-line.ts";

/** Jobs in this process's memory: nothing survives it. For tests, development and single machines. */
export class MemoryStore implements JobStore {
  readonly outlivesProcess = false;
  readonly #limits: StoreLimits;
  readonly #now: () => number;
  readonly #steadyNow: () => number;
  readonly #rows = new Map<string, Row>();
  readonly #byRequestId = new Map<string, Row>();
  readonly #byOrdinal = new Map<number, Row>();
  readonly #waiting = new WaitingLine<Row>();
  readonly #running = new Set<Row>();
  /** Waiting or running jobs that may expire. */
  readonly #expiring = new Set<Row>();
  readonly #endings: Endings;
  readonly #listeners = new Set<() => void>();
  readonly #endedListeners = new Set<(job: Job) => void>();
  #ordinal = 0;

  /** @param dependencies  `now` in Unix ms; given, it is also the clock of leases, which else is one that nobody can set. */
  constructor(limits: StoreLimits, dependencies: { readonly now?: () => number } = {}) {
    this.#limits = limits;
    this.#endings = new Endings({ ...limits, deadMaxBytes: limits.queueMaxBytes });
    this.#now = dependencies.now ?? Date.now;
    this.#steadyNow = dependencies.now ?? (() => performance.now());
  }

  async close(): Promise<void> {}

  async submit(wanted: NewJob): Promise<{ job: Job; created: boolean }> {
    try {
      const known = this.#byRequestId.get(ownersName(wanted));
      if (known === undefined) return { job: this.#accept(wanted), created: true };
      wanted.input.bytes.fill(0);
      return { job: sameContent(known.job, wanted.contentSha256), created: false };
    } catch (refusal) {
      wanted.input.bytes.fill(0);
      throw refusal;
    }
  }

  async get(reference: JobReference): Promise<Job | undefined> {
    return this.#find(reference)?.job;
  }

  async position(jobId: string): Promise<number> {
    const row = this.#rows.get(jobId);
    return row === undefined ? 0 : this.#waiting.ahead(row);
  }

  async list(filter: JobFilter, limit: number, cursor: number | undefined): Promise<JobPage> {
    const jobs: Job[] = [];
    const from = Math.min(cursor ?? this.#ordinal, this.#ordinal);
    const until = Math.max(0, from - SCANNED_MAX);
    for (let ordinal = from - 1; ordinal >= until; ordinal--) {
      const job = this.#byOrdinal.get(ordinal)?.job;
      if (job === undefined || !matches(job, filter)) continue;
      if (jobs.length === limit) return { jobs, nextCursor: ordinal + 1 };
      jobs.push({ ...job, result: undefined });
    }
    return { jobs, nextCursor: until === 0 ? undefined : until };
  }

  async *events(
    reference: JobReference,
    afterSequence: number,
    signal: AbortSignal,
  ): AsyncGenerator<JobEvent> {
    const row = this.#require(reference);
    const { jobId } = row.job;
    let seen = afterSequence;
    if (seen === 0 || (isFinal(row.job.state) && seen >= row.job.sequence)) {
      // The job may change while the consumer holds the snapshot: go on from what it was sent.
      const snapshot = row.snapshot();
      yield snapshot;
      if (isFinal(snapshot.job.state)) return;
      seen = snapshot.sequence;
    }
    while (!signal.aborted) {
      if (!this.#rows.has(jobId)) throw unknownJob();
      for (const event of row.eventsAfter(seen)) {
        seen = event.sequence;
        yield event;
        if (isFinal(event.job.state)) return;
      }
      if (seen >= row.job.sequence) await row.nextWake(signal);
    }
  }

  async cancel(reference: JobReference): Promise<Job> {
    const row = this.#require(reference);
    if (row.job.state === "QUEUED") this.#finish(row, { state: "CANCELLED" });
    if (row.job.state === "RUNNING" && !row.job.cancelRequested) {
      row.change({ cancelRequested: true });
      row.revoke("cancelled");
    }
    return row.job;
  }

  async claim(circuits: readonly CircuitKey[]): Promise<Claim | undefined> {
    const row = this.#nextWaiting(circuits);
    if (row === undefined) return undefined;
    this.#waiting.leave(row);
    const lease = {
      token: randomUUID(),
      deadlineMs: this.#steadyNow() + this.#limits.leaseMs,
      revoke: new AbortController(),
      input: copyOf(row.input as JobInput),
    };
    row.lease = lease;
    this.#running.add(row);
    row.change({
      state: "RUNNING",
      attempts: row.job.attempts + 1,
      startedMs: this.#now(),
      stage: firstStage(row.job.inputKind),
      progressPercent: 0,
    });
    return {
      lease: { jobId: row.job.jobId, token: lease.token },
      job: row.job,
      input: lease.input,
      revoked: lease.revoke.signal,
    };
  }

  async heartbeat(lease: Lease, stage: JobStage, progressPercent: number): Promise<boolean> {
    const row = this.#leased(lease);
    if (row?.lease === undefined) return false;
    row.lease.deadlineMs = this.#steadyNow() + this.#limits.leaseMs;
    if (row.job.stage !== stage || row.job.progressPercent !== progressPercent) {
      row.change({ stage, progressPercent });
    }
    return true;
  }

  async settle(lease: Lease, settlement: Settlement): Promise<Job | undefined> {
    const row = this.#leased(lease);
    if (row === undefined) return undefined;
    this.#settleRow(row, settlement);
    return row.job;
  }

  onWork(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onEnded(listener: (job: Job) => void): () => void {
    this.#endedListeners.add(listener);
    return () => this.#endedListeners.delete(listener);
  }

  async retry(reference: JobReference): Promise<Job> {
    const row = this.#require(reference);
    if (!this.#endings.isDeadLetter(row)) throw notRetryable(row.job);
    this.#checkRoom(row.inputBytes);
    this.#endings.revive(row);
    if (row.job.expireMs !== undefined) this.#expiring.add(row);
    this.#enqueue(row, "back", { attempts: 0, endedMs: undefined, failure: undefined });
    return row.job;
  }

  async purge(filter: PurgeFilter): Promise<number> {
    let count = 0;
    for (const row of [...this.#rows.values()]) {
      const { state, endedMs } = row.job;
      if (!isFinal(state) || endedMs === undefined) continue;
      if (filter.states.length > 0 && !filter.states.some((wanted) => wanted === state)) continue;
      if (filter.endedBeforeMs !== undefined && endedMs >= filter.endedBeforeMs) continue;
      this.#forget(row);
      count++;
    }
    return count;
  }

  async sweep(): Promise<void> {
    const now = this.#now();
    for (const row of this.#expiring) {
      if ((row.job.expireMs as number) > now) continue;
      if (row.job.state === "QUEUED") this.#finish(row, { state: "EXPIRED" });
      else row.revoke("expired");
    }
    const steadyMs = this.#steadyNow();
    for (const row of this.#running) {
      if (row.lease === undefined || row.lease.deadlineMs > steadyMs) continue;
      row.revoke("lost");
      this.#settleRow(row, { kind: "failed", failure: silentWorker(this.#limits.leaseMs) });
    }
    this.#endings.sweep(now, (row) => this.#forget(row));
  }

  async stats(): Promise<StoreStats> {
    return statsOf(this.#waiting, this.#running);
  }

  async queuedOf(owner: string): Promise<number> {
    return this.#waiting.ofOwner(owner);
  }

  #find(reference: JobReference): Row | undefined {
    return "jobId" in reference
      ? this.#rows.get(reference.jobId)
      : this.#byRequestId.get(ownersName(reference));
  }

  #require(reference: JobReference): Row {
    const row = this.#find(reference);
    if (row === undefined) throw unknownJob();
    return row;
  }

  #leased(lease: Lease): Row | undefined {
    const row = this.#rows.get(lease.jobId);
    return row?.lease?.token === lease.token ? row : undefined;
  }

  #accept(wanted: NewJob): Job {
    this.#checkRoom(wanted.input.bytes.length);
    const job = newJob(wanted, this.#now());
    const row = new Row(job, wanted.input, this.#ordinal++, this.#now);
    this.#rows.set(row.job.jobId, row);
    this.#byOrdinal.set(row.ordinal, row);
    this.#byRequestId.set(ownersName(row.job), row);
    if (row.job.expireMs !== undefined) this.#expiring.add(row);
    this.#enqueue(row, "back", {});
    return row.job;
  }

  #checkRoom(inputBytes: number): void {
    const waiting = { queuedCount: this.#waiting.size, queuedBytes: this.#waiting.bytes };
    checkRoom(inputBytes, waiting, this.#limits);
  }

  #nextWaiting(circuits: readonly CircuitKey[]): Row | undefined {
    const now = this.#now();
    const next = () => this.#waiting.first(circuits);
    for (let row = next(); row !== undefined; row = next()) {
      if (row.job.expireMs === undefined || row.job.expireMs > now) return row;
      this.#finish(row, { state: "EXPIRED" });
    }
    return undefined;
  }

  #enqueue(row: Row, end: "front" | "back", changes: Partial<Job>): void {
    this.#waiting.join(row, end);
    row.change({ ...changes, state: "QUEUED", stage: undefined, progressPercent: 0 });
    // Not now: a claim in between would change the job before the caller has it.
    queueMicrotask(() => {
      for (const listener of this.#listeners) listener();
    });
  }

  #settleRow(row: Row, settlement: Settlement): void {
    // Unless they have moved to a thread.
    if (row.lease !== undefined) discard(row.lease.input.bytes);
    row.lease = undefined;
    this.#running.delete(row);
    const { kind, changes } = outcomeOf(row.job, settlement, this.#limits.attemptsMax, this.#now());
    if (kind === "ended") this.#finish(row, changes);
    else this.#enqueue(row, "front", changes);
  }

  #finish(row: Row, changes: Partial<Job>): void {
    this.#waiting.leave(row);
    this.#expiring.delete(row);
    this.#endings.add(row, isDeadLetter(changes));
    row.change({
      ...changes,
      stage: undefined,
      progressPercent: 0,
      cancelRequested: false,
      endedMs: this.#now(),
    });
    for (const listener of this.#endedListeners) listener(row.job);
  }

  #forget(row: Row): void {
    this.#endings.remove(row);
    this.#rows.delete(row.job.jobId);
    this.#byOrdinal.delete(row.ordinal);
    this.#byRequestId.delete(ownersName(row.job));
    row.wake();
  }
}

/** Request ids have no space. */
function ownersName({ owner, requestId }: { owner: string; requestId: string }): string {
  return `${requestId} ${owner}`;
}

/** The row's is needed again if the attempt fails. */
function copyOf(input: JobInput): JobInput {
  return { ...input, bytes: new Uint8Array(input.bytes) };
}
