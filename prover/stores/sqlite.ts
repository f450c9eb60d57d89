import { randomUUID } from "node:crypto";
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import { ProverError } from "../errors.ts";
import {
  isFinal,
  type Job,
  type JobEvent,
  type JobInput,
  type JobPriority,
  type JobStage,
} from "../job.ts";
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
  type RevokeReason,
  type Settlement,
  type StoreStats,
  sameContent,
} from "../job-store.ts";
import { CHANGING, changingOf, eventOf, inputOf, jobOf, type SqlRow } from "./sqlite-rows.ts";
import { prepareDatabase } from "./sqlite-schema.ts";
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
import { statsOf, type Waiter, WaitingLine } from "./waiting-line.ts";

/** Events kept for each job: a stream that resumes further back begins with a snapshot. */
const EVENTS_KEPT = 64;
/** Jobs that one sweep forgets at most: it runs ten times a second, and calls wait for it. */
const FORGET_AT_ONCE = 500;

/** A job in the line. */
interface Waiting extends Waiter {
  readonly number: number;
  readonly expireMs: number | undefined;
}

/** A claim of this process. */
interface Held extends CircuitKey {
  readonly token: string;
  readonly revoke: AbortController;
  readonly input: JobInput;
}

interface Write {
  readonly work: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** A job and its number. */
interface Known {
  readonly number: number;
  readonly job: Job;
  readonly isDead: boolean;
  readonly inputBytes: number;
}

/**
 * Jobs in one SQLite file, for one process: what was accepted outlives it.
 *
 * Calls that come in one turn of the event loop share a transaction, and with it the one wait for the
 * disk; each is answered when that is over. The waiting line is in memory as well, so that claiming,
 * places in the line and depths take no longer when it is long.
 */
export class SqliteStore implements JobStore {
  readonly outlivesProcess = true;
  readonly #db: DatabaseSync;
  readonly #options: StoreLimits;
  readonly #now: () => number;
  readonly #statements = new Map<string, StatementSync>();
  readonly #listeners = new Set<() => void>();
  readonly #endedListeners = new Set<(job: Job) => void>();
  readonly #watchers = new Map<number, Set<() => void>>();
  readonly #held = new Map<number, Held>();
  #waiting = new WaitingLine<Waiting>();
  #entries = new Map<number, Waiting>();
  #endedCount = 0;
  #frontPlace = 0;
  #backPlace = 0;
  #writes: Write[] = [];
  /** What is to be told once a transaction is on disk. */
  #effects: (() => void)[] = [];
  /** Whether inputs were deleted whose bytes may still be in the log beside the file. */
  #mustScrub = true;

  private constructor(db: DatabaseSync, options: StoreLimits, now: () => number) {
    this.#db = db;
    this.#options = options;
    this.#now = now;
  }

  /**
   * Opens the file or makes it. Jobs that ran when its last process ended have lost their worker.
   *
   * @throws Error if this Node has no SQLite, or the file is in use, another program's or damaged.
   */
  static async open(
    path: string,
    options: StoreLimits,
    { now = Date.now }: { readonly now?: () => number } = {},
  ): Promise<SqliteStore> {
    const { DatabaseSync: Database } = await import("node:sqlite");
    const db = new Database(path);
    try {
      prepareDatabase(db);
      const store = new SqliteStore(db, options, now);
      store.#load();
      await store.#write(() => store.#recover());
      store.#scrub();
      return store;
    } catch (error) {
      db.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    if (!this.#db.isOpen) return;
    this.#flush();
    this.#scrub();
    this.#statements.clear();
    this.#db.close();
  }

  submit(wanted: NewJob): Promise<{ job: Job; created: boolean }> {
    return this.#write(() => {
      const known = this.#find({ owner: wanted.owner, requestId: wanted.requestId });
      if (known !== undefined) {
        return { job: sameContent(known.job, wanted.contentSha256), created: false };
      }
      const { bytes, format, commit } = wanted.input;
      checkRoom(
        bytes.length,
        { queuedCount: this.#waiting.size, queuedBytes: this.#waiting.bytes },
        this.#options,
      );
      const job = newJob(wanted, this.#now());
      const number = this.#insert(job, bytes.length);
      this.#run("INSERT INTO inputs VALUES (?, ?, ?, ?, ?)", [
        number,
        format,
        bytes,
        commit?.newRoot.toString() ?? null,
        commit?.txData ?? null,
      ]);
      const queued = this.#enqueue(
        { number, job, isDead: false, inputBytes: bytes.length },
        "back",
        {},
      );
      // Only now: a submission that failed may be repeated with the same bytes.
      this.#effects.push(() => bytes.fill(0));
      return { job: queued, created: true };
    });
  }

