/** Rows of the tables in SQLite as jobs and inputs, and back. */
import type { SQLInputValue, SQLOutputValue } from "node:sqlite";
import type {
  InputKind,
  Job,
  JobEvent,
  JobFailure,
  JobPriority,
  JobStage,
  JobState,
} from "../../job.ts";

import type { StoredInput } from "../input-sealer.ts";

export type SqlRow = Record<string, SQLOutputValue>;

/** What an event can change: columns that jobs and events both have. */
export const CHANGING = [
  "state",
  "stage",
  "progress_percent",
  "attempts",
  "cancel_requested",
  "started_ms",
  "ended_ms",
  "failure",
  "sequence",
] as const;

export function changingOf(job: Job): Record<(typeof CHANGING)[number], SQLInputValue> {
  return {
    state: job.state,
    stage: job.stage ?? null,
    progress_percent: job.progressPercent,
    attempts: job.attempts,
    cancel_requested: Number(job.cancelRequested),
    started_ms: job.startedMs ?? null,
    ended_ms: job.endedMs ?? null,
    failure: job.failure === undefined ? null : JSON.stringify(job.failure),
    sequence: job.sequence,
  };
}

/** @param row  of `jobs`. The result is in a table of its own. */
export function jobOf(row: SqlRow, result?: Uint8Array): Job {
  return {
    jobId: row.job_id as string,
    owner: row.owner as string,
    requestId: row.request_id as string,
    circuitId: row.circuit_id as string,
    zkeySha256: row.zkey_sha256 as string,
    inputKind: row.input_kind as InputKind,
    contentSha256: row.content_sha256 as string,
    priority: row.priority as JobPriority,
    labels: JSON.parse(row.labels as string) as Job["labels"],
    developmentKeys: row.development_keys === 1,
    createdMs: row.created_ms as number,
    expireMs: (row.expire_ms as number | null) ?? undefined,
    ...changesOf(row),
    result: row.state === "SUCCEEDED" ? result : undefined,
  };
}

/** @param row  of `jobs` or `events`. */
function changesOf(row: SqlRow) {
  return {
    state: row.state as JobState,
    stage: (row.stage as JobStage | null) ?? undefined,
    progressPercent: row.progress_percent as number,
    attempts: row.attempts as number,
    cancelRequested: row.cancel_requested === 1,
    startedMs: (row.started_ms as number | null) ?? undefined,
    endedMs: (row.ended_ms as number | null) ?? undefined,
    failure: row.failure === null ? undefined : (JSON.parse(row.failure as string) as JobFailure),
    sequence: row.sequence as number,
  };
}

/** @param row  of `events`. @param job  as it stands now, with its result. */
export function eventOf(row: SqlRow, job: Job): JobEvent {
  const changes = changesOf(row);
  return {
    sequence: changes.sequence,
    timeMs: row.time_ms as number,
    isSnapshot: false,
    job: { ...job, ...changes, result: changes.state === "SUCCEEDED" ? job.result : undefined },
  };
}

/** @param row  of `inputs`. @param keyId  `input_key` of its job. */
export function inputOf(row: SqlRow, keyId: string | undefined): StoredInput {
  return {
    keyId,
    format: row.format as StoredInput["format"],
    bytes: row.bytes as Uint8Array,
    commit:
      row.new_root === null
        ? undefined
        : { newRoot: BigInt(row.new_root as string), txData: row.tx_data as Uint8Array },
  };
}
