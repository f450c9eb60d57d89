import { randomUUID } from "node:crypto";
import { ProverError } from "../../errors.ts";
import {
  firstStage,
  type Job,
  type JobFailure,
  type JobInput,
  type JobStage,
  PRIORITIES,
} from "../../job.ts";
import {
  type CircuitKey,
  type JobReference,
  type Lease,
  type NewJob,
  type PurgeFilter,
  type RevokeReason,
  type Settlement,
  sameContent,
} from "../../job-store.ts";
import {
  createInputKey,
  damaged,
  type InputSealer,
  openInput,
  type StoredInput,
  sealInput,
} from "../input-sealer.ts";
import {
  checkRoom,
  newJob,
  notRetryable,
  outcomeOf,
  type StoreLimits,
  silentWorker,
} from "../transition.ts";
import type { Connection } from "./connection.ts";
import type { Endings } from "./endings.ts";
import { type JobTable, type Known, waitingJob } from "./job-table.ts";
import type { KeySlots } from "./key-slots.ts";
import type { Ledger } from "./ledger.ts";
import type { Claimed, PurgeCursor, Writes } from "./messages.ts";
import { inputOf, type SqlRow } from "./rows.ts";

/** Jobs that a sweep expires or takes from silent workers at most: others wait for it. */
const AT_ONCE = 500;

interface Parts {
  readonly db: Connection;
  readonly ledger: Ledger;
  readonly table: JobTable;
  readonly slots: KeySlots;
  readonly endings: Endings;
  readonly sealer: InputSealer;
}

/** What a job goes through, in the transaction that is open: the line, claims, ends. */
export class Jobs implements Writes {
  readonly #limits: StoreLimits;
  readonly #db: Connection;
  readonly #ledger: Ledger;
  readonly #table: JobTable;
  readonly #slots: KeySlots;
  readonly #endings: Endings;
  readonly #sealer: InputSealer;

  constructor(limits: StoreLimits, { db, ledger, table, slots, endings, sealer }: Parts) {
    this.#limits = limits;
    this.#db = db;
    this.#ledger = ledger;
    this.#table = table;
    this.#slots = slots;
    this.#endings = endings;
    this.#sealer = sealer;
  }

