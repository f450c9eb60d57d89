// The statements of the store. Each is a transaction by itself, so that a process which stops in the
// middle of its work holds no locks. $1 is the time in Unix ms where a statement needs it: null means
// the database's clock, which all processes share; tests give their own.
import type { Statement } from "./database.ts";

const NOW = "coalesce($1::bigint, clock_ms())";

/** Heads of the line that a claim looks at for each circuit: as many may be in the hands of others. */
const HEADS = 32;
/** Jobs that one statement expires or forgets: calls may wait for it. */
export const AT_ONCE = 500;

const statement = (name: string, text: string): Statement => ({ name, text });

/**
 * $2 job id, $3 owner, $4 request id, $5 circuit, $6 key, $7 kind, $8 content, $9 priority, $10 labels,
 * $11 development keys, $12 expiry; $13 format, $14 bytes, $15 new root, $16 data; $17 most jobs and
 * $18 most bytes that may wait; $19 id of the sealing key, $20 bytes of the input before sealing.
 *
 * One row: what waits, and the job unless there is no room or the request id is taken.
 */
export const SUBMIT = statement(
  "submit",
  `WITH load AS (
    SELECT coalesce(sum(queued_count), 0)::bigint AS queued_count,
      coalesce(sum(queued_bytes), 0)::bigint AS queued_bytes
    FROM job_load
  ), job AS (
    INSERT INTO jobs (job_id, owner, request_id, circuit_id, zkey_sha256, input_kind,
      content_sha256, priority, place, labels, development_keys, expire_ms, created_ms, changed_ms,
      state, progress_percent, attempts, cancel_requested, sequence, input_bytes)
    SELECT $2::text, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text, $9::job_priority,
      CASE $9::job_priority
        WHEN 'HIGH' THEN nextval('place_high')
        WHEN 'NORMAL' THEN nextval('place_normal')
        ELSE nextval('place_low')
      END,
      $10::text, $11::boolean, $12::bigint, ${NOW}, ${NOW}, 'QUEUED', 0, 0, false, 1, $20::bigint
    FROM load
    WHERE queued_count < $17::bigint AND queued_bytes + $20::bigint <= $18::bigint
      AND NOT EXISTS (SELECT FROM jobs WHERE owner = $3 AND request_id = $4)
    ON CONFLICT (owner, request_id) DO NOTHING
    RETURNING *
  ), input AS (
    INSERT INTO inputs SELECT number, $19::text, $13::text, $14::bytea, $15::text, $16::bytea FROM job
  )
  SELECT load.queued_count AS waiting_count, load.queued_bytes AS waiting_bytes, job.*
  FROM load LEFT JOIN job ON true`,
);

const JOB =
  "SELECT jobs.*, results.bytes AS result, clock_ms() AS read_ms FROM jobs LEFT JOIN results USING (number)";

export const BY_JOB_ID = statement("by job id", `${JOB} WHERE job_id = $1`);
export const BY_REQUEST_ID = statement(
  "by request id",
  `${JOB} WHERE owner = $1 AND request_id = $2`,
);
export const BY_NUMBER = statement("by number", `${JOB} WHERE number = $1`);
/** $1 job id, $2 token. */
export const BY_LEASE = statement(
  "by lease",
  "SELECT *, clock_ms() AS read_ms FROM jobs WHERE job_id = $1 AND lease_token = $2 AND state = 'RUNNING'",
);

/**
 * $1 job id. Nobody is counted: places tell how many stood between a job and the head of its line, and
 * sums how many wait.
 */
export const POSITION = statement(
  "position",
  `SELECT coalesce(sum(queued_count) FILTER (WHERE load.priority < job.priority), 0)
    + least(
      job.place - (
        SELECT place FROM jobs WHERE state = 'QUEUED' AND priority = job.priority
        ORDER BY priority, place LIMIT 1
      ),
      coalesce(sum(queued_count) FILTER (WHERE load.priority = job.priority), 1) - 1
    ) AS ahead
  FROM (SELECT priority, place FROM jobs WHERE job_id = $1 AND state = 'QUEUED') AS job
  LEFT JOIN job_load AS load ON true
  GROUP BY job.priority, job.place`,
);

/** $1 cursor, $2 owner, $3 states or null, $4 circuit, $5 most rows. */
export const LIST = statement(
  "list",
  `SELECT * FROM jobs
  WHERE number < $1
    AND ($2::text IS NULL OR owner = $2)
    AND ($3::text[] IS NULL OR state = ANY ($3))
    AND ($4::text IS NULL OR circuit_id = $4)
  ORDER BY number DESC LIMIT $5`,
);

