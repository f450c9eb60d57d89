/** Tables of a job store in SQLite, and how an older file becomes one of today. */
import type { DatabaseSync } from "node:sqlite";

/** "PMjs": told apart from other programs' files. */
const APPLICATION_ID = 0x504d6a73;

/**
 * Step i brings a file from version i to i + 1. Steps that were released stay as they are.
 *
 * A job's number is its place in the order of acceptance. Inputs and results have tables of their own:
 * whoever looks for the next job or lists them must not read over megabytes.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    request_id TEXT NOT NULL,
    circuit_id TEXT NOT NULL,
    zkey_sha256 TEXT NOT NULL,
    input_kind TEXT NOT NULL,
    content_sha256 TEXT NOT NULL,
    priority TEXT NOT NULL,
    -- In the line of its priority: less is sooner.
    place INTEGER NOT NULL,
    -- JSON.
    labels TEXT NOT NULL,
    development_keys INTEGER NOT NULL,
    expire_ms INTEGER,
    created_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    stage TEXT,
    progress_percent INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    cancel_requested INTEGER NOT NULL,
    started_ms INTEGER,
    ended_ms INTEGER,
    -- JSON.
    failure TEXT,
    sequence INTEGER NOT NULL,
    -- Of the claim under way.
    lease_token TEXT,
    lease_deadline_ms INTEGER,
    -- 1: has ended, and its input is kept for a retry.
    is_dead INTEGER NOT NULL DEFAULT 0,
    input_bytes INTEGER NOT NULL,
    UNIQUE (owner, request_id)
  ) STRICT;
  CREATE INDEX jobs_owned ON jobs (owner, number);
  CREATE INDEX jobs_waiting ON jobs (place) WHERE state = 'QUEUED';
  CREATE INDEX jobs_running ON jobs (lease_deadline_ms) WHERE state = 'RUNNING';
  CREATE INDEX jobs_expiring ON jobs (expire_ms)
    WHERE expire_ms IS NOT NULL AND state IN ('QUEUED', 'RUNNING');
  CREATE INDEX jobs_ended ON jobs (ended_ms, number) WHERE ended_ms IS NOT NULL;
  CREATE INDEX jobs_dead ON jobs (ended_ms, number) WHERE is_dead = 1;
  CREATE TABLE inputs (
    number INTEGER PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    format TEXT NOT NULL,
    bytes BLOB NOT NULL,
    -- Decimal, and bytes: of a typed batch.
    new_root TEXT,
    tx_data BLOB
  ) STRICT;
  CREATE TABLE results (
    number INTEGER PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    bytes BLOB NOT NULL
  ) STRICT;
  -- What changed with each of a job's latest events.
  CREATE TABLE events (
    number INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    stage TEXT,
    progress_percent INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    cancel_requested INTEGER NOT NULL,
    started_ms INTEGER,
    ended_ms INTEGER,
    failure TEXT,
    PRIMARY KEY (number, sequence)
  ) STRICT, WITHOUT ROWID;
  `,
  // The next job of a circuit, a list of a state, and the keys of inputs, each without a look at other jobs.
  `
  DROP INDEX jobs_waiting;
  CREATE INDEX jobs_waiting ON jobs (priority, circuit_id, zkey_sha256, place) WHERE state = 'QUEUED';
  CREATE INDEX jobs_of_state ON jobs (state, number);
  -- Id of the key that sealed the input; NULL: it is as it came, or deleted.
  ALTER TABLE jobs ADD COLUMN input_key TEXT;
  `,
  // Inputs are sealed, each with a key of its own. Rows of keys are added, overwritten in place and never
  // deleted, so that no page keeps a copy; one of zeros is free.
  `
  CREATE TABLE input_keys (
    slot INTEGER PRIMARY KEY,
    key BLOB NOT NULL
  ) STRICT;
  -- Where the input's own key is, wrapped with input_key. NULL: the input is deleted, or was damaged.
  ALTER TABLE jobs ADD COLUMN input_slot INTEGER;
  -- Until they are sealed anew, which takes more than SQL: Jobs.adopt.
  ALTER TABLE inputs RENAME TO inputs_before;
  CREATE TABLE inputs (
    number INTEGER PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    format TEXT NOT NULL,
    bytes BLOB NOT NULL,
    -- Decimal, and bytes: of a typed batch.
    new_root TEXT,
    tx_data BLOB
  ) STRICT;
  `,
];

/**
 * Makes a connection durable and private, and its tables today's.
 *
 * @throws Error if the file is another program's, a newer version's, or in use.
 */
export function prepareDatabase(db: DatabaseSync): void {
  makeDurable(db);
  db.exec("BEGIN IMMEDIATE");
  migrate(db);
  db.exec("COMMIT");
}

function makeDurable(db: DatabaseSync): void {
  // Of a new file only. Inputs of 100 KB in pages of 8 KiB are written in two thirds of the time that
  // the preset 4 KiB take, and emptied from the log in half; larger ones gain little more (rough, Linux, virtual disk).
  db.exec("PRAGMA page_size = 8192");
  // The first access takes the lock for good: two servers would each claim the same jobs.
  db.exec("PRAGMA locking_mode = EXCLUSIVE");
  db.exec("PRAGMA journal_mode = WAL");
  // Accepted means on disk: a commit returns when it is.
  db.exec("PRAGMA synchronous = FULL");
  // What is deleted in a page is overwritten; pages of large inputs are not, as their keys are.
  db.exec("PRAGMA secure_delete = FAST");
  db.exec("PRAGMA foreign_keys = ON");
  // 16 MiB instead of 2: job ids are random, so the pages that lead to 100,000 jobs are wanted all the time.
  db.exec("PRAGMA cache_size = -16384");
  // Checkpoints are made after a sweep, outside of calls.
  db.exec("PRAGMA wal_autocheckpoint = 0");
}

function migrate(db: DatabaseSync): void {
  const read = (name: string) => Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
  const [application, version] = [read("application_id"), Number(read("user_version"))];
  const isNew =
    version === 0 && db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
  if (!isNew && application !== APPLICATION_ID) {
    throw new Error("the file is a database of another program");
  }
  if (version > MIGRATIONS.length) {
    throw new Error(
      `the file has version ${version}, this program knows up to ${MIGRATIONS.length}: a newer release wrote it`,
    );
  }
  for (const step of MIGRATIONS.slice(version)) db.exec(step);
  db.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  db.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
}
