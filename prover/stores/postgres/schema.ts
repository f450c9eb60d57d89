/** Tables of a job store in PostgreSQL, and how an older schema becomes one of today. */
import type { ClientBase } from "pg";

/** Events kept for each job: a stream that resumes further back begins with a snapshot. */
const EVENTS_KEPT = 64;

/**
 * Step i brings a schema from version i to i + 1. Steps that were released stay as they are. `$S` is
 * the schema's name, which functions must spell out: others than this program may change rows.
 *
 * - Names are compared by their bytes (COLLATE "C"): an index must not depend on the system's locale.
 * - Inputs and results have tables of their own, as in SQLite.
 * - `jobs` has room in its pages for new versions of rows, and no index holds what heartbeats change.
 * - Nothing counts rows: `job_changed` writes each difference down, and `job_load` adds them up.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TYPE job_priority AS ENUM ('HIGH', 'NORMAL', 'LOW');
  -- Of jobs that come back, which go before all others: their places are below 0.
  CREATE SEQUENCE place_front;
  CREATE SEQUENCE place_high;
  CREATE SEQUENCE place_normal;
  CREATE SEQUENCE place_low;
  CREATE TABLE jobs (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id text COLLATE "C" NOT NULL UNIQUE,
    owner text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    circuit_id text COLLATE "C" NOT NULL,
    zkey_sha256 text COLLATE "C" NOT NULL,
    input_kind text NOT NULL,
    content_sha256 text NOT NULL,
    priority job_priority NOT NULL,
    -- In the line of its priority: less is sooner.
    place bigint NOT NULL,
    -- JSON, but as text: jsonb knows no U+0000.
    labels text NOT NULL,
    development_keys boolean NOT NULL,
    expire_ms bigint,
    created_ms bigint NOT NULL,
    -- Time of the last event.
    changed_ms bigint NOT NULL,
    state text NOT NULL,
    stage text,
    progress_percent integer NOT NULL,
    attempts integer NOT NULL,
    cancel_requested boolean NOT NULL,
    started_ms bigint,
    ended_ms bigint,
    -- JSON.
    failure text,
    sequence bigint NOT NULL,
    -- Of the claim under way.
    lease_token text,
    lease_deadline_ms bigint,
    -- Has ended, and its input is kept for a retry.
    is_dead boolean NOT NULL DEFAULT false,
    input_bytes bigint NOT NULL,
    UNIQUE (owner, request_id)
  ) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02);
  CREATE INDEX jobs_owned ON jobs (owner, number);
  CREATE INDEX jobs_line ON jobs (priority, place) WHERE state = 'QUEUED';
  CREATE INDEX jobs_waiting ON jobs (circuit_id, zkey_sha256, priority, place)
    WHERE state = 'QUEUED';
  CREATE INDEX jobs_running ON jobs (number) WHERE state = 'RUNNING';
  CREATE INDEX jobs_expiring ON jobs (expire_ms)
    WHERE state = 'QUEUED' AND expire_ms IS NOT NULL;
  CREATE INDEX jobs_ended ON jobs (ended_ms, number) WHERE ended_ms IS NOT NULL;
  CREATE INDEX jobs_dead ON jobs (ended_ms, number) WHERE is_dead;

  CREATE TABLE inputs (
    number bigint PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    -- Null: as it came. Else which key of the sealer opens it.
    key_id text,
    format text NOT NULL,
    bytes bytea NOT NULL,
    -- Decimal, and bytes: of a typed batch.
    new_root text,
    tx_data bytea
  ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50,
    toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 500);
  -- Field elements do not compress; trying takes as long as writing.
  ALTER TABLE inputs ALTER COLUMN bytes SET STORAGE EXTERNAL;
  CREATE INDEX inputs_sealed ON inputs (key_id) WHERE key_id IS NOT NULL;
  CREATE TABLE results (
    number bigint PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    bytes bytea NOT NULL
  );
  -- What changed with each of a job's latest events.
  CREATE TABLE events (
    number bigint NOT NULL REFERENCES jobs ON DELETE CASCADE,
    sequence bigint NOT NULL,
    changed_ms bigint NOT NULL,
    state text NOT NULL,
    stage text,
    progress_percent integer NOT NULL,
    attempts integer NOT NULL,
    cancel_requested boolean NOT NULL,
    started_ms bigint,
    ended_ms bigint,
    failure text,
    PRIMARY KEY (number, sequence)
  ) WITH (autovacuum_vacuum_scale_factor = 0.02);

  -- How many jobs there are of what kind, without the latest changes.
  CREATE TABLE load_sums (
    owner text COLLATE "C" NOT NULL,
    circuit_id text COLLATE "C" NOT NULL,
    zkey_sha256 text COLLATE "C" NOT NULL,
    priority job_priority NOT NULL,
    queued_count bigint NOT NULL,
    queued_bytes bigint NOT NULL,
    running_count bigint NOT NULL,
    PRIMARY KEY (owner, circuit_id, zkey_sha256, priority)
  );
  CREATE TABLE end_sums (
    ended_count bigint NOT NULL,
    dead_bytes bigint NOT NULL
  );
  INSERT INTO end_sums VALUES (0, 0);
  -- The latest changes. A sum in one row would let one transaction at a time wait for the disk.
  CREATE TABLE load_changes (
    owner text COLLATE "C" NOT NULL,
    circuit_id text COLLATE "C" NOT NULL,
    zkey_sha256 text COLLATE "C" NOT NULL,
    priority job_priority NOT NULL,
    queued_count bigint NOT NULL,
    queued_bytes bigint NOT NULL,
    running_count bigint NOT NULL,
    ended_count bigint NOT NULL,
    dead_bytes bigint NOT NULL
  ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
  -- What waits and runs. Also for autoscalers: docs/several-machines.md.
  CREATE VIEW job_load AS
    SELECT owner, circuit_id, zkey_sha256, priority,
      sum(queued_count)::bigint AS queued_count,
      sum(queued_bytes)::bigint AS queued_bytes,
      sum(running_count)::bigint AS running_count
    FROM (
      SELECT owner, circuit_id, zkey_sha256, priority, queued_count, queued_bytes, running_count
        FROM load_sums
      UNION ALL
      SELECT owner, circuit_id, zkey_sha256, priority, queued_count, queued_bytes, running_count
        FROM load_changes
    ) AS parts
    GROUP BY owner, circuit_id, zkey_sha256, priority
    HAVING sum(queued_count) <> 0 OR sum(running_count) <> 0;
  CREATE VIEW job_ends AS
    SELECT sum(ended_count)::bigint AS ended_count, sum(dead_bytes)::bigint AS dead_bytes
    FROM (
      SELECT ended_count, dead_bytes FROM end_sums
      UNION ALL
      SELECT ended_count, dead_bytes FROM load_changes
    ) AS parts;

  -- Unix time in milliseconds, by the one clock that all processes share.
  CREATE FUNCTION clock_ms() RETURNS bigint LANGUAGE sql STABLE AS
    $$ SELECT (extract(epoch FROM statement_timestamp()) * 1000)::bigint $$;

  CREATE FUNCTION note_load(job $S.jobs, change integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO $S.load_changes VALUES (
      job.owner, job.circuit_id, job.zkey_sha256, job.priority,
      CASE WHEN job.state = 'QUEUED' THEN change ELSE 0 END,
      CASE WHEN job.state = 'QUEUED' THEN change * job.input_bytes ELSE 0 END,
      CASE WHEN job.state = 'RUNNING' THEN change ELSE 0 END,
      CASE WHEN job.ended_ms IS NOT NULL THEN change ELSE 0 END,
      CASE WHEN job.is_dead THEN change * job.input_bytes ELSE 0 END
    )
  $$;
  -- Whoever changes a job changes the sums with it, and leaves an event.
  CREATE FUNCTION job_changed() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF TG_OP = 'UPDATE' AND OLD.state = NEW.state AND OLD.is_dead = NEW.is_dead THEN
      NULL;
    ELSE
      IF TG_OP <> 'INSERT' THEN PERFORM $S.note_load(OLD, -1); END IF;
      IF TG_OP <> 'DELETE' THEN PERFORM $S.note_load(NEW, 1); END IF;
    END IF;
    IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.sequence = NEW.sequence) THEN
      RETURN NULL;
    END IF;
    INSERT INTO $S.events VALUES (NEW.number, NEW.sequence, NEW.changed_ms, NEW.state, NEW.stage,
      NEW.progress_percent, NEW.attempts, NEW.cancel_requested, NEW.started_ms, NEW.ended_ms,
      NEW.failure);
    DELETE FROM $S.events
      WHERE number = NEW.number AND sequence <= NEW.sequence - ${EVENTS_KEPT};
    RETURN NULL;
  END
  $$;
  CREATE TRIGGER job_made AFTER INSERT OR DELETE ON jobs
    FOR EACH ROW EXECUTE FUNCTION job_changed();
  CREATE TRIGGER job_changed AFTER UPDATE ON jobs FOR EACH ROW
    WHEN (OLD.sequence <> NEW.sequence OR OLD.state <> NEW.state OR OLD.is_dead <> NEW.is_dead)
    EXECUTE FUNCTION job_changed();
  `,
];

/**
 * Makes the schema, or brings it up to date. Any number of processes may call this at once.
 *
 * @param client  whose search path is the schema.
 * @throws Error if a newer release made the schema, or the user may not.
 */