/** $1 number, $2 sequence. */
export const EVENTS = statement(
  "events",
  "SELECT * FROM events WHERE number = $1 AND sequence > $2 ORDER BY sequence",
);

/**
 * $2 circuits and $3 their keys, $4 token, $5 length of the lease in ms, $6 ids of the keys that open inputs.
 * The job and its input, or nothing.
 */
export const CLAIM = statement(
  "claim",
  `WITH head AS MATERIALIZED (
    SELECT job.number
    FROM (
      SELECT head.number, head.priority, head.place
      FROM unnest($2::text[], $3::text[]) AS circuit (id, zkey_sha256)
      CROSS JOIN LATERAL (
        SELECT number, priority, place FROM jobs
        WHERE state = 'QUEUED' AND circuit_id = circuit.id AND zkey_sha256 = circuit.zkey_sha256
          AND (expire_ms IS NULL OR expire_ms > ${NOW})
        ORDER BY priority, place LIMIT ${HEADS}
      ) AS head
      ORDER BY priority, place
    ) AS candidate
    JOIN jobs AS job ON job.number = candidate.number
    WHERE job.state = 'QUEUED'
      AND (
        SELECT key_id IS NULL OR key_id = ANY ($6::text[]) FROM inputs WHERE number = candidate.number
      )
    ORDER BY candidate.priority, candidate.place
    LIMIT 1
    FOR UPDATE OF job SKIP LOCKED
  ), job AS (
    UPDATE jobs SET state = 'RUNNING', progress_percent = 0,
      stage = CASE WHEN input_kind = 'WTNS' THEN 'PROVING' ELSE 'WITNESS' END, attempts = attempts + 1,
      started_ms = ${NOW}, changed_ms = ${NOW}, sequence = sequence + 1,
      lease_token = $4, lease_deadline_ms = ${NOW} + $5
    FROM head WHERE jobs.number = head.number
    RETURNING jobs.*
  )
  SELECT EXISTS (SELECT FROM jobs WHERE state = 'QUEUED' AND expire_ms <= ${NOW}) AS must_expire,
    job.*, inputs.key_id, inputs.format, inputs.bytes, inputs.new_root, inputs.tx_data
  FROM job JOIN inputs USING (number)`,
);

/** $1 token. */
export const BY_TOKEN = statement(
  "by token",
  "SELECT *, clock_ms() AS read_ms FROM jobs WHERE state = 'RUNNING' AND lease_token = $1",
);

/** $2 job id, $3 token, $4 stage, $5 percent, $6 length of the lease in ms. */
export const HEARTBEAT = statement(
  "heartbeat",
  `UPDATE jobs SET lease_deadline_ms = ${NOW} + $6, stage = $4, progress_percent = $5,
    changed_ms = CASE WHEN stage = $4 AND progress_percent = $5 THEN changed_ms ELSE ${NOW} END,
    sequence = sequence + CASE WHEN stage = $4 AND progress_percent = $5 THEN 0 ELSE 1 END
  WHERE job_id = $2 AND lease_token = $3 AND state = 'RUNNING'
  RETURNING number, cancel_requested, coalesce(expire_ms <= ${NOW}, false) AS is_expired,
    changed_ms = ${NOW} AS has_changed`,
);

/**
 * The next version of a job that stands at a sequence; nothing if it has moved on.
 *
 * $2 number, $3 sequence, $4 state, $5 attempts, $6 cancel requested, $7 failure, $8 whether it has
 * ended, $9 whether it is a dead letter, $10 whether the claim goes on, $11 whether it was a dead letter
 * and goes to the back of the line, $12 result, $13 whether only a silent worker's.
 */
