// One process at a time works with a folder of states: two would sign two states with one nonce.

import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { OperatorError } from "../errors.ts";

/**
 * SQLite's lock on a file, since Node has none of its own: the kernel gives it back when the process ends, however it
 * ends, so that there is no stale lock to be broken by guessing. On network file systems it is as good as theirs.
 */
export class FolderLock {
  readonly #db: DatabaseSync;

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** @throws OperatorError CHANNEL_STORE_LOCKED */
  static async take(folder: string): Promise<FolderLock> {
    const { DatabaseSync: Database } = await import("node:sqlite");
    const db = new Database(join(folder, "lock.sqlite"));
    try {
      db.exec("PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE");
    } catch (cause) {
      db.close();
      throw new OperatorError(
        "CHANNEL_STORE_LOCKED",
        `${folder}: another process works with these states. Stop it first.`,
        { path: folder },
        { cause },
      );
    }
    return new FolderLock(db);
  }

  /** Safe to repeat. */
  release(): void {
    if (this.#db.isOpen) this.#db.close();
  }
}