  submit(wanted: NewJob): { job: Job; created: boolean } {
    const { owner, requestId, contentSha256, input } = wanted;
    const known = this.#table.find({ owner, requestId });
    if (known !== undefined) return { job: sameContent(known.job, contentSha256), created: false };
    checkRoom(input.bytes.length, this.#ledger.totals, this.#limits);
    const job = newJob(wanted, this.#ledger.clock.nowMs);
    return { job: this.#enqueue(this.#insert(job, input), "back", {}), created: true };
  }

  cancel(reference: JobReference): Job {
    const known = this.#table.require(reference);
    if (known.job.state === "QUEUED") return this.#endWaiting(known, { state: "CANCELLED" });
    if (known.job.state !== "RUNNING" || known.job.cancelRequested) return known.job;
    const asked = this.#table.change(known, { cancelRequested: true });
    this.#revoke(known, "cancelled");
    return asked;
  }

  claim(circuits: readonly CircuitKey[]): Claimed | undefined {
    for (let known = this.#first(circuits); known !== undefined; known = this.#first(circuits)) {
      const { expireMs } = known.job;
      if (expireMs !== undefined && expireMs <= this.#ledger.clock.nowMs) {
        this.#endWaiting(known, { state: "EXPIRED" });
        continue;
      }
      try {
        return this.#start(known);
      } catch (error) {
        // Damaged at rest. Nothing was written for it yet, and others wait behind it.
        if (!(error instanceof ProverError)) throw error;
        this.#endWaiting(known, { state: "FAILED", failure: failureOf(error) });
      }
    }
    return undefined;
  }

  heartbeat(lease: Lease, stage: JobStage, progressPercent: number): boolean {
    const known = this.#table.leased(lease);
    if (known === undefined) return false;
    const { job } = known;
    const kept = { lease_deadline_ms: this.#leaseEndMs() };
    if (job.stage === stage && job.progressPercent === progressPercent) {
      this.#table.hide(known.number, kept);
    } else this.#table.change(known, { stage, progressPercent }, kept);
    return true;
  }

  settle(lease: Lease, settlement: Settlement): Job | undefined {
    const known = this.#table.leased(lease);
    return known && this.#settle(known, settlement);
  }

  retry(reference: JobReference): Job {
    const known = this.#table.require(reference);
    if (!known.isDead) throw notRetryable(known.job);
    checkRoom(known.inputBytes, this.#ledger.totals, this.#limits);
    this.#endings.revive(known);
    return this.#enqueue(known, "back", { attempts: 0, endedMs: undefined, failure: undefined });
  }

  purge(filter: PurgeFilter, after: PurgeCursor | undefined) {
    return this.#endings.purge(filter, after);
  }

  /** @param isTrusted  whether silence is the workers': not if the store could not hear them. */
  sweep(isTrusted = true): void {
    const { nowMs, steadyMs } = this.#ledger.clock;
    for (const known of this.#due(
      `SELECT number FROM jobs INDEXED BY jobs_expiring WHERE expire_ms <= ? AND expire_ms IS NOT NULL AND state IN ('QUEUED', 'RUNNING') ORDER BY expire_ms LIMIT ${AT_ONCE}`,
      [nowMs],
    )) {
      if (known.job.state === "QUEUED") this.#endWaiting(known, { state: "EXPIRED" });
      else this.#revoke(known, "expired");
    }
    const silent = `SELECT number FROM jobs INDEXED BY jobs_running WHERE state = 'RUNNING' AND lease_deadline_ms <= ? ORDER BY lease_deadline_ms LIMIT ${AT_ONCE}`;
    for (const known of isTrusted ? this.#due(silent, [steadyMs]) : []) {
      this.#revoke(known, "lost");
      this.#settle(known, { kind: "failed", failure: silentWorker(this.#limits.leaseMs) });
    }
    this.#endings.sweep();
  }

  /** Gives back what ran in a process that is gone: an attempt is used. */
  recover(): void {
    const failure: JobFailure = {
      reason: "WORKER_LOST",
      message: "the service ended while it worked on this",
      retryable: true,
    };
    for (const known of this.#due("SELECT number FROM jobs WHERE state = 'RUNNING'", [])) {
      this.#settle(known, { kind: "failed", failure });
    }
  }

  /**
   * Seals inputs of an older release anew, each with a key of its own. SQLite left copies of small ones where
   * it moved them within pages and between them, so their table goes with all its pages overwritten.
   */
  adopt(): void {
    const isThere = "SELECT 1 FROM sqlite_schema WHERE name = 'inputs_before'";
    if (this.#db.one(isThere, []) === undefined) return;
    for (const number of this.#db.numbers("SELECT number FROM inputs_before", [])) {
      const known = this.#table.byNumber(number);
      const row = this.#db.one("SELECT * FROM inputs_before WHERE number = ?", [number]);
      if (known === undefined || row === undefined) continue;
      const input = this.#openedBefore(known, row);
      if (input === undefined) continue;
      const { slot, keyId, ...sealed } = this.#seal(known.job.jobId, input);
      this.#table.keepInput(number, sealed);
      this.#table.hide(number, { input_key: keyId ?? null, input_slot: slot });
    }
    this.#db.one("PRAGMA secure_delete = ON", []);
    this.#db.run("DROP TABLE inputs_before", []);
    this.#db.one("PRAGMA secure_delete = FAST", []);
  }

  /** Undefined: it is damaged; its job fails when it is claimed. */
  #openedBefore({ job, inputKey }: Known, row: SqlRow): JobInput | undefined {
    try {
      return this.#sealer.open(job.jobId, inputOf(row, inputKey));
    } catch (error) {
      if (error instanceof ProverError && error.code === "INPUT_DAMAGED") return undefined;
      throw error;
    }
  }

  /** The first waiting job of one of these circuits. */
  #first(circuits: readonly CircuitKey[]): Known | undefined {
    const sql =
      "SELECT number, place FROM jobs INDEXED BY jobs_waiting WHERE state = 'QUEUED' AND priority = ? AND circuit_id = ? AND zkey_sha256 = ? ORDER BY place LIMIT 1";
    for (const priority of PRIORITIES) {
      const heads = circuits.flatMap<SqlRow>(
        ({ circuitId, zkeySha256 }) => this.#db.one(sql, [priority, circuitId, zkeySha256]) ?? [],
      );
      const [first] = heads.sort((a, b) => (a.place as number) - (b.place as number));
      if (first !== undefined) return this.#table.byNumber(first.number as number);
    }
    return undefined;
  }

  /** @throws ProverError if the input cannot be opened; then nothing is written. */
  #start(known: Known): Claimed {
    const { jobId, circuitId, zkeySha256, inputKind, attempts } = known.job;
    const input = this.#input(known);
    if (input.bytes.length !== known.inputBytes) throw damaged();
    const lease = { jobId, token: randomUUID() };
    this.#leaveLine(known);
    const startedMs = this.#ledger.clock.nowMs;
    const job = this.#table.change(
      known,
      {
        state: "RUNNING",
        attempts: attempts + 1,
        startedMs,
        stage: firstStage(inputKind),
        progressPercent: 0,
      },
      { lease_token: lease.token, lease_deadline_ms: this.#leaseEndMs() },
    );
    this.#ledger.tell({ kind: "claimed", lease, circuit: { circuitId, zkeySha256 } });
    return { lease, job, input };
  }

  #insert(job: Job, input: JobInput): Known {
    const { slot, ...sealed } = this.#seal(job.jobId, input);
    return this.#table.insert(job, input.bytes.length, slot, sealed);
  }

  #seal(jobId: string, input: JobInput): StoredInput & { readonly slot: number } {
    const key = createInputKey();
    const sealed = sealInput(key, jobId, input);
    const { keyId, bytes } = this.#sealer.wrap(jobId, key);
    key.fill(0);
    return { ...sealed, keyId, slot: this.#slots.fill(bytes) };
  }

  /** @throws ProverError INPUT_DAMAGED; STORE_KEY_REFUSED */
  #input(known: Known): JobInput {
    const { jobId } = known.job;
    const { keyId, ...stored } = this.#table.input(known);
    const bytes = known.inputSlot === undefined ? undefined : this.#slots.read(known.inputSlot);
    if (bytes === undefined) throw damaged();
    return openInput(this.#sealer.unwrap(jobId, { keyId, bytes }), jobId, stored);
  }

  #leaseEndMs(): number {
    return this.#ledger.clock.steadyMs + this.#limits.leaseMs;
  }