export const CHANGE = statement(
  "change",
  `WITH job AS (
    UPDATE jobs SET state = $4, attempts = $5, cancel_requested = $6, failure = $7,
      stage = CASE WHEN $10 THEN stage END,
      progress_percent = CASE WHEN $10 THEN progress_percent ELSE 0 END,
      ended_ms = CASE WHEN $8 THEN ${NOW} END,
      is_dead = $9,
      lease_token = CASE WHEN $10 THEN lease_token END,
      lease_deadline_ms = CASE WHEN $10 THEN lease_deadline_ms END,
      place = CASE
        WHEN $8 OR $10 THEN place
        WHEN NOT $11 THEN -nextval('place_front')
        WHEN priority = 'HIGH' THEN nextval('place_high')
        WHEN priority = 'NORMAL' THEN nextval('place_normal')
        ELSE nextval('place_low')
      END,
      input_bytes = CASE WHEN $8 AND NOT $9 THEN 0 ELSE input_bytes END,
      sequence = sequence + 1, changed_ms = ${NOW}
    WHERE number = $2 AND sequence = $3 AND (NOT $13 OR lease_deadline_ms <= ${NOW})
      -- Losing the input is no event, so the sequence does not tell of it.
      AND (NOT $11 OR is_dead)
    RETURNING *
  ), forgotten AS (
    DELETE FROM inputs USING job WHERE inputs.number = job.number AND $8 AND NOT $9
  ), kept AS (
    INSERT INTO results SELECT number, $12::bytea FROM job WHERE $12::bytea IS NOT NULL
  )
  SELECT job.*, $12::bytea AS result FROM job`,
);

/** Waiting jobs whose time is over: all, or those before $2 priority and $3 place. */
export const EXPIRE = statement(
  "expire",
  `WITH job AS (
    UPDATE jobs SET state = 'EXPIRED', ended_ms = ${NOW}, input_bytes = 0,
      sequence = sequence + 1, changed_ms = ${NOW}
    WHERE number IN (
      SELECT number FROM jobs WHERE state = 'QUEUED' AND expire_ms <= ${NOW}
        AND ($2::job_priority IS NULL OR (priority, place) < ($2::job_priority, $3::bigint))
      ORDER BY expire_ms LIMIT ${AT_ONCE} FOR UPDATE SKIP LOCKED
    )
    RETURNING *
  ), forgotten AS (
    DELETE FROM inputs USING job WHERE inputs.number = job.number
  )
  SELECT * FROM job`,
);

/**
 * Running jobs whose worker is silent. $2 length of the lease: a lease that ran out because the
 * database was down gets that long from its start on.
 */
export const SILENT = statement(
  "silent",
  `SELECT *, clock_ms() AS read_ms FROM jobs
  WHERE state = 'RUNNING' AND lease_deadline_ms <= ${NOW}
    AND ($1::bigint IS NOT NULL
      OR pg_postmaster_start_time() + $2 * interval '1 millisecond' < statement_timestamp())
  LIMIT ${AT_ONCE}`,
);

/** $2 numbers of running jobs: those whose time is over. */
export const OVERDUE = statement(
  "overdue",
  `SELECT number FROM jobs WHERE number = ANY ($2::bigint[]) AND expire_ms <= ${NOW}`,
);

/** $2 most ms and $5 most bytes of inputs of dead letters, $3 most ms and $4 most jobs that have ended. */
export const IS_DUE = statement(
  "is due",
  `SELECT
    EXISTS (SELECT FROM jobs WHERE state = 'QUEUED' AND expire_ms <= ${NOW}) AS must_expire,
    EXISTS (SELECT FROM jobs WHERE state = 'RUNNING' AND lease_deadline_ms <= ${NOW}) AS has_silent,
    EXISTS (SELECT FROM jobs WHERE is_dead AND ended_ms <= ${NOW} - $2::bigint)
      OR (SELECT dead_bytes FROM job_ends) > $5::bigint
      OR EXISTS (SELECT FROM jobs WHERE ended_ms <= ${NOW} - $3::bigint)
      OR (SELECT ended_count FROM job_ends) > $4::bigint AS must_forget,
    (SELECT count(*) FROM (SELECT FROM load_changes LIMIT ${AT_ONCE}) AS part) AS change_count`,
);

/** True for one process at a time, until its transaction ends. */
export const TRY_HOUSEKEEPING = statement(
  "try housekeeping",
  "SELECT pg_try_advisory_xact_lock(hashtextextended('proofmill housekeeping ' || current_schema(), 0)) AS is_mine",
);

/** Adds the latest changes to the sums. */
export const FOLD = statement(
  "fold",
  `WITH change AS (
    DELETE FROM load_changes RETURNING *
  ), ends AS (
    UPDATE end_sums SET
      ended_count = ended_count + (SELECT coalesce(sum(change.ended_count), 0) FROM change),
      dead_bytes = dead_bytes + (SELECT coalesce(sum(change.dead_bytes), 0) FROM change)
  )
  INSERT INTO load_sums AS old
  SELECT owner, circuit_id, zkey_sha256, priority,
    sum(queued_count), sum(queued_bytes), sum(running_count)
  FROM change GROUP BY owner, circuit_id, zkey_sha256, priority
  ON CONFLICT (owner, circuit_id, zkey_sha256, priority) DO UPDATE SET
    queued_count = old.queued_count + EXCLUDED.queued_count,
    queued_bytes = old.queued_bytes + EXCLUDED.queued_bytes,
    running_count = old.running_count + EXCLUDED.running_count`,
);
export const FOLD_EMPTY = statement(
  "fold empty",
  "DELETE FROM load_sums WHERE queued_count = 0 AND running_count = 0 AND queued_bytes = 0",
);

