import type { StoreLimits } from "../transition.ts";
import type { Database, Statement } from "./database.ts";
import type { JobRow } from "./rows.ts";
import * as sql from "./statements.ts";

/** Changes of the sums that wait to be added up, before that is done out of turn. */
const FOLD_AT = 100;

/** What there is to do, of which a look is cheap: every process looks a few times a second. */
export interface Due {
  readonly mustExpire: boolean;
  readonly hasSilent: boolean;
  readonly mustForget: boolean;
}

interface DueRow {
  readonly must_expire: boolean;
  readonly has_silent: boolean;
  readonly must_forget: boolean;
  readonly change_count: number;
}

/** What the tables need from time to time, whoever does it. */
export class Housekeeper {
  readonly #database: Database;
  readonly #limits: StoreLimits;
  readonly #now: (() => number) | undefined;

  constructor(database: Database, limits: StoreLimits, now: (() => number) | undefined) {
    this.#database = database;
    this.#limits = limits;
    this.#now = now;
  }

  async due(): Promise<Due> {
    const { keepDeadMs, keepFinishedMs, keepFinishedMax, queueMaxBytes } = this.#limits;
    const [row] = await this.#timed<DueRow>(sql.IS_DUE, [
      keepDeadMs,
      keepFinishedMs,
      keepFinishedMax,
      queueMaxBytes,
    ]);
    return {
      mustExpire: row?.must_expire ?? false,
      hasSilent: row?.has_silent ?? false,
      mustForget: (row?.must_forget ?? false) || (row?.change_count ?? 0) >= FOLD_AT,
    };
  }

  /** Ends waiting jobs whose time is over, all or those before another one; returns them. */
  expire(before?: JobRow): Promise<JobRow[]> {
    return this.#timed<JobRow>(sql.EXPIRE, [before?.priority ?? null, before?.place ?? null]);
  }

  /** Running jobs whose worker is silent. */
  silent(): Promise<JobRow[]> {
    return this.#timed<JobRow>(sql.SILENT, [this.#limits.leaseMs]);
  }

  /** Of these running jobs, those whose time is over. */
  async overdue(numbers: readonly number[]): Promise<number[]> {
    if (numbers.length === 0) return [];
    const rows = await this.#timed<{ number: number }>(sql.OVERDUE, [numbers]);
    return rows.map(({ number }) => number);
  }

  /**
   * Adds up the sums, deletes inputs of dead letters and forgets jobs, unless another process is at it.
   * Returns what was forgotten.
   */
  async tidy(): Promise<number[]> {
    const { keepDeadMs, keepFinishedMs, keepFinishedMax, queueMaxBytes } = this.#limits;
    const nowMs = this.#now?.() ?? null;
    const forgotten = await this.#database.transaction(async (client) => {
      const run = async <R>({ name, text }: Statement, values: unknown[]) =>
        (await client.query({ name, text, values })).rows as R[];
      const [lock] = await run<{ is_mine: boolean }>(sql.TRY_HOUSEKEEPING, []);
      if (!lock?.is_mine) return [];
      await run(sql.FOLD, []);
      await run(sql.FOLD_EMPTY, []);
      await run(sql.BURY, [nowMs, keepDeadMs, queueMaxBytes]);
      return run<{ number: number }>(sql.FORGET, [nowMs, keepFinishedMs, keepFinishedMax]);
    });
    return forgotten.map(({ number }) => number);
  }

  #timed<R extends object>(statement: Statement, values: readonly unknown[]): Promise<R[]> {
    return this.#database.query<R>(statement, [this.#now?.() ?? null, ...values]);
  }
}
