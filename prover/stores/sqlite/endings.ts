import type { Job } from "../../job.ts";
import type { PurgeFilter } from "../../job-store.ts";
import { isDeadLetter, type StoreLimits } from "../transition.ts";
import type { Connection } from "./connection.ts";
import type { JobTable, Known } from "./job-table.ts";
import type { KeySlots } from "./key-slots.ts";
import type { Ledger } from "./ledger.ts";
import type { PurgeCursor } from "./messages.ts";

/** Jobs that one call forgets or looks at, at most: others wait for it. */
const AT_ONCE = 500;

/** How jobs end, what is kept of them and for how long. */
export class Endings {
  readonly #limits: StoreLimits;
  readonly #db: Connection;
  readonly #table: JobTable;
  readonly #slots: KeySlots;
  readonly #ledger: Ledger;
  /** Whether a key was deleted that may still be in the log beside the file. */
  mustScrub = true;

  constructor(
    limits: StoreLimits,
    parts: {
      readonly db: Connection;
      readonly table: JobTable;
      readonly slots: KeySlots;
      readonly ledger: Ledger;
    },
  ) {
    this.#limits = limits;
    this.#db = parts.db;
    this.#table = parts.table;
    this.#slots = parts.slots;
    this.#ledger = parts.ledger;
  }

  /** Ends a job that is in the line no more. Its input is deleted, except a dead letter's. */
  end(known: Known, changes: Partial<Job>): Job {
    const { number } = known;
    const isDead = isDeadLetter(changes);
    const lease = { lease_token: null, lease_deadline_ms: null };
    if (changes.result !== undefined) this.#table.keepResult(number, changes.result);
    if (!isDead) this.#deleteInput(known);
    const job = this.#table.change(
      known,
      {
        ...changes,
        stage: undefined,
        progressPercent: 0,
        cancelRequested: false,
        endedMs: this.#ledger.clock.nowMs,
      },
      isDead ? { ...lease, is_dead: 1 } : { ...lease, ...NO_INPUT },
    );
    this.#ledger.totals.endedCount++;
    if (isDead) {
      this.#ledger.totals.deadBytes += known.inputBytes;
      this.#limitDead();
    }
    this.#ledger.tell({ kind: "ended", job });
    return job;
  }

  /** Takes a dead letter out, with its input. */
  revive({ inputBytes }: Known): void {
    this.#ledger.totals.endedCount--;
    this.#ledger.totals.deadBytes -= inputBytes;
  }

  /** Deletes inputs of dead letters that are too old, and jobs that are too old or too many. */
  sweep(): void {
    const { keepDeadMs, keepFinishedMs, keepFinishedMax } = this.#limits;
    const { clock, totals } = this.#ledger;
    for (const number of this.#db.numbers(
      `SELECT number FROM jobs WHERE is_dead = 1 AND ended_ms <= ? ORDER BY ended_ms, number LIMIT ${AT_ONCE}`,
      [clock.nowMs - keepDeadMs],
    )) {
      this.#bury(number);
    }
    const old = this.#db.numbers(
      `SELECT number FROM jobs WHERE ended_ms IS NOT NULL AND ended_ms <= ? ORDER BY ended_ms, number LIMIT ${AT_ONCE}`,
      [clock.nowMs - keepFinishedMs],
    );
    for (const number of old) this.#forget(number);
    const tooMany = Math.min(totals.endedCount - keepFinishedMax, AT_ONCE - old.length);
    if (tooMany <= 0) return;
    for (const number of this.#db.numbers(
      "SELECT number FROM jobs WHERE ended_ms IS NOT NULL ORDER BY ended_ms, number LIMIT ?",
      [tooMany],
    )) {
      this.#forget(number);
    }
  }

  /** Forgets those of the next ended jobs that the filter names. */
  purge({ states, endedBeforeMs }: PurgeFilter, after: PurgeCursor | undefined) {
    const { endedMs, number } = after ?? { endedMs: Number.MIN_SAFE_INTEGER, number: 0 };
    const rows = this.#db.all(
      `SELECT number, state, ended_ms FROM jobs WHERE ended_ms IS NOT NULL AND (ended_ms, number) > (?, ?) AND ended_ms < ? ORDER BY ended_ms, number LIMIT ${AT_ONCE}`,
      [endedMs, number, endedBeforeMs ?? Number.MAX_SAFE_INTEGER],
    );
    const wanted = rows.filter(
      ({ state }) => states.length === 0 || states.some((each) => each === state),
    );
    for (const row of wanted) this.#forget(row.number as number);
    const last = rows[AT_ONCE - 1];
    const next = last && { endedMs: last.ended_ms as number, number: last.number as number };
    return { count: wanted.length, next };
  }

  /** The oldest dead letters lose their inputs when all are too large together. */
  #limitDead(): void {
    const sql = "SELECT number FROM jobs WHERE is_dead = 1 ORDER BY ended_ms, number LIMIT 1";
    while (this.#ledger.totals.deadBytes > this.#limits.queueMaxBytes) {
      const [oldest] = this.#db.numbers(sql, []);
      if (oldest === undefined) return;
      this.#bury(oldest);
    }
  }

  #bury(number: number): void {
    const known = this.#table.byNumber(number);
    if (!known?.isDead) return;
    this.#ledger.totals.deadBytes -= known.inputBytes;
    this.#deleteInput(known);
    this.#table.hide(number, { ...NO_INPUT, is_dead: 0 });
  }

  #forget(number: number): void {
    const known = this.#table.byNumber(number);
    if (known === undefined) return;
    this.#bury(number);
    if (!this.#table.delete(number)) return;
    this.#ledger.totals.endedCount--;
    this.#ledger.tell({ kind: "changed", jobId: known.job.jobId, event: undefined });
  }

  #deleteInput({ number, inputSlot }: Known): void {
    // Else it was damaged.
    if (inputSlot !== undefined) this.#slots.wipe(inputSlot);
    this.#table.deleteInput(number);
    this.mustScrub = true;
  }
}

const NO_INPUT = { input_bytes: 0, input_key: null, input_slot: null } as const;