// What buries or forgets jobs names its condition beside the look for them, too: a job that
// somebody else puts back into the line meanwhile is waited for, and of the look only its number is
// compared again.

/** $2 most ms, $3 most bytes: dead letters beyond that, the oldest first, lose their inputs. */
export const BURY = statement(
  "bury",
  `WITH oldest AS (
    SELECT number, ended_ms, sum(input_bytes) OVER (ORDER BY ended_ms, number) AS until
    FROM (
      SELECT number, ended_ms, input_bytes FROM jobs WHERE is_dead
      ORDER BY ended_ms, number LIMIT ${AT_ONCE}
    ) AS dead
  ), job AS (
    UPDATE jobs SET is_dead = false, input_bytes = 0
    FROM oldest
    WHERE jobs.number = oldest.number AND jobs.is_dead AND (
      oldest.ended_ms <= ${NOW} - $2::bigint
      OR oldest.until - jobs.input_bytes < (SELECT dead_bytes FROM job_ends) - $3::bigint
    )
    RETURNING jobs.number
  )
  DELETE FROM inputs USING job WHERE inputs.number = job.number`,
);

/** $2 most ms, $3 most jobs: ended jobs beyond that, the oldest first, are forgotten. */
export const FORGET = statement(
  "forget",
  `DELETE FROM jobs WHERE number IN (
    SELECT number FROM (
      SELECT number, ended_ms, row_number() OVER (ORDER BY ended_ms, number) AS rank
      FROM (
        SELECT number, ended_ms FROM jobs WHERE ended_ms IS NOT NULL
        ORDER BY ended_ms, number LIMIT ${AT_ONCE}
      ) AS first
    ) AS oldest
    WHERE ended_ms <= ${NOW} - $2::bigint
      OR rank <= (SELECT ended_count FROM job_ends) - $3::bigint
  ) AND ended_ms IS NOT NULL
  RETURNING number`,
);

/** $1 states or null, $2 time or null. */
export const PURGE = statement(
  "purge",
  `DELETE FROM jobs WHERE number IN (
    SELECT number FROM jobs
    WHERE ended_ms IS NOT NULL
      AND ($1::text[] IS NULL OR state = ANY ($1))
      AND ($2::bigint IS NULL OR ended_ms < $2)
    LIMIT ${AT_ONCE}
  )
    AND ended_ms IS NOT NULL
    AND ($1::text[] IS NULL OR state = ANY ($1))
    AND ($2::bigint IS NULL OR ended_ms < $2)
  RETURNING number`,
);

/** Ids of the keys that stored inputs are sealed with: as many as there were keys. */
export const KEY_IDS = statement(
  "key ids",
  `WITH RECURSIVE known AS (
    (SELECT key_id FROM inputs WHERE key_id IS NOT NULL ORDER BY key_id LIMIT 1)
    UNION ALL
    SELECT (SELECT key_id FROM inputs WHERE key_id > known.key_id ORDER BY key_id LIMIT 1)
    FROM known WHERE known.key_id IS NOT NULL
  )
  SELECT key_id FROM known WHERE key_id IS NOT NULL`,
);

export const LOAD = statement("load", "SELECT * FROM job_load");
/** $1 owner. */
export const LOAD_OF_OWNER = statement(
  "load of owner",
  "SELECT coalesce(sum(queued_count), 0)::bigint AS queued_count FROM job_load WHERE owner = $1",
);
/** Heads of the three lines. */
export const OLDEST = statement(
  "oldest",
  `SELECT min(created_ms) AS created_ms
  FROM unnest(enum_range(NULL::job_priority)) AS line (priority)
  CROSS JOIN LATERAL (
    SELECT created_ms FROM jobs WHERE state = 'QUEUED' AND jobs.priority = line.priority
    ORDER BY jobs.priority, place LIMIT 1
  ) AS head`,
);

/** $1 numbers: the sequences of those that are still known. */
export const SEQUENCES = statement(
  "sequences",
  "SELECT number, sequence FROM jobs WHERE number = ANY ($1::bigint[])",
);
