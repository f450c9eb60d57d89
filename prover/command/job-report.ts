// How commands show a job: a progress line while it runs, its end in words or as JSON.
import { enumToJson, toJson } from "@bufbuild/protobuf";
import {
  type Job,
  JobSchema,
  JobStage,
  JobStageSchema,
  JobState,
  JobStateSchema,
} from "../../gen/prover/v1/job_pb.ts";
import type { JobEvent } from "../../gen/prover/v1/prover_pb.ts";
import type { Terminal } from "./command.ts";
import { EXIT } from "./command.ts";
import { writeWholeFile } from "./output.ts";
import type { Progress } from "./progress.ts";

const FAILED_STATES: readonly JobState[] = [JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED];

export function showEvent(progress: Progress, { job }: JobEvent): void {
  if (job?.state === JobState.QUEUED) {
    progress.update(job.queuePosition === 0 ? "waiting" : `waiting, ${job.queuePosition} ahead`);
  } else if (job?.state === JobState.RUNNING) {
    const isStarting = job.stage === JobStage.UNSPECIFIED;
    const stage = isStarting ? "starting" : word(enumToJson(JobStageSchema, job.stage));
    progress.update(stage, job.progressPercent / 100);
  }
}

/** Prints a job. @returns exit code 0 for a proof or a job still on its way, 1 for one that failed. */
export function printJob(job: Job, { stdout }: Terminal, asJson: boolean): number {
  if (asJson) stdout.write(`${JSON.stringify(toJson(JobSchema, job))}\n`);
  else stdout.write(`${describeJob(job).join("\n")}\n`);
  return FAILED_STATES.includes(job.state) ? EXIT.no : EXIT.ok;
}

/** "JOB_STATE_QUEUED" as "queued". */
function word(name: unknown): string {
  return String(name)
    .replace(/^JOB_(STATE|STAGE)_/, "")
    .toLowerCase();
}

function describeJob(job: Job): string[] {
  const lines = [`job        ${job.jobId}`, `request    ${job.requestId}`];
  lines.push(`state      ${word(enumToJson(JobStateSchema, job.state))}`);
  if (job.failure) lines.push(`failure    ${job.failure.reason}: ${job.failure.message}`);
  if (job.result) {
    const { engine, times, commitBlock } = job.result;
    lines.push(`engine     ${engine}`);
    if (times) {
      const { queueMs, witnessMs, proveMs, verifyMs } = times;
      lines.push(
        `times      queue ${queueMs} ms, witness ${witnessMs} ms, prove ${proveMs} ms, verify ${verifyMs} ms`,
      );
    }
    if (commitBlock) lines.push(`calldata   ${commitBlock.calldata.length} bytes for commitBlock`);
  }
  if (job.developmentKeys) lines.push("keys       development keys: the proof shows nothing");
  return lines;
}

/** Files to which parts of a result are written. */
export interface ResultFiles {
  readonly proof: string | undefined;
  readonly public: string | undefined;
  readonly calldata: string | undefined;
}

/** Writes what was asked for: proof and signals as snarkjs does, calldata as 0x and hex digits. */
export async function writeResult(job: Job, files: ResultFiles): Promise<void> {
  const { result } = job;
  if (!result) return;
  if (files.proof !== undefined) await writeWholeFile(files.proof, result.snarkjsProofJson);
  if (files.public !== undefined) {
    const signals = result.publicSignals.map((bytes) => BigInt(`0x${hex(bytes)}`).toString());
    await writeWholeFile(files.public, `${JSON.stringify(signals, null, 1)}\n`);
  }
  if (files.calldata !== undefined && result.commitBlock) {
    await writeWholeFile(files.calldata, `0x${hex(result.commitBlock.calldata)}\n`);
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}
