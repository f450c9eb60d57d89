import { open } from "node:fs/promises";
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import { copyDatabase } from "./copy.ts";
import type { SqlRow } from "./rows.ts";
import { prepareDatabase } from "./schema.ts";

/** What is written without waiting for the disk is lost with the machine's power, not with the process. */
export type Durability = "on disk" | "soon on disk";

/** The one connection to the file. Statements are prepared once. */
export class Connection {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** @throws Error if this Node has no SQLite, or the file is in use, another program's, newer or damaged. */
  static async open(path: string): Promise<Connection> {
    const { DatabaseSync: Database } = await import("node:sqlite");
    // SQLite would make it readable for all; its log gets the rights of the file.
    await makePrivate(path);
    const db = new Database(path);
    try {
      prepareDatabase(db);
    } catch (error) {
      db.close();
      throw error;
    }
    return new Connection(db);
  }

  /** Every statement so far, for a look at its plan. */
  get statements(): readonly string[] {
    return [...this.#statements.keys()];
  }

  /** @returns how many rows it changed, and the number of the last one inserted. */
  run(sql: string, values: readonly SQLInputValue[]): { changes: number; lastNumber: number } {
    const { changes, lastInsertRowid } = this.#statement(sql).run(...values);
    return { changes: Number(changes), lastNumber: Number(lastInsertRowid) };
  }

  one(sql: string, values: readonly SQLInputValue[]): SqlRow | undefined {
    return this.#statement(sql).get(...values) as SqlRow | undefined;
  }

  all(sql: string, values: readonly SQLInputValue[]): SqlRow[] {
    return this.#statement(sql).all(...values) as SqlRow[];
  }

  /** @param sql  with a first column `number`. */
  numbers(sql: string, values: readonly SQLInputValue[]): number[] {
    return this.all(sql, values).map(({ number }) => number as number);
  }

  /** Does the work in a transaction: all of it or nothing. @throws what `work` or SQLite throws */
  transaction(durability: Durability, work: () => void): void {
    this.#db.exec(`PRAGMA synchronous = ${durability === "on disk" ? "FULL" : "NORMAL"}`);
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      work();
      this.#db.exec("COMMIT");
    } catch (error) {
      this.#rollback();
      throw error;
    }
  }

  /**
   * Writes the log into the file, so that the next commit begins it anew. What was in it stays there until
   * it is written over, and a commit into blocks that the log has takes less than one into new ones.
   *
   * @returns false if it could not.
   * @throws Error of SQLite, for example if the disk is full.
   */
  rewindLog(): boolean {
    const done = this.one("PRAGMA wal_checkpoint(PASSIVE)", []);
    return done?.busy === 0 && done.log === done.checkpointed;
  }

  /** Writes the log into the file and leaves no byte in it. As `rewindLog`. */
  emptyLog(): boolean {
    return this.one("PRAGMA wal_checkpoint(TRUNCATE)", [])?.busy === 0;
  }

  /** Copies the file as it stands at the end, while it is used. @throws Error, see `copyDatabase` */
  copy(path: string): Promise<void> {
    return copyDatabase(this.#db, path);
  }

  close(): void {
    this.#statements.clear();
    this.#db.close();
  }

  #rollback(): void {
    try {
      this.#db.exec("ROLLBACK");
    } catch {
      // SQLite has done so by itself: it does when a disk is full or broken.
    }
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql) ?? this.#db.prepare(sql);
    this.#statements.set(sql, known);
    return known;
  }
}

/**
 * Makes an empty file for its owner's eyes only, unless there is one. That one is not touched: opening
 * and closing it would take away the lock of another connection in this process.
 */
async function makePrivate(path: string): Promise<void> {
  try {
    await (await open(path, "wx", 0o600)).close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}
