import { isFinal, type Job, type JobEvent, type JobStage } from "../job.ts";
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
import { Bells } from "./bells.ts";
import { HeldClaims } from "./held-claims.ts";
import type { SealingKey } from "./input-sealer.ts";
import type { Clock, News, PurgeCursor, WaitingJob } from "./sqlite/messages.ts";
import { ThreadLink } from "./sqlite/thread-link.ts";
import { type StoreLimits, unknownJob } from "./transition.ts";
import { statsOf, WaitingLine } from "./waiting-line.ts";

export interface SqliteDependencies {
  /** Unix ms. Given, it is also the clock of leases, which otherwise is one that nobody can set. */
  readonly now?: () => number;
  /** From outside, to seal the inputs' own keys with; none: who has the file can read them. */
  readonly keys?: readonly SealingKey[];
}

/**
 * Jobs in one SQLite file, for one process: what was accepted outlives it.
 *
 * The file belongs to a thread (`sqlite/`), which waits for the disk; this is how the service speaks
 * with it. Here, from what the thread tells after each transaction, are the waiting line, for places
 * and depths, the claims of this process, and those who watch jobs.
 */
export class SqliteStore implements JobStore {
  readonly outlivesProcess = true;
  readonly #clock: () => Clock;
  readonly #bells = new Bells<JobEvent>();
  readonly #held = new HeldClaims();
  readonly #workListeners = new Set<() => void>();
  readonly #endedListeners = new Set<(job: Job) => void>();
  #line = new WaitingLine<WaitingJob>();
  #waiting = new Map<string, WaitingJob>();
  #link!: ThreadLink;

  private constructor(clock: () => Clock) {
    this.#clock = clock;
  }

