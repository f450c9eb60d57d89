import { randomUUID } from "node:crypto";
import { ProverError } from "../../errors.ts";
import { isFinal, type Job, type JobEvent, type JobInput, type JobStage } from "../../job.ts";
import {
  type CircuitKey,
  type Claim,
  type JobFilter,
  type JobPage,
  type JobReference,
  type JobStore,
  type Lease,
  type NewJob,
  type PurgeFilter,
  type Settlement,
  type StoreStats,
  sameContent,
} from "../../job-store.ts";
import { InputSealer, type SealingKey } from "../input-sealer.ts";
import {
  checkRoom,
  isDeadLetter,
  notRetryable,
  outcomeOf,
  type StoreLimits,
  silentWorker,
} from "../transition.ts";
import type { DatabaseAddress } from "./address.ts";
import { Database, type Statement } from "./database.ts";
import { HeldJobs } from "./held.ts";
import { Housekeeper } from "./housekeeper.ts";
import { type Notice, Notices } from "./notices.ts";
import { JobReader } from "./reader.ts";
import { type InputRow, inputOf, type JobRow, jobOf } from "./rows.ts";
import * as sql from "./statements.ts";
import { bufferOf, type SubmitRow, submitValues } from "./submission.ts";

/** Tries of a change that others come before: each of them has changed the job meanwhile. */
const TRIES_MAX = 50;

/** What `CHANGE` makes of a job, besides the next sequence. */
interface Change {
  readonly job: Job;
  readonly isDead?: boolean;
  readonly keepsClaim?: boolean;
  readonly toBack?: boolean;
  readonly onlySilent?: boolean;
}

export interface PostgresDependencies {
  /** Inputs are sealed with the first, and opened with any. Undefined: stored as they come. */
  readonly keys?: readonly SealingKey[];
  /** Undefined: the database's clock. */
  readonly now?: () => number;
}

/**
 * Jobs in a PostgreSQL database, for any number of processes.
 *
 * Each step of a job's life is one statement. Those whose outcome is decided here (`transition.ts`)
 * change the version of the job that they have read, or read again: no lock is held while this process
 * thinks, or is stopped.
 */
export class PostgresStore implements JobStore {
  readonly outlivesProcess = true;
  readonly #database: Database;
  readonly #notices: Notices;
  readonly #limits: StoreLimits;
  readonly #sealer: InputSealer;
  readonly #now: (() => number) | undefined;
  readonly #reader: JobReader;
  readonly #held = new HeldJobs();
  readonly #housekeeper: Housekeeper;
  /** Tokens of claims of which it is not known whether they were made. */
  readonly #unanswered = new Set<string>();
  readonly #listeners = new Set<() => void>();
  readonly #endedListeners = new Set<(job: Job) => void>();
  #sweeping: Promise<void> | undefined;

  private constructor(
    database: Database,
    address: DatabaseAddress,
    limits: StoreLimits,
    { now, keys = [] }: PostgresDependencies,
  ) {
    this.#database = database;
    this.#limits = limits;
    this.#now = now;
    this.#sealer = new InputSealer(keys);
    this.#reader = new JobReader(database, now);
    this.#housekeeper = new Housekeeper(database, limits, now);
    this.#notices = new Notices(address, (notice) => this.#hear(notice));
  }

  /**
   * Connects, and makes or migrates the tables.
   *
   * @throws Error of pg, or if a newer release made the tables.
   */
  static async open(
    address: DatabaseAddress,
    limits: StoreLimits,
    dependencies: PostgresDependencies = {},
  ): Promise<PostgresStore> {
    const database = await Database.open(address);
    const store = new PostgresStore(database, address, limits, dependencies);
    try {
      await store.#requireKeys();
      await store.#notices.start();
      return store;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#reader.close();
    await this.#sweeping?.catch(() => {});
    await this.#notices.close();
    await this.#database.close();
  }

  async submit(wanted: NewJob): Promise<{ job: Job; created: boolean }> {
    try {
      return await this.#submit(wanted);
    } finally {
      // Taken or not: it may be a witness.
      wanted.input.bytes.fill(0);
    }
  }

  async cancel(reference: JobReference): Promise<Job> {
    const changed = await this.#decide(
      () => this.#reader.require(reference),
      (job) => {
        if (job.state === "QUEUED") return { job: ended(job, { state: "CANCELLED" }) };
        if (job.state !== "RUNNING" || job.cancelRequested) return undefined;
        return { job: { ...job, cancelRequested: true }, keepsClaim: true };
      },
    );
    if (changed.row.state === "RUNNING") this.#stop([changed.row.number]);
    return jobOf(changed.row);
  }