  async get(reference: JobReference): Promise<Job | undefined> {
    return this.#find(reference)?.job;
  }

  async position(jobId: string): Promise<number> {
    const row = this.#one("SELECT number FROM jobs WHERE job_id = ?", [jobId]);
    const entry = row && this.#entries.get(row.number as number);
    return entry === undefined ? 0 : this.#waiting.ahead(entry);
  }

  async list(
    { owner, states, circuitId, labels }: JobFilter,
    limit: number,
    cursor: number | undefined,
  ): Promise<JobPage> {
    const conditions = ["number < ?"];
    const values: SQLInputValue[] = [cursor ?? Number.MAX_SAFE_INTEGER];
    if (states.length > 0) {
      conditions.push(`state IN (${states.map(() => "?").join(", ")})`);
      values.push(...states);
    }
    if (owner !== undefined) {
      conditions.push("owner = ?");
      values.push(owner);
    }
    if (circuitId !== undefined) {
      conditions.push("circuit_id = ?");
      values.push(circuitId);
    }
    const sql = `SELECT * FROM jobs WHERE ${conditions.join(" AND ")} ORDER BY number DESC`;
    const jobs: Job[] = [];
    let last: number | undefined;
    for (const row of this.#db.prepare(sql).iterate(...values)) {
      const job = jobOf(row as SqlRow);
      if (!hasLabels(job, labels)) continue;
      if (jobs.length === limit) return { jobs, nextCursor: last };
      jobs.push(job);
      last = (row as SqlRow).number as number;
    }
    return { jobs, nextCursor: undefined };
  }

  async *events(
    reference: JobReference,
    afterSequence: number,
    signal: AbortSignal,
  ): AsyncGenerator<JobEvent> {
    const { number, job } = this.#require(reference);
    let seen = afterSequence;
    if (seen === 0 || (isFinal(job.state) && seen >= job.sequence)) {
      yield this.#snapshot(job);
      if (isFinal(job.state)) return;
      seen = job.sequence;
    }
    while (!signal.aborted) {
      const known = this.#byNumber(number);
      if (known === undefined) throw unknownJob();
      for (const event of this.#eventsAfter(known, seen)) {
        seen = event.sequence;
        yield event;
        if (isFinal(event.job.state)) return;
      }
      if (seen >= (this.#byNumber(number)?.job.sequence ?? 0)) await this.#nextWake(number, signal);
    }
  }

  cancel(reference: JobReference): Promise<Job> {
    return this.#write(() => {
      const known = this.#require(reference);
      if (known.job.state === "QUEUED") return this.#finish(known, { state: "CANCELLED" });
      if (known.job.state !== "RUNNING" || known.job.cancelRequested) return known.job;
      const asked = this.#change(known, { cancelRequested: true });
      this.#revoke(known.number, "cancelled");
      return asked;
    });
  }

