import type { SQLInputValue } from "node:sqlite";
import type { Job, JobEvent, JobInput } from "../../job.ts";
import type { JobReference, Lease } from "../../job-store.ts";
import { damaged, type StoredInput } from "../input-sealer.ts";
import { unknownJob } from "../transition.ts";
import type { Connection } from "./connection.ts";
import type { Ledger } from "./ledger.ts";
import type { WaitingJob } from "./messages.ts";
import { CHANGING, changingOf, eventOf, inputOf, jobOf, type SqlRow } from "./rows.ts";

/** Events kept for each job: a stream that resumes further back begins with a snapshot. */
const EVENTS_KEPT = 64;

/** A job with what its row holds besides. */
export interface Known {
  readonly number: number;
  readonly job: Job;
  readonly isDead: boolean;
  /** 0 once the input is deleted. */
  readonly inputBytes: number;
  /** Key from outside, if there was one. */
  readonly inputKey: string | undefined;
  /** Where the input's own key is. */
  readonly inputSlot: number | undefined;
}

/** Columns that no caller sees. */
export interface Hidden {
  readonly place?: number;
  readonly lease_token?: string | null;
  readonly lease_deadline_ms?: number | null;
  readonly is_dead?: 0 | 1;
  readonly input_bytes?: number;
  readonly input_key?: string | null;
  readonly input_slot?: number | null;
}

/** Jobs with their events, inputs and results, as rows. */
export class JobTable {
  readonly #db: Connection;
  readonly #ledger: Ledger;

  constructor(db: Connection, ledger: Ledger) {
    this.#db = db;
    this.#ledger = ledger;
  }

  find(reference: JobReference): Known | undefined {
    const [condition, values] =
      "jobId" in reference
        ? ["job_id = ?", [reference.jobId]]
        : ["owner = ? AND request_id = ?", [reference.owner, reference.requestId]];
    return this.#known(this.#db.one(`SELECT * FROM jobs WHERE ${condition}`, values));
  }

  byNumber(number: number): Known | undefined {
    return this.#known(this.#db.one("SELECT * FROM jobs WHERE number = ?", [number]));
  }

  /** @throws ProverError JOB_UNKNOWN */
  require(reference: JobReference): Known {
    const known = this.find(reference);
    if (known === undefined) throw unknownJob();
    return known;
  }

