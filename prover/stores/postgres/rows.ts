/** Rows of the tables in PostgreSQL as jobs and inputs. */
import type {
  InputKind,
  Job,
  JobEvent,
  JobFailure,
  JobInput,
  JobPriority,
  JobStage,
  JobState,
} from "../../job.ts";
import type { StoredInput } from "../input-sealer.ts";

/** Columns that jobs and events both have: what an event can change. */
interface ChangingRow {
  readonly state: JobState;
  readonly stage: JobStage | null;
  readonly progress_percent: number;
  readonly attempts: number;
  readonly cancel_requested: boolean;
  readonly started_ms: number | null;
  readonly ended_ms: number | null;
  readonly failure: string | null;
  readonly sequence: number;
  readonly changed_ms: number;
}

export interface JobRow extends ChangingRow {
  readonly number: number;
  readonly job_id: string;
  readonly owner: string;
  readonly request_id: string;
  readonly circuit_id: string;
  readonly zkey_sha256: string;
  readonly input_kind: InputKind;
  readonly content_sha256: string;
  readonly priority: JobPriority;
  readonly place: number;
  readonly labels: string;
  readonly development_keys: boolean;
  readonly expire_ms: number | null;
  readonly created_ms: number;
  readonly is_dead: boolean;
  readonly input_bytes: number;
  /** From `results`, where the statement joins it. */
  readonly result?: Uint8Array | null;
  /** When the statement was run, Unix ms by the database's clock. */
  readonly read_ms: number;
}

export interface EventRow extends ChangingRow {
  readonly number: number;
}

/** What waits and runs, of one owner, circuit and priority. */
export interface LoadRow {
  readonly circuit_id: string;
  readonly zkey_sha256: string;
  readonly priority: JobPriority;
  readonly queued_count: number;
  readonly queued_bytes: number;
  readonly running_count: number;
}

export interface InputRow {
  readonly key_id: string | null;
  readonly format: JobInput["format"];
  readonly bytes: Uint8Array;
  readonly new_root: string | null;
  readonly tx_data: Uint8Array | null;
}

export function jobOf(row: JobRow): Job {
  return {
    jobId: row.job_id,
    owner: row.owner,
    requestId: row.request_id,
    circuitId: row.circuit_id,
    zkeySha256: row.zkey_sha256,
    inputKind: row.input_kind,
    contentSha256: row.content_sha256,
    priority: row.priority,
    labels: JSON.parse(row.labels) as Job["labels"],
    developmentKeys: row.development_keys,
    createdMs: row.created_ms,
    expireMs: row.expire_ms ?? undefined,
    ...changesOf(row),
    result: row.state === "SUCCEEDED" ? plain(row.result ?? undefined) : undefined,
  };
}

/** @param job  as it stood then or later, with its result if the event says so. */
export function eventOf(row: EventRow, job: Job): JobEvent {
  const changes = changesOf(row);
  return {
    sequence: changes.sequence,
    timeMs: row.changed_ms,
    isSnapshot: false,
    job: { ...job, ...changes, result: changes.state === "SUCCEEDED" ? job.result : undefined },
  };
}

export function inputOf(row: InputRow): StoredInput {
  return {
    keyId: row.key_id ?? undefined,
    format: row.format,
    bytes: plain(row.bytes) as Uint8Array,
    commit:
      row.new_root === null
        ? undefined
        : {
            newRoot: BigInt(row.new_root),
            txData: plain(row.tx_data ?? new Uint8Array()) as never,
          },
  };
}

function changesOf(row: ChangingRow) {
  return {
    state: row.state,
    stage: row.stage ?? undefined,
    progressPercent: row.progress_percent,
    attempts: row.attempts,
    cancelRequested: row.cancel_requested,
    startedMs: row.started_ms ?? undefined,
    endedMs: row.ended_ms ?? undefined,
    failure: row.failure === null ? undefined : (JSON.parse(row.failure) as JobFailure),
    sequence: row.sequence,
  };
}

/** pg gives Buffers, which are views of larger ones and compare unequal to other arrays. */
function plain(bytes: Uint8Array | undefined): Uint8Array | undefined {
  return bytes && new Uint8Array(bytes);
}
