import { isFinal, type Job, type JobEvent, PRIORITIES } from "../../job.ts";
import type { CircuitLoad, JobFilter, JobPage, JobReference, StoreStats } from "../../job-store.ts";
import { matches, SCANNED_MAX } from "../job-filter.ts";
import { unknownJob } from "../transition.ts";
import type { Database, Statement } from "./database.ts";
import { type EventRow, eventOf, type JobRow, jobOf, type LoadRow } from "./rows.ts";
import * as sql from "./statements.ts";
import { Watchers } from "./watchers.ts";

/** Watched jobs are looked at so often without being called: a notice may be lost. */
const POLL_MS = 1_000;
/** Rows that a listing reads at once; labels are compared here. */
const LIST_ROWS = 500;

/** What can be asked of the tables without changing them. */
export class JobReader {
  readonly #database: Database;
  readonly #now: (() => number) | undefined;
  readonly #watchers = new Watchers();
  readonly #poll: NodeJS.Timeout;

  constructor(database: Database, now: (() => number) | undefined) {
    this.#database = database;
    this.#now = now;
    // While the database is away there is nothing to tell; the next look finds what was missed.
    this.#poll = setInterval(() => this.#look().catch(() => {}), POLL_MS);
    this.#poll.unref();
  }

  close(): void {
    clearInterval(this.#poll);
  }

  /** Something has happened to a job, or may have. */
  wake(number: number): void {
    this.#watchers.wake(number);
  }

  async get(reference: JobReference): Promise<Job | undefined> {
    const row = await this.find(reference);
    return row && jobOf(row);
  }

  async position(jobId: string): Promise<number> {
    if (!isText(jobId)) return 0;
    const [row] = await this.#query<{ ahead: string }>(sql.POSITION, [jobId]);
    return Math.max(0, Number(row?.ahead ?? 0));
  }

  /** A page looks at `SCANNED_MAX` jobs at most, and may be short: the cursor says where to go on. */
  async list(filter: JobFilter, limit: number, cursor: number | undefined): Promise<JobPage> {
    const { owner, states, circuitId } = filter;
    const jobs: Job[] = [];
    if (!isText(owner) || !isText(circuitId)) return { jobs, nextCursor: undefined };
    let before = cursor ?? Number.MAX_SAFE_INTEGER;
    for (let scanned = 0; scanned < SCANNED_MAX; scanned += LIST_ROWS) {
      const rows = await this.#query<JobRow>(sql.LIST, [
        before,
        owner ?? null,
        states.length > 0 ? states : null,
        circuitId ?? null,
        LIST_ROWS,
      ]);
      for (const row of rows) {
        const job = jobOf(row);
        if (matches(job, filter)) {
          if (jobs.length === limit) return { jobs, nextCursor: before };
          jobs.push({ ...job, result: undefined });
        }
        before = row.number;
      }
      if (rows.length < LIST_ROWS) return { jobs, nextCursor: undefined };
    }
    return { jobs, nextCursor: before };
  }

  async *events(
    reference: JobReference,
    afterSequence: number,
    signal: AbortSignal,
  ): AsyncGenerator<JobEvent> {
    const row = await this.require(reference);
    const { number } = row;
    const watch = this.#watchers.watch(number, signal);
    try {
      let seen = afterSequence;
      const job = jobOf(row);
      if (seen === 0 || (isFinal(job.state) && seen >= job.sequence)) {
        yield this.#snapshot(row);
        if (isFinal(job.state)) return;
        seen = job.sequence;
      }
      while (!signal.aborted) {
        watch.look(seen);
        for (const event of await this.#eventsAfter(number, seen)) {
          seen = event.sequence;
          yield event;
          if (isFinal(event.job.state)) return;
        }
        watch.look(seen);
        await watch.changed();
      }
    } finally {
      watch.leave();
    }
  }

  async stats(): Promise<StoreStats> {
    const [load, [oldest]] = await Promise.all([
      this.#query<LoadRow>(sql.LOAD, []),
      this.#query<{ created_ms: number | null }>(sql.OLDEST, []),
    ]);
    return { ...sumOf(load), oldestQueuedMs: oldest?.created_ms ?? undefined };
  }

  async queuedOf(owner: string): Promise<number> {
    const [row] = await this.#query<{ queued_count: number }>(sql.LOAD_OF_OWNER, [owner]);
    return row?.queued_count ?? 0;
  }

  async find(reference: JobReference): Promise<JobRow | undefined> {
    const [statement, values] =
      "jobId" in reference
        ? ([sql.BY_JOB_ID, [reference.jobId]] as const)
        : ([sql.BY_REQUEST_ID, [reference.owner, reference.requestId]] as const);
    if (!values.every(isText)) return undefined;
    return (await this.#query<JobRow>(statement, values))[0];
  }

  /** @throws ProverError JOB_UNKNOWN */
  async require(reference: JobReference): Promise<JobRow> {
    const row = await this.find(reference);
    if (row === undefined) throw unknownJob();
    return row;
  }

  /** When the row was read, Unix ms. */
  nowOf(row: JobRow): number {
    return this.#now?.() ?? row.read_ms;
  }

  /** Looks at what is watched here without being called. */
  async #look(): Promise<void> {
    const { numbers } = this.#watchers;
    if (numbers.length === 0) return;
    const rows = await this.#query<{ number: number; sequence: number }>(sql.SEQUENCES, [numbers]);
    this.#watchers.compare(new Map(rows.map(({ number, sequence }) => [number, sequence])));
  }

  #snapshot(row: JobRow): JobEvent {
    const job = jobOf(row);
    return { sequence: job.sequence, timeMs: this.nowOf(row), isSnapshot: true, job };
  }

  /** The events after `sequence`, or a snapshot if they are not all kept. */
  async #eventsAfter(number: number, sequence: number): Promise<JobEvent[]> {
    const rows = await this.#query<EventRow>(sql.EVENTS, [number, sequence]);
    // Read after them: it has the result, if they tell of one.
    const [row] = await this.#query<JobRow>(sql.BY_NUMBER, [number]);
    if (row === undefined) throw unknownJob();
    const [first] = rows;
    // Earlier than what was seen: the database has lost its latest commits, and tells other ones instead.
    const isBack = row.sequence < sequence;
    if (isBack || (first !== undefined && first.sequence > sequence + 1)) {
      return [this.#snapshot(row)];
    }
    const job = jobOf(row);
    return rows.map((event) => eventOf(event, job));
  }

  #query<R extends object>(statement: Statement, values: readonly unknown[]): Promise<R[]> {
    return this.#database.query<R>(statement, values);
  }
}

function sumOf(load: readonly LoadRow[]): Omit<StoreStats, "oldestQueuedMs"> {
  const circuits = new Map<string, CircuitLoad>();
  const byPriority = { HIGH: 0, NORMAL: 0, LOW: 0 };
  let queuedBytes = 0;
  for (const row of load) {
    const name = `${row.zkey_sha256} ${row.circuit_id}`;
    const known = circuits.get(name);
    circuits.set(name, {
      circuitId: row.circuit_id,
      zkeySha256: row.zkey_sha256,
      queuedCount: (known?.queuedCount ?? 0) + row.queued_count,
      runningCount: (known?.runningCount ?? 0) + row.running_count,
    });
    byPriority[row.priority] += row.queued_count;
    queuedBytes += row.queued_bytes;
  }
  const all = [...circuits.values()];
  return {
    queuedCount: PRIORITIES.reduce((sum, priority) => sum + byPriority[priority], 0),
    queuedByPriority: byPriority,
    queuedBytes,
    runningCount: all.reduce((sum, { runningCount }) => sum + runningCount, 0),
    circuits: all,
  };
}

/** PostgreSQL has no text with U+0000, so no job has such a name. */
function isText(text: string | undefined): boolean {
  return text === undefined || !text.includes("\0");
}
