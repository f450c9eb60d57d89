/** A copy of a SQLite database that is in use. */
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Pages of 8 KiB that one step copies while calls wait: about a millisecond's work, and a backup of
 * hundreds of megabytes in a few seconds.
 */
const PAGES_AT_ONCE = 128;
/** SQLITE_BUSY, and as what Node 26 reports it here: "not an error". */
const BUSY_CODES: readonly unknown[] = [5, 0];
/** A transaction takes milliseconds, and at most every other moment has one: more is another fault. */
const ATTEMPTS_MAX = 100;
const PAUSE_MS = 3;

/**
 * Copies a database as it stands when the copy is finished: all transactions until then, none in part.
 * The file appears under its name when it is complete and on disk, for its owner's eyes only.
 *
 * @param db    stays usable meanwhile. No other connection could do it: it holds the file's lock.
 * @param path  of a file that is not there yet.
 * @throws Error of SQLite or of the file system, such as no room on the disk; then nothing is left.
 */
export async function copyDatabase(db: DatabaseSync, path: string): Promise<void> {
  const { backup } = await import("node:sqlite");
  const unfinished = `${path}.part`;
  // SQLite would make it readable for all, and write into whatever is there, or where a link leads.
  await (await open(unfinished, "wx", 0o600)).close();
  try {
    // Node 22.13 has no `backup`; there calls wait for the whole copy.
    if (backup === undefined) db.prepare("VACUUM INTO ?").run(unfinished);
    else await patiently(() => backup(db, unfinished, { rate: PAGES_AT_ONCE }));
    await syncToDisk(unfinished);
    await rename(unfinished, path);
    await syncToDisk(dirname(path));
  } catch (error) {
    for (const suffix of ["", "-journal", "-wal", "-shm"]) {
      await rm(unfinished + suffix, { force: true });
    }
    throw error;
  }
}

/**
 * Repeats a copy whose first step met a transaction of this connection, which Node reports as a failure.
 * Later steps wait by themselves.
 */
async function patiently(copy: () => Promise<unknown>): Promise<void> {
  for (let left = ATTEMPTS_MAX; ; left--) {
    try {
      await copy();
      return;
    } catch (error) {
      const { errcode } = error as { errcode?: number };
      if (left === 0 || !BUSY_CODES.includes(errcode)) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

async function syncToDisk(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