  /** All that wait, first job first. For the start: it takes longer the more there are. */
  waiting(): Known[] {
    const rows = this.#db.all("SELECT * FROM jobs WHERE state = 'QUEUED' ORDER BY place", []);
    return rows.flatMap((row) => this.#known(row) ?? []);
  }

  /** The job, if the lease is still good. */
  leased({ jobId, token }: Lease): Known | undefined {
    return this.#known(
      this.#db.one(
        "SELECT * FROM jobs WHERE job_id = ? AND lease_token = ? AND state = 'RUNNING'",
        [jobId, token],
      ),
    );
  }

  /** A new job, before its first event. */
  insert(job: Job, inputBytes: number, inputSlot: number, { keyId, ...input }: StoredInput): Known {
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
      input_key: keyId ?? null,
      input_slot: inputSlot,
      ...changingOf(job),
    };
    const names = Object.keys(values);
    const { lastNumber: number } = this.#db.run(
      `INSERT INTO jobs (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`,
      Object.values(values),
    );
    this.keepInput(number, input);
    return { number, job, isDead: false, inputBytes, inputKey: keyId, inputSlot };
  }

  /** The next version of the job, and an event of it. */
  change({ number, job }: Known, changes: Partial<Job>, hidden: Hidden = {}): Job {
    const next: Job = { ...job, ...changes, sequence: job.sequence + 1 };
    const columns = changingOf(next);
    const values = CHANGING.map((name) => columns[name]);
    this.#update(
      number,
      [...CHANGING, ...Object.keys(hidden)],
      [...values, ...Object.values(hidden)],
    );
    this.#db.run(
      `INSERT INTO events (number, time_ms, ${CHANGING.join(", ")}) VALUES (?, ?, ${CHANGING.map(() => "?").join(", ")})`,
      [number, this.#ledger.clock.nowMs, ...values],
    );
    this.#db.run("DELETE FROM events WHERE number = ? AND sequence <= ?", [
      number,
      next.sequence - EVENTS_KEPT,
    ]);
    this.#ledger.tell({ kind: "changed", jobId: job.jobId, event: this.#news(next) });
    return next;
  }

  /** Columns that no caller sees, without an event. */
  hide(number: number, hidden: Hidden): void {
    this.#update(number, Object.keys(hidden), Object.values(hidden));
  }

  /** As it was stored. @throws ProverError INPUT_DAMAGED if it is not there */
  input({ number, inputKey }: Known): StoredInput {
    const row = this.#db.one("SELECT * FROM inputs WHERE number = ?", [number]);
    if (row === undefined) throw damaged();
    return inputOf(row, inputKey);
  }

  /** @param input  sealed */
  keepInput(number: number, { format, bytes, commit }: JobInput): void {
    this.#db.run(
      "INSERT INTO inputs (number, format, bytes, new_root, tx_data) VALUES (?, ?, ?, ?, ?)",
      [number, format, bytes, commit?.newRoot.toString() ?? null, commit?.txData ?? null],
    );
  }

  deleteInput(number: number): void {
    this.#db.run("DELETE FROM inputs WHERE number = ?", [number]);
  }

  keepResult(number: number, result: Uint8Array): void {
    this.#db.run("INSERT OR REPLACE INTO results (number, bytes) VALUES (?, ?)", [number, result]);
  }

  /** Deletes an ended job with all that belongs to it. @returns whether there was one. */
  delete(number: number): boolean {
    const sql = "DELETE FROM jobs WHERE number = ? AND ended_ms IS NOT NULL";
    return this.#db.run(sql, [number]).changes > 0;
  }

  snapshot(job: Job): JobEvent {
    return { sequence: job.sequence, timeMs: this.#ledger.clock.nowMs, isSnapshot: true, job };
  }

  /** The events after `sequence`, or a snapshot if they are not all kept. */
  eventsAfter({ number, job }: Known, sequence: number): JobEvent[] {
    const rows = this.#db.all(
      "SELECT * FROM events WHERE number = ? AND sequence > ? ORDER BY sequence",
      [number, sequence],
    );
    const first = rows[0]?.sequence as number | undefined;
    if (first !== undefined && first > sequence + 1) return [this.snapshot(job)];
    return rows.map((row) => eventOf(row, job));
  }

  /** Nobody watches a job at its first event, and submissions are many. */
  #news(job: Job): JobEvent | undefined {
    const { sequence } = job;
    if (sequence === 1) return undefined;
    return { sequence, timeMs: this.#ledger.clock.nowMs, isSnapshot: false, job };
  }

  #update(number: number, names: readonly string[], values: readonly SQLInputValue[]): void {
    const sql = `UPDATE jobs SET ${names.map((name) => `${name} = ?`).join(", ")} WHERE number = ?`;
    this.#db.run(sql, [...values, number]);
  }

  #known(row: SqlRow | undefined): Known | undefined {
    if (row === undefined) return undefined;
    const number = row.number as number;
    return {
      number,
      job: jobOf(row, row.state === "SUCCEEDED" ? this.#result(number) : undefined),
      isDead: row.is_dead === 1,
      inputBytes: row.input_bytes as number,
      inputKey: (row.input_key as string | null) ?? undefined,
      inputSlot: (row.input_slot as number | null) ?? undefined,
    };
  }

  #result(number: number): Uint8Array | undefined {
    return this.#db.one("SELECT bytes FROM results WHERE number = ?", [number])?.bytes as
      | Uint8Array
      | undefined;
  }
}

/** A job as it stands in the line. */
export function waitingJob({ job, inputBytes }: Known): WaitingJob {
  const { jobId, owner, priority, circuitId, zkeySha256, createdMs } = job;
  return { jobId, owner, priority, circuitId, zkeySha256, createdMs, inputBytes };
}