  #settle(known: Known, settlement: Settlement): Job {
    this.#ledger.tell({ kind: "released", jobId: known.job.jobId });
    const { attemptsMax } = this.#limits;
    const outcome = outcomeOf(known.job, settlement, attemptsMax, this.#ledger.clock.nowMs);
    return outcome.kind === "ended"
      ? this.#endings.end(known, outcome.changes)
      : this.#enqueue(known, "front", outcome.changes);
  }

  #enqueue(known: Known, end: "front" | "back", changes: Partial<Job>): Job {
    const { totals } = this.#ledger;
    const place = end === "back" ? ++totals.backPlace : --totals.frontPlace;
    totals.queuedCount++;
    totals.queuedBytes += known.inputBytes;
    this.#ledger.tell({ kind: "joined", job: waitingJob(known), end });
    return this.#table.change(
      known,
      { ...changes, state: "QUEUED", stage: undefined, progressPercent: 0 },
      { place, lease_token: null, lease_deadline_ms: null, is_dead: 0 },
    );
  }

  #leaveLine({ job: { jobId }, inputBytes }: Known): void {
    this.#ledger.totals.queuedCount--;
    this.#ledger.totals.queuedBytes -= inputBytes;
    this.#ledger.tell({ kind: "left", jobId });
  }

  #endWaiting(known: Known, changes: Partial<Job>): Job {
    this.#leaveLine(known);
    return this.#endings.end(known, changes);
  }

  #revoke({ job: { jobId } }: Known, reason: RevokeReason): void {
    this.#ledger.tell({ kind: "revoked", jobId, reason });
  }

  #due(sql: string, values: readonly number[]): Known[] {
    return this.#db.numbers(sql, values).flatMap((number) => this.#table.byNumber(number) ?? []);
  }
}

function failureOf({ code, message }: ProverError): JobFailure {
  return { reason: code, message, retryable: false };
}
