import type { SQLInputValue } from "node:sqlite";
import type { JobFilter, JobPage } from "../../job-store.ts";
import { SCANNED_MAX } from "../job-filter.ts";
import type { Connection } from "./connection.ts";
import { jobOf } from "./rows.ts";

interface Condition {
  readonly sql: string;
  readonly values: readonly SQLInputValue[];
}

/**
 * A page of jobs, newest first. Looks at no more than SCANNED_MAX jobs: those of the owner, else those of the one
 * state, else all; an index leads to them, and the other conditions are tried on each.
 */
export function listJobs(
  db: Connection,
  filter: JobFilter,
  limit: number,
  cursor: number | undefined,
): JobPage {
  const { index, led, tried } = conditionsOf(filter);
  const all = [...led, { sql: "number < ?", values: [cursor ?? Number.MAX_SAFE_INTEGER] }];
  const scanned = `FROM jobs ${index} WHERE ${sqlOf(all)} ORDER BY number DESC`;
  const rows = db.all(
    `SELECT * FROM (SELECT * ${scanned} LIMIT ${SCANNED_MAX}) AS scanned WHERE ${sqlOf(tried)} ORDER BY number DESC LIMIT ?`,
    [...valuesOf(all), ...valuesOf(tried), limit + 1],
  );
  const jobs = rows.slice(0, limit).map((row) => jobOf(row));
  if (rows.length > limit) return { jobs, nextCursor: rows[limit - 1]?.number as number };
  const [last] = db.numbers(
    `SELECT number ${scanned} LIMIT 1 OFFSET ${SCANNED_MAX - 1}`,
    valuesOf(all),
  );
  return { jobs, nextCursor: last };
}

function conditionsOf({ owner, states, circuitId, labels }: JobFilter) {
  const led: Condition[] = [];
  const tried: Condition[] = [{ sql: "TRUE", values: [] }];
  // By name: another one would lead over all jobs to the few that are wanted.
  let index = "";
  if (owner !== undefined) {
    index = "INDEXED BY jobs_owned";
    led.push({ sql: "owner = ?", values: [owner] });
  }
  if (states.length === 1 && led.length === 0) {
    index = "INDEXED BY jobs_of_state";
    led.push({ sql: "state = ?", values: [...states] });
  } else if (states.length > 0) {
    tried.push({ sql: `state IN (${states.map(() => "?").join(", ")})`, values: [...states] });
  }
  if (circuitId !== undefined) tried.push({ sql: "circuit_id = ?", values: [circuitId] });
  if (Object.keys(labels).length > 0) {
    tried.push({ sql: HAS_LABELS, values: [JSON.stringify(labels)] });
  }
  return { index, led, tried };
}

/** No wanted label that the job has not. */
const HAS_LABELS = `NOT EXISTS (
  SELECT 1 FROM json_each(?) AS wanted WHERE NOT EXISTS (
    SELECT 1 FROM json_each(scanned.labels) AS has WHERE has.key = wanted.key AND has.value = wanted.value))`;

function sqlOf(conditions: readonly Condition[]): string {
  return conditions.map(({ sql }) => sql).join(" AND ");
}

function valuesOf(conditions: readonly Condition[]): SQLInputValue[] {
  return conditions.flatMap(({ values }) => values);
}