  /**
   * Opens the file or makes it. Jobs that ran when its last process ended have lost their worker.
   *
   * @throws ProverError STORE_KEY_REFUSED if inputs were sealed with other keys; Error if this Node has no
   *   SQLite, or the file is in use, another program's or damaged.
   */
  static async open(
    path: string,
    limits: StoreLimits,
    { now, keys = [] }: SqliteDependencies = {},
  ): Promise<SqliteStore> {
    // Here, because what a thread throws has lost its code.
    await import("node:sqlite");
    const steady = now ?? (() => performance.timeOrigin + performance.now());
    const clock = () => ({ nowMs: (now ?? Date.now)(), steadyMs: Math.floor(steady()) });
    const store = new SqliteStore(clock);
    const listener = {
      opened: (waiting: readonly WaitingJob[]) => store.#opened(waiting),
      changed: (news: readonly News[]) => store.#changed(news),
    };
    store.#link = await ThreadLink.open({ path, limits, keys }, { clock, listener });
    return store;
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  submit(wanted: NewJob): Promise<{ readonly job: Job; readonly created: boolean }> {
    const { bytes } = wanted.input;
    const { buffer } = bytes;
    // Small ones may lie in a buffer with others.
    if (buffer instanceof ArrayBuffer && 2 * bytes.length > buffer.byteLength) {
      return this.#link.ask("submit", [wanted], [buffer]);
    }
    const asked = this.#link.ask("submit", [wanted]);
    bytes.fill(0);
    return asked;
  }

  get(reference: JobReference): Promise<Job | undefined> {
    return this.#link.ask("get", [reference]);
  }

  writeCopy(path: string): Promise<void> {
    return this.#link.ask("writeCopy", [path]);
  }

  async position(jobId: string): Promise<number> {
    const job = this.#waiting.get(jobId);
    return job === undefined ? 0 : this.#line.ahead(job);
  }

  list(filter: JobFilter, limit: number, cursor: number | undefined): Promise<JobPage> {
    return this.#link.ask("list", [filter, limit, cursor]);
  }

  async *events(
    reference: JobReference,
    afterSequence: number,
    signal: AbortSignal,
  ): AsyncGenerator<JobEvent> {
    let seen = afterSequence;
    let jobId = "jobId" in reference ? reference.jobId : undefined;
    if (seen === 0 || jobId === undefined) {
      const job = await this.get(reference);
      if (job === undefined) throw unknownJob();
      jobId = job.jobId;
      if (seen === 0) {
        yield { sequence: job.sequence, timeMs: this.#clock().nowMs, isSnapshot: true, job };
        if (isFinal(job.state)) return;
        seen = job.sequence;
      }
    }
    const bell = this.#bells.open(jobId);
    try {
      while (!signal.aborted) {
        for (const event of await this.#eventsAfter(jobId, seen, bell.take())) {
          seen = event.sequence;
          yield event;
          if (isFinal(event.job.state)) return;
        }
        await bell.rung(signal);
      }
    } finally {
      bell.close();
    }
  }

  cancel(reference: JobReference): Promise<Job> {
    return this.#link.ask("cancel", [reference]);
  }

  async claim(circuits: readonly CircuitKey[]): Promise<Claim | undefined> {
    if (this.#line.first(circuits) === undefined) return undefined;
    const claimed = await this.#link.ask("claim", [circuits]);
    return claimed && { ...claimed, revoked: this.#held.give(claimed.lease, claimed.input) };
  }

  heartbeat(lease: Lease, stage: JobStage, progressPercent: number): Promise<boolean> {
    return this.#link.ask("heartbeat", [lease, stage, progressPercent]);
  }

  async settle(lease: Lease, settlement: Settlement): Promise<Job | undefined> {
    const job = await this.#link.ask("settle", [lease, settlement]);
    // The news of it is lost if the thread died between the disk and the answer; then this is the next try.
    this.#held.release(lease.jobId, lease.token);
    return job;
  }

  onWork(listener: () => void): () => void {
    this.#workListeners.add(listener);
    return () => this.#workListeners.delete(listener);
  }

  onEnded(listener: (job: Job) => void): () => void {
    this.#endedListeners.add(listener);
    return () => this.#endedListeners.delete(listener);
  }

  retry(reference: JobReference): Promise<Job> {
    return this.#link.ask("retry", [reference]);
  }

  async purge(filter: PurgeFilter): Promise<number> {
    let purged = 0;
    let after: PurgeCursor | undefined;
    do {
      const { count, next } = await this.#link.ask("purge", [filter, after]);
      purged += count;
      after = next;
    } while (after !== undefined);
    return purged;
  }

  sweep(): Promise<void> {
    return this.#link.ask("sweep", []);
  }

  async stats(): Promise<StoreStats> {
    return statsOf(this.#line, this.#held.circuits);
  }

  async queuedOf(owner: string): Promise<number> {
    return this.#line.ofOwner(owner);
  }

  /** For tests: the thread dies, as if it had run out of memory. */
  killThread(): Promise<void> {
    return this.#link.kill();
  }

  /** @param told  what the thread has told lately; undefined: perhaps not all. */
  async #eventsAfter(
    jobId: string,
    seen: number,
    told: readonly JobEvent[] | undefined,
  ): Promise<readonly JobEvent[]> {
    const later = told?.filter(({ sequence }) => sequence > seen);
    if (later?.every(({ sequence }, i) => sequence === seen + 1 + i)) return later;
    const events = await this.#link.ask("eventsAfter", [jobId, seen]);
    if (events === undefined) throw unknownJob();
    return events;
  }

  #opened(waiting: readonly WaitingJob[]): void {
    this.#line = new WaitingLine();
    this.#waiting = new Map();
    for (const job of waiting) this.#join(job, "back");
    this.#bells.ringAll();
  }

  #changed(news: readonly News[]): void {
    for (const each of news) this.#apply(each);
    if (!news.some(({ kind }) => kind === "joined")) return;
    for (const listener of this.#workListeners) listener();
  }

  #apply(news: News): void {
    switch (news.kind) {
      case "joined":
        this.#join(news.job, news.end);
        break;
      case "left":
        this.#leave(news.jobId);
        break;
      case "claimed":
        this.#held.add(news.lease, news.circuit);
        break;
      case "revoked":
        this.#held.revoke(news.jobId, news.reason);
        break;
      case "released":
        this.#held.release(news.jobId);
        break;
      case "changed":
        this.#bells.ring(news.jobId, news.event);
        break;
      case "ended":
        for (const listener of this.#endedListeners) listener(news.job);
    }
  }

  #join(job: WaitingJob, end: "front" | "back"): void {
    this.#line.join(job, end);
    this.#waiting.set(job.jobId, job);
  }

  #leave(jobId: string): void {
    const job = this.#waiting.get(jobId);
    if (job === undefined) return;
    this.#line.leave(job);
    this.#waiting.delete(jobId);
  }
}
