import type { NewJob } from "../../job-store.ts";
import type { StoredInput } from "../input-sealer.ts";
import type { StoreLimits } from "../transition.ts";
import type { JobRow } from "./rows.ts";

/** What `SUBMIT` answers: what waits, and the job, whose columns are null if it was not taken. */
export interface SubmitRow extends JobRow {
  readonly waiting_count: number;
  readonly waiting_bytes: number;
}

/** Values of `SUBMIT` after the time. */
export function submitValues(
  jobId: string,
  job: NewJob,
  { keyId, format, bytes, commit }: StoredInput,
  limits: StoreLimits,
): readonly unknown[] {
  return [
    jobId,
    job.owner,
    job.requestId,
    job.circuitId,
    job.zkeySha256,
    job.inputKind,
    job.contentSha256,
    job.priority,
    JSON.stringify(job.labels),
    job.developmentKeys,
    job.expireMs ?? null,
    format,
    bufferOf(bytes),
    commit?.newRoot.toString() ?? null,
    commit === undefined ? null : bufferOf(commit.txData),
    limits.queueMax,
    limits.queueMaxBytes,
    keyId ?? null,
    job.input.bytes.length,
  ];
}

/** pg sends Buffers as they are, and other arrays as text. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