  claim(circuits: readonly CircuitKey[]): Promise<Claim | undefined> {
    if (this.#waiting.first(circuits) === undefined) return Promise.resolve(undefined);
    return this.#write(() => {
      const known = this.#nextWaiting(circuits);
      if (known === undefined) return undefined;
      const { number } = known;
      const input = inputOf(this.#one("SELECT * FROM inputs WHERE number = ?", [number]) as SqlRow);
      const { circuitId, zkeySha256 } = known.job;
      const token = randomUUID();
      const held = { circuitId, zkeySha256, token, revoke: new AbortController(), input };
      this.#leaveLine(number);
      this.#lease(number, held.token);
      const job = this.#change(known, {
        state: "RUNNING",
        attempts: known.job.attempts + 1,
        startedMs: this.#now(),
        progressPercent: 0,
      });
      this.#effects.push(() => this.#held.set(number, held));
      const lease = { jobId: job.jobId, token: held.token };
      return { lease, job, input, revoked: held.revoke.signal };
    });
  }

  heartbeat(lease: Lease, stage: JobStage, progressPercent: number): Promise<boolean> {
    return this.#write(() => {
      const known = this.#leased(lease);
      if (known === undefined) return false;
      this.#lease(known.number, lease.token);
      if (known.job.stage !== stage || known.job.progressPercent !== progressPercent) {
        this.#change(known, { stage, progressPercent });
      }
      return true;
    });
  }

  settle(lease: Lease, settlement: Settlement): Promise<Job | undefined> {
    return this.#write(() => {
      const known = this.#leased(lease);
      return known && this.#settle(known, settlement);
    });
  }

  onWork(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onEnded(listener: (job: Job) => void): () => void {
    this.#endedListeners.add(listener);
    return () => this.#endedListeners.delete(listener);
  }

  retry(reference: JobReference): Promise<Job> {
    return this.#write(() => {
      const known = this.#require(reference);
      if (!known.isDead) throw notRetryable(known.job);
      checkRoom(
        known.inputBytes,
        { queuedCount: this.#waiting.size, queuedBytes: this.#waiting.bytes },
        this.#options,
      );
      this.#run("UPDATE jobs SET is_dead = 0 WHERE number = ?", [known.number]);
      this.#endedCount--;
      return this.#enqueue(known, "back", { attempts: 0, endedMs: undefined, failure: undefined });
    });
  }

  purge({ states, endedBeforeMs }: PurgeFilter): Promise<number> {
    return this.#write(() => {
      const conditions = ["ended_ms IS NOT NULL", "ended_ms < ?"];
      if (states.length > 0) conditions.push(`state IN (${states.map(() => "?").join(", ")})`);
      const sql = `SELECT number FROM jobs WHERE ${conditions.join(" AND ")}`;
      const rows = this.#all(sql, [endedBeforeMs ?? Number.MAX_SAFE_INTEGER, ...states]);
      for (const { number } of rows) this.#forget(number as number);
      return rows.length;
    });
  }

  async sweep(): Promise<void> {
    const nowMs = this.#now();
    const { keepFinishedMs, keepFinishedMax, keepDeadMs, leaseMs } = this.#options;
    const due = {
      expired: this.#numbers(
        "SELECT number FROM jobs WHERE expire_ms <= ? AND expire_ms IS NOT NULL AND state IN ('QUEUED', 'RUNNING')",
        [nowMs],
      ),
      silent: this.#numbers(
        "SELECT number FROM jobs WHERE state = 'RUNNING' AND lease_deadline_ms <= ?",
        [nowMs],
      ),
      dead: this.#numbers("SELECT number FROM jobs WHERE is_dead = 1 AND ended_ms <= ?", [
        nowMs - keepDeadMs,
      ]),
      old: this.#numbers(
        `SELECT number FROM jobs WHERE ended_ms IS NOT NULL AND ended_ms <= ? ORDER BY ended_ms, number LIMIT ${FORGET_AT_ONCE}`,
        [nowMs - keepFinishedMs],
      ),
    };
    const tooMany = Math.min(this.#endedCount - keepFinishedMax, FORGET_AT_ONCE);
    if (tooMany > due.old.length) {
      due.old = this.#numbers(
        "SELECT number FROM jobs WHERE ended_ms IS NOT NULL ORDER BY ended_ms, number LIMIT ?",
        [tooMany],
      );
    }
    if (Object.values(due).some((numbers) => numbers.length > 0)) {
      await this.#write(() => {
        for (const known of this.#knownOf(due.expired)) {
          if (known.job.state === "QUEUED") this.#finish(known, { state: "EXPIRED" });
          else if (known.job.state === "RUNNING") this.#revoke(known.number, "expired");
        }
        for (const known of this.#knownOf(due.silent)) {
          if (known.job.state !== "RUNNING") continue;
          this.#revoke(known.number, "lost");
          this.#settle(known, { kind: "failed", failure: silentWorker(leaseMs) });
        }
        for (const number of due.dead) this.#bury(number);
        for (const number of due.old) this.#forget(number);
      });
    }
    this.#scrub();
  }

  async stats(): Promise<StoreStats> {
    return statsOf(this.#waiting, this.#held.values());
  }

  /** Runs with others of the same turn in one transaction; resolves when it is on disk. */
  #write<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#writes.push({ work, resolve: resolve as Write["resolve"], reject });
      if (this.#writes.length === 1) setImmediate(() => this.#flush());
    });
  }

  #flush(): void {
    const writes = this.#writes;
    this.#writes = [];
    if (writes.length === 0) return;
    if (this.#commit(writes)) return;
    // One of them failed the transaction for all: each by itself.
    for (const write of writes) if (!this.#commit([write])) write.reject(this.#failure);
  }

  #failure: unknown;

  /** @returns false if nothing was written; then `#failure` says why. */
  #commit(writes: readonly Write[]): boolean {
    const answers: (() => void)[] = [];
    try {
      this.#db.exec("BEGIN IMMEDIATE");
      for (const { work, resolve, reject } of writes) {
        try {
          const value = work();
          answers.push(() => resolve(value));
        } catch (refusal) {
          // Refusals come before anything is written.
          if (!(refusal instanceof ProverError)) throw refusal;
          answers.push(() => reject(refusal));
        }
      }
      this.#db.exec("COMMIT");
    } catch (cause) {
      this.#failure = new ProverError(
        "STORE_UNAVAILABLE",
        "the job store cannot write; repeat later with the same request id",
        { cause },
      );
      this.#effects = [];
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      this.#load();
      return false;
    }
    const effects = this.#effects;
    this.#effects = [];
    for (const answer of answers) answer();
    for (const effect of effects) effect();
    return true;
  }

  /** What is in memory, from what is on disk. */
  #load(): void {
    this.#waiting = new WaitingLine();
    this.#entries = new Map();
    const count = (condition: string) =>
      this.#one(`SELECT count(*) AS n FROM jobs WHERE ${condition}`, [])?.n as number;
    this.#endedCount = count("ended_ms IS NOT NULL");
    const edges = this.#one(
      "SELECT min(place) AS front, max(place) AS back FROM jobs WHERE state = 'QUEUED'",
      [],
    );
    this.#frontPlace = (edges?.front as number | null) ?? 0;
    this.#backPlace = (edges?.back as number | null) ?? 0;
    const sql =
      "SELECT number, owner, priority, circuit_id, zkey_sha256, created_ms, expire_ms, input_bytes FROM jobs WHERE state = 'QUEUED' ORDER BY place";
    for (const row of this.#all(sql, [])) {
      this.#join(
        {
          number: row.number as number,
          owner: row.owner as string,
          priority: row.priority as JobPriority,
          circuitId: row.circuit_id as string,
          zkeySha256: row.zkey_sha256 as string,
          createdMs: row.created_ms as number,
          expireMs: (row.expire_ms as number | null) ?? undefined,
          inputBytes: row.input_bytes as number,
        },
        "back",
      );
    }
  }

  #recover(): void {
    const running = this.#numbers("SELECT number FROM jobs WHERE state = 'RUNNING'", []);
    for (const known of this.#knownOf(running)) {
      this.#settle(known, {
        kind: "failed",
        failure: {
          reason: "WORKER_LOST",
          message: "the service ended while it worked on this",
          retryable: true,
        },
      });
    }
  }

  /** Empties the log beside the file, where bytes of deleted inputs are. */
  #scrub(): void {
    if (!this.#mustScrub || this.#writes.length > 0) return;
    const row = this.#one("PRAGMA wal_checkpoint(TRUNCATE)", []);
    if (row?.busy === 0) this.#mustScrub = false;
  }

  #insert(job: Job, inputBytes: number): number {
    const values: Record<string, SQLInputValue> = {
      job_id: job.jobId,
      owner: job.owner,
      request_id: job.requestId,
      circuit_id: job.circuitId,
      zkey_sha256: job.zkeySha256,
      input_kind: job.inputKind,
      content_sha256: job.contentSha256,
      priority: job.priority,
      place: 0,
      labels: JSON.stringify(job.labels),
      development_keys: Number(job.developmentKeys),
      expire_ms: job.expireMs ?? null,
      created_ms: job.createdMs,
      input_bytes: inputBytes,
      ...changingOf(job),
    };
    const names = Object.keys(values);
    const sql = `INSERT INTO jobs (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`;
    return Number(this.#statement(sql).run(...Object.values(values)).lastInsertRowid);
  }

  /** The next version of the job, and an event of it. */
  #change({ number, job }: Known, changes: Partial<Job>): Job {
    const next: Job = { ...job, ...changes, sequence: job.sequence + 1 };
    const columns = changingOf(next);
    const values = CHANGING.map((name) => columns[name]);
    this.#run(
      `UPDATE jobs SET ${CHANGING.map((name) => `${name} = ?`).join(", ")} WHERE number = ?`,
      [...values, number],
    );
    this.#run(
      `INSERT INTO events (number, time_ms, ${CHANGING.join(", ")}) VALUES (?, ?, ${CHANGING.map(() => "?").join(", ")})`,
      [number, this.#now(), ...values],
    );
    this.#run("DELETE FROM events WHERE number = ? AND sequence <= ?", [
      number,
      next.sequence - EVENTS_KEPT,
    ]);
    this.#effects.push(() => this.#wake(number));
    return next;
  }

  #enqueue(known: Known, end: "front" | "back", changes: Partial<Job>): Job {
    const { number, job, inputBytes } = known;
    const place = end === "back" ? ++this.#backPlace : --this.#frontPlace;
    this.#run(
      "UPDATE jobs SET place = ?, lease_token = NULL, lease_deadline_ms = NULL WHERE number = ?",
      [place, number],
    );
    this.#join({ ...job, number, inputBytes }, end);
    this.#effects.push(() => {
      for (const listener of this.#listeners) listener();
    });
    return this.#change(known, {
      ...changes,
      state: "QUEUED",
      stage: undefined,
      progressPercent: 0,
    });
  }

  #join(described: Waiting, end: "front" | "back"): void {
    const { number, owner, priority, circuitId, zkeySha256 } = described;
    const { createdMs, expireMs, inputBytes } = described;
    const job = { number, owner, priority, circuitId, zkeySha256, createdMs, expireMs, inputBytes };
    this.#waiting.join(job, end);
    this.#entries.set(number, job);
  }

  #leaveLine(number: number): void {
    const entry = this.#entries.get(number);
    if (entry === undefined) return;
    this.#waiting.leave(entry);
    this.#entries.delete(number);
  }

  #nextWaiting(circuits: readonly CircuitKey[]): Known | undefined {
    const nowMs = this.#now();
    const next = () => this.#waiting.first(circuits);
    for (let entry = next(); entry !== undefined; entry = next()) {
      const known = this.#byNumber(entry.number) as Known;
      if (entry.expireMs === undefined || entry.expireMs > nowMs) return known;
      this.#finish(known, { state: "EXPIRED" });
    }
    return undefined;
  }

  #lease(number: number, token: string): void {
    const deadlineMs = this.#now() + this.#options.leaseMs;
    this.#run("UPDATE jobs SET lease_token = ?, lease_deadline_ms = ? WHERE number = ?", [
      token,
      deadlineMs,
      number,
    ]);
  }

  #leased({ jobId, token }: Lease): Known | undefined {
    const row = this.#one(
      "SELECT * FROM jobs WHERE job_id = ? AND lease_token = ? AND state = 'RUNNING'",
      [jobId, token],
    );
    return row && knownOf(row);
  }

  #settle(known: Known, settlement: Settlement): Job {
    this.#effects.push(() => this.#letGo(known.number));
    const { attemptsMax } = this.#options;
    const outcome = outcomeOf(known.job, settlement, attemptsMax, this.#now());
    return outcome.kind === "ended"
      ? this.#finish(known, outcome.changes)
      : this.#enqueue(known, "front", outcome.changes);
  }

  #finish(known: Known, changes: Partial<Job>): Job {
    const { number } = known;
    this.#leaveLine(number);
    this.#endedCount++;
    this.#run(
      "UPDATE jobs SET lease_token = NULL, lease_deadline_ms = NULL, is_dead = ? WHERE number = ?",
      [Number(isDeadLetter(changes)), number],
    );
    if (!isDeadLetter(changes)) this.#deleteInput(number);
    else this.#limitDead();
    if (changes.result !== undefined) {
      this.#run("INSERT OR REPLACE INTO results VALUES (?, ?)", [number, changes.result]);
    }
    const job = this.#change(known, {
      ...changes,
      stage: undefined,
      progressPercent: 0,
      cancelRequested: false,
      endedMs: this.#now(),
    });
    this.#effects.push(() => {
      for (const listener of this.#endedListeners) listener(job);
    });
    return job;
  }

  /** The oldest dead letters lose their inputs when all are too large together. */
  #limitDead(): void {
    const { queueMaxBytes } = this.#options;
    let bytes = this.#one("SELECT sum(input_bytes) AS n FROM jobs WHERE is_dead = 1", [])
      ?.n as number;
    if (bytes <= queueMaxBytes) return;
    for (const row of this.#all(
      "SELECT number, input_bytes FROM jobs WHERE is_dead = 1 ORDER BY ended_ms, number",
      [],
    )) {
      if (bytes <= queueMaxBytes) return;
      this.#bury(row.number as number);
      bytes -= row.input_bytes as number;
    }
  }

  #bury(number: number): void {
    this.#run("UPDATE jobs SET is_dead = 0 WHERE number = ?", [number]);
    this.#deleteInput(number);
  }

  #deleteInput(number: number): void {
    this.#run("DELETE FROM inputs WHERE number = ?", [number]);
    this.#run("UPDATE jobs SET input_bytes = 0 WHERE number = ?", [number]);
    this.#mustScrub = true;
  }

  #forget(number: number): void {
    const { changes } = this.#statement(
      "DELETE FROM jobs WHERE number = ? AND ended_ms IS NOT NULL",
    ).run(number);
    if (changes === 0) return;
    this.#endedCount--;
    this.#mustScrub = true;
    this.#effects.push(() => this.#wake(number));
  }

  #revoke(number: number, reason: RevokeReason): void {
    this.#effects.push(() => this.#held.get(number)?.revoke.abort(reason));
  }

  /** The bytes may be a witness: do not leave them to the garbage collector. */
  #letGo(number: number): void {
    this.#held.get(number)?.input.bytes.fill(0);
    this.#held.delete(number);
  }

  #snapshot(job: Job): JobEvent {
    return { sequence: job.sequence, timeMs: this.#now(), isSnapshot: true, job };
  }

  /** The events after `sequence`, or a snapshot if they are not all kept. */
  #eventsAfter({ number, job }: Known, sequence: number): JobEvent[] {
    const rows = this.#all(
      "SELECT * FROM events WHERE number = ? AND sequence > ? ORDER BY sequence",
      [number, sequence],
    );
    const first = rows[0]?.sequence as number | undefined;
    if (first !== undefined && first > sequence + 1) return [this.#snapshot(job)];
    return rows.map((row) => eventOf(row, job));
  }

  #nextWake(number: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const watchers = this.#watchers.get(number) ?? new Set();
      this.#watchers.set(number, watchers);
      const done = () => {
        watchers.delete(done);
        if (watchers.size === 0) this.#watchers.delete(number);
        signal.removeEventListener("abort", done);
        resolve();
      };
      watchers.add(done);
      signal.addEventListener("abort", done);
    });
  }

  #wake(number: number): void {
    for (const watcher of this.#watchers.get(number) ?? []) watcher();
  }

  async queuedOf(owner: string): Promise<number> {
    return this.#waiting.ofOwner(owner);
  }

  #find(reference: JobReference): Known | undefined {
    const [condition, values] =
      "jobId" in reference
        ? ["job_id = ?", [reference.jobId]]
        : ["owner = ? AND request_id = ?", [reference.owner, reference.requestId]];
    const row = this.#one(`SELECT * FROM jobs WHERE ${condition}`, values);
    return row && this.#withResult(row);
  }

  #byNumber(number: number): Known | undefined {
    const row = this.#one("SELECT * FROM jobs WHERE number = ?", [number]);
    return row && this.#withResult(row);
  }

  #withResult(row: SqlRow): Known {
    if (row.state !== "SUCCEEDED") return knownOf(row);
    const result = this.#one("SELECT bytes FROM results WHERE number = ?", [row.number as number]);
    return knownOf(row, result?.bytes as Uint8Array | undefined);
  }

  #require(reference: JobReference): Known {
    const known = this.#find(reference);
    if (known === undefined) throw unknownJob();
    return known;
  }

  #knownOf(numbers: readonly number[]): Known[] {
    return numbers.flatMap((number) => this.#byNumber(number) ?? []);
  }

  #numbers(sql: string, values: readonly SQLInputValue[]): number[] {
    return this.#all(sql, values).map(({ number }) => number as number);
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql) ?? this.#db.prepare(sql);
    this.#statements.set(sql, known);
    return known;
  }

  #run(sql: string, values: readonly SQLInputValue[]): void {
    this.#statement(sql).run(...values);
  }

  #one(sql: string, values: readonly SQLInputValue[]): SqlRow | undefined {
    return this.#statement(sql).get(...values) as SqlRow | undefined;
  }

  #all(sql: string, values: readonly SQLInputValue[]): SqlRow[] {
    return this.#statement(sql).all(...values) as SqlRow[];
  }
}

function knownOf(row: SqlRow, result?: Uint8Array): Known {
  return {
    number: row.number as number,
    job: jobOf(row, result),
    isDead: row.is_dead === 1,
    inputBytes: row.input_bytes as number,
  };
}

function hasLabels(job: Job, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(labels).every(
    ([name, value]) => Object.hasOwn(job.labels, name) && job.labels[name] === value,
  );
}
