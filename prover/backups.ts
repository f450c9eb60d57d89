import { readdir, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { ProverError } from "./errors.ts";
import { makeFolder } from "./folder.ts";
import type { JobStore } from "./job-store.ts";

export interface BackupOptions {
  /** The operator's choice, never a caller's: a caller could overwrite files. Empty: no backups. */
  readonly backupDir: string;
  /** The newest are kept. They hold inputs of jobs, so old ones are a burden. */
  readonly backupKeep: number;
}

export interface BackupFile {
  readonly path: string;
  readonly sizeBytes: number;
}

/** "jobs-20261122T194512.345Z.sqlite": sorts by time. */
const NAME = /^jobs-\d{8}T\d{6}\.\d{3}Z\.sqlite$/;
/** What a process left behind that ended while it wrote one. It holds inputs, too. */
const UNFINISHED = /^jobs-\d{8}T\d{6}\.\d{3}Z\.sqlite\.part(-journal|-wal|-shm)?$/;

/** Copies of the job store in a folder. */
export class Backups {
  readonly #options: BackupOptions;
  readonly #store: JobStore;
  /** Resolves when no copy is being written. */
  #idle: Promise<unknown> = Promise.resolve();
  /** The copy that begins then. */
  #next: Promise<BackupFile> | undefined;

  constructor(options: BackupOptions, { store }: { readonly store: JobStore }) {
    this.#options = options;
    this.#store = store;
  }

  /**
   * Writes a copy that holds every job accepted before the call, and removes the oldest copies beyond
   * those that are kept. Calls that come while one is written share the next.
   *
   * @throws ProverError BACKUP_REFUSED without a folder, or if the store is no file; STORE_UNAVAILABLE
   *   if the copy cannot be written.
   */
  write(): Promise<BackupFile> {
    this.#next ??= this.#idle.then(() => {
      this.#next = undefined;
      const written = this.#write();
      this.#idle = written.catch(() => {});
      return written;
    });
    return this.#next;
  }

  async #write(): Promise<BackupFile> {
    const { backupDir } = this.#options;
    if (this.#store.writeCopy === undefined) {
      throw new ProverError(
        "BACKUP_REFUSED",
        "the job store is no file of this server. Jobs in PostgreSQL are copied by pg_dump, jobs in memory not at all",
      );
    }
    if (backupDir === "") {
      throw new ProverError("BACKUP_REFUSED", "PROVER_BACKUP_DIR is empty. Name a folder there");
    }
    const path = join(backupDir, `jobs-${new Date().toISOString().replace(/[-:]/g, "")}.sqlite`);
    try {
      await makeFolder(backupDir, 0o700);
      await this.#store.writeCopy(path);
      const { size } = await stat(path);
      await this.#removeOld(basename(path));
      return { path, sizeBytes: size };
    } catch (cause) {
      throw new ProverError(
        "STORE_UNAVAILABLE",
        `the copy cannot be written into ${backupDir}. Is it there, is it this user's, has its disk room?`,
        { cause },
      );
    }
  }

  /** @param newest  stays, also if the clock was set back and others have later names. */
  async #removeOld(newest: string): Promise<void> {
    const { backupDir, backupKeep } = this.#options;
    const names = await readdir(backupDir);
    const older = names.filter((name) => NAME.test(name) && name !== newest).sort();
    const old = older.slice(0, Math.max(0, older.length + 1 - backupKeep));
    const unfinished = names.filter((name) => UNFINISHED.test(name));
    for (const name of [...old, ...unfinished]) await rm(join(backupDir, name), { force: true });
  }
}