  async claim(circuits: readonly CircuitKey[]): Promise<Claim | undefined> {
    if (circuits.length === 0) return undefined;
    const token = randomUUID();
    const values = [
      circuits.map(({ circuitId }) => circuitId),
      circuits.map(({ zkeySha256 }) => zkeySha256),
      token,
      this.#limits.leaseMs,
      this.#sealer.keyIds,
    ];
    const [row] = await this.#timed<ClaimRow>(sql.CLAIM, values).catch((error) => {
      this.#unanswered.add(token);
      throw error;
    });
    if (row === undefined) {
      // One that has expired is in nobody's way, but it must be seen to have ended.
      await this.#expire();
      // Another process may seal with a key that this one lacks: others take those jobs, and it must be said.
      await this.#requireKeys();
      return undefined;
    }
    if (row.must_expire) await this.#expire(row);
    const job = jobOf(row);
    const lease = { jobId: job.jobId, token };
    const input = await this.#open(row, lease);
    if (input === undefined) return this.claim(circuits);
    const revoked = this.#held.add(row.number, { token, input, expireMs: job.expireMs });
    this.#announce({ changed: [row.number] });
    return { lease, job, input, revoked };
  }

  async heartbeat(lease: Lease, stage: JobStage, progressPercent: number): Promise<boolean> {
    const [row] = await this.#timed<HeartbeatRow>(sql.HEARTBEAT, [
      lease.jobId,
      lease.token,
      stage,
      progressPercent,
      this.#limits.leaseMs,
    ]);
    if (row === undefined) return false;
    if (row.cancel_requested) this.#held.revoke(row.number, "cancelled");
    else if (row.is_expired) this.#held.revoke(row.number, "expired");
    if (row.has_changed) this.#announce({ changed: [row.number] });
    return true;
  }

  async settle(lease: Lease, settlement: Settlement): Promise<Job | undefined> {
    const changed = await this.#decide(
      async () => (await this.#query<JobRow>(sql.BY_LEASE, [lease.jobId, lease.token]))[0],
      (job, nowMs) => this.#outcome(job, settlement, nowMs),
    );
    this.#held.release(lease.token);
    return changed && jobOf(changed.row);
  }

  get(reference: JobReference): Promise<Job | undefined> {
    return this.#reader.get(reference);
  }

  position(jobId: string): Promise<number> {
    return this.#reader.position(jobId);
  }

  list(filter: JobFilter, limit: number, cursor: number | undefined): Promise<JobPage> {
    return this.#reader.list(filter, limit, cursor);
  }

  events(
    reference: JobReference,
    afterSequence: number,
    signal: AbortSignal,
  ): AsyncIterable<JobEvent> {
    return this.#reader.events(reference, afterSequence, signal);
  }

  stats(): Promise<StoreStats> {
    return this.#reader.stats();
  }

  queuedOf(owner: string): Promise<number> {
    return this.#reader.queuedOf(owner);
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
    const { queuedCount, queuedBytes } = await this.stats();
    const changed = await this.#decide(
      () => this.#reader.require(reference),
      (job, _, row) => {
        if (!row.is_dead) throw notRetryable(job);
        checkRoom(row.input_bytes, { queuedCount, queuedBytes }, this.#limits);
        const anew = { attempts: 0, endedMs: undefined, failure: undefined };
        return { job: { ...job, ...anew, state: "QUEUED" }, toBack: true };
      },
    );
    return jobOf(changed.row);
  }

  async purge({ states, endedBeforeMs }: PurgeFilter): Promise<number> {
    let count = 0;
    while (true) {
      const rows = await this.#query<{ number: number }>(sql.PURGE, [
        states.length > 0 ? states : null,
        endedBeforeMs ?? null,
      ]);
      count += rows.length;
      this.#announce({ changed: rows.map(({ number }) => number) });
      if (rows.length < sql.AT_ONCE) return count;
    }
  }

  sweep(): Promise<void> {
    // Calls that come while one is under way would find the same work.
    this.#sweeping ??= this.#sweep().finally(() => {
      this.#sweeping = undefined;
    });
    return this.#sweeping;
  }

  async #submit(wanted: NewJob): Promise<{ job: Job; created: boolean }> {
    const { owner, requestId, contentSha256, input } = wanted;
    const jobId = randomUUID();
    const stored = this.#sealer.seal(jobId, input);
    const values = submitValues(jobId, wanted, stored, this.#limits);
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const [row] = await this.#timed<SubmitRow>(sql.SUBMIT, values);
      if (row !== undefined && row.number !== null) {
        this.#announce({ hasWork: true });
        return { job: jobOf(row), created: true };
      }
      const known = await this.get({ owner, requestId });
      if (known !== undefined) return { job: sameContent(known, contentSha256), created: false };
      const waiting = {
        queuedCount: row?.waiting_count ?? 0,
        queuedBytes: row?.waiting_bytes ?? 0,
      };
      checkRoom(input.bytes.length, waiting, this.#limits);
      // Somebody's job had the id a moment ago and is forgotten.
    }
    throw busy();
  }

  /** @throws ProverError STORE_KEY_REFUSED */
  async #requireKeys(): Promise<void> {
    const rows = await this.#query<{ key_id: string }>(sql.KEY_IDS, []);
    this.#sealer.requireKeys(rows.map(({ key_id }) => key_id));
  }

  /** The input of a job just claimed. Undefined: it is damaged, and the job has failed. */
  async #open(row: JobRow & InputRow, lease: Lease): Promise<JobInput | undefined> {
    try {
      return this.#sealer.open(row.job_id, inputOf(row));
    } catch (caught) {
      // Whatever is wrong with it: given back, it would be claimed again at once, and for ever.
      const { code, message } = ProverError.from(caught);
      const failure = { reason: code, message, retryable: false };
      await this.settle(lease, { kind: "failed", failure });
      return undefined;
    }
  }

  async #sweep(): Promise<void> {
    await this.#giveBack();
    for (const number of await this.#housekeeper.overdue(this.#held.expiring)) {
      this.#held.revoke(number, "expired");
    }
    const due = await this.#housekeeper.due();
    if (due.mustExpire) await this.#expire();
    if (due.hasSilent) {
      for (const row of await this.#housekeeper.silent()) await this.#takeBack(row);
    }
    if (due.mustForget) this.#announce({ changed: await this.#housekeeper.tidy() });
  }

  /** Jobs that were claimed although the answer did not arrive go back, at no attempt's cost. */
  async #giveBack(): Promise<void> {
    for (const token of this.#unanswered) {
      const [row] = await this.#query<JobRow>(sql.BY_TOKEN, [token]);
      if (row !== undefined) {
        await this.settle({ jobId: row.job_id, token }, { kind: "stopped" });
      }
      this.#unanswered.delete(token);
    }
  }

  async #expire(before?: JobRow): Promise<void> {
    const rows = await this.#housekeeper.expire(before);
    this.#announce({ changed: rows.map(({ number }) => number) });
    for (const row of rows) this.#tellEnded(jobOf(row));
  }

  /** Takes a job from its silent worker. */
  async #takeBack(row: JobRow): Promise<void> {
    const failure = silentWorker(this.#limits.leaseMs);
    const change = this.#outcome(jobOf(row), { kind: "failed", failure }, this.#reader.nowOf(row));
    const taken = await this.#change(row, { ...change, onlySilent: true });
    if (taken !== undefined) this.#held.revoke(row.number, "lost");
  }

  #outcome(job: Job, settlement: Settlement, nowMs: number): Change {
    const { kind, changes } = outcomeOf(job, settlement, this.#limits.attemptsMax, nowMs);
    return kind === "ended"
      ? { job: ended(job, changes), isDead: isDeadLetter(changes) }
      : { job: { ...job, ...changes, state: "QUEUED" } };
  }

  /**
   * Reads a job, decides what becomes of it, and makes that of it unless it has changed meanwhile.
   * Undefined from `decide`: nothing, which is the answer then.
   */
  async #decide<R extends JobRow | undefined>(
    read: () => Promise<R>,
    decide: (job: Job, nowMs: number, row: JobRow) => Change | undefined,
  ): Promise<{ row: JobRow } | (R extends undefined ? undefined : never)> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const row = await read();
      if (row === undefined) return undefined as never;
      const change = decide(jobOf(row), this.#reader.nowOf(row), row);
      if (change === undefined) return { row };
      const next = await this.#change(row, change);
      if (next !== undefined) return { row: next };
    }
    throw busy();
  }

  /** @returns undefined if the job is not as it was when `row` was read. */
  async #change(row: JobRow, { job, ...how }: Change): Promise<JobRow | undefined> {
    const [next] = await this.#timed<JobRow>(sql.CHANGE, [
      row.number,
      row.sequence,
      job.state,
      job.attempts,
      job.cancelRequested,
      job.failure === undefined ? null : JSON.stringify(job.failure),
      isFinal(job.state),
      how.isDead ?? false,
      how.keepsClaim ?? false,
      how.toBack ?? false,
      job.result === undefined ? null : bufferOf(job.result),
      how.onlySilent ?? false,
    ]);
    if (next === undefined) return undefined;
    this.#announce({ hasWork: next.state === "QUEUED", changed: [next.number] });
    if (isFinal(next.state)) this.#tellEnded(jobOf(next));
    return next;
  }

  #announce(notice: { hasWork?: boolean; changed?: readonly number[] }): void {
    for (const number of notice.changed ?? []) this.#reader.wake(number);
    if (notice.hasWork) for (const listener of this.#listeners) listener();
    if (notice.hasWork || (notice.changed?.length ?? 0) > 0) this.#notices.send(notice);
  }

  #hear({ hasWork, changed, stopped }: Notice): void {
    for (const number of changed) this.#reader.wake(number);
    for (const number of stopped) this.#held.revoke(number, "cancelled");
    if (hasWork) for (const listener of this.#listeners) listener();
  }

  #stop(numbers: readonly number[]): void {
    for (const number of numbers) this.#held.revoke(number, "cancelled");
    this.#notices.send({ stopped: numbers });
  }

  #tellEnded(job: Job): void {
    for (const listener of this.#endedListeners) listener(job);
  }

  #query<R extends object>(statement: Statement, values: readonly unknown[]): Promise<R[]> {
    return this.#database.query<R>(statement, values);
  }

  /** A statement whose first value is the time. */
  #timed<R extends object>(statement: Statement, values: readonly unknown[]): Promise<R[]> {
    return this.#query<R>(statement, [this.#now?.() ?? null, ...values]);
  }
}

interface ClaimRow extends JobRow, InputRow {
  /** Somebody's time in the line is over. */
  readonly must_expire: boolean;
}

interface HeartbeatRow {
  readonly number: number;
  readonly cancel_requested: boolean;
  readonly is_expired: boolean;
  readonly has_changed: boolean;
}

/** The job at its end; whose time that is, the database says. */
function ended(job: Job, changes: Partial<Job>): Job {
  return { ...job, ...changes, cancelRequested: false };
}

/** Others changed the job at every try. */
function busy(): ProverError {
  return new ProverError(
    "STORE_UNAVAILABLE",
    "the job store is busy with this job; repeat later with the same request id",
  );
}