export async function prepareSchema(client: ClientBase, schema: string): Promise<void> {
  if ((await versionOf(client, schema)) === MIGRATIONS.length) return;
  // One at a time; whoever comes later finds it done. Not the transaction's lock: what a session knows
  // of tables is brought up to date when a transaction begins, and that must be after the wait.
  const lock = [`proofmill schema ${schema}`];
  await client.query("SELECT pg_advisory_lock(hashtextextended($1, 0))", lock);
  try {
    await migrate(client, schema);
  } finally {
    await client.query("SELECT pg_advisory_unlock(hashtextextended($1, 0))", lock).catch(() => {});
  }
}

async function migrate(client: ClientBase, schema: string): Promise<void> {
  await client.query("BEGIN");
  try {
    const version = await versionOf(client, schema);
    if (version > MIGRATIONS.length) {
      throw new Error(
        `schema ${schema} has version ${version}, this program knows up to ${MIGRATIONS.length}: a newer release made it`,
      );
    }
    if (version === 0) {
      const { rows } = await client.query("SELECT to_regnamespace($1) IS NULL AS missing", [
        schema,
      ]);
      if (rows[0].missing) await client.query(`CREATE SCHEMA ${schema}`);
      await client.query("CREATE TABLE schema_version (version integer NOT NULL)");
      await client.query("INSERT INTO schema_version VALUES (0)");
    }
    for (const step of MIGRATIONS.slice(version)) {
      await client.query(step.replaceAll("$S", () => schema));
    }
    await client.query("UPDATE schema_version SET version = $1", [MIGRATIONS.length]);
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK").catch(() => {});
    throw error;
  }
}

async function versionOf(client: ClientBase, schema: string): Promise<number> {
  const { rows } = await client.query("SELECT to_regclass($1) IS NOT NULL AS known", [
    `${schema}.schema_version`,
  ]);
  if (!rows[0].known) return 0;
  return Number((await client.query("SELECT version FROM schema_version")).rows[0].version);
}
