import { create, fromBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  JobFailureSchema,
  type Job as JobMessage,
  JobSchema,
  ProofResultSchema,
  InputKind as ProtoInputKind,
  JobPriority as ProtoPriority,
  JobStage as ProtoStage,
  JobState as ProtoState,
} from "../gen/prover/v1/job_pb.ts";
import { type JobEvent as EventMessage, JobEventSchema } from "../gen/prover/v1/prover_pb.ts";
import { ERRORS, type ErrorCode } from "./errors.ts";
import type { InputKind, Job, JobEvent, JobFailure } from "./job.ts";

/** @param queuePosition  from `JobStore.position`; ignored unless the job waits. */
export function jobMessage(job: Job, queuePosition: number): JobMessage {
  const message = create(JobSchema, {
    jobId: job.jobId,
    owner: job.owner,
    requestId: job.requestId,
    circuitId: job.circuitId,
    zkeySha256: Buffer.from(job.zkeySha256, "hex"),
    inputKind: ProtoInputKind[job.inputKind],
    contentSha256: Buffer.from(job.contentSha256, "hex"),
    state: ProtoState[job.state],
    stage: job.stage === undefined ? ProtoStage.UNSPECIFIED : ProtoStage[job.stage],
    progressPercent: job.progressPercent,
    queuePosition: job.state === "QUEUED" ? queuePosition : 0,
    priority: ProtoPriority[job.priority],
    labels: job.labels,
    attempts: job.attempts,
    cancelRequested: job.cancelRequested,
    createTime: timestampFromMs(job.createdMs),
    sequence: BigInt(job.sequence),
    developmentKeys: job.developmentKeys,
  });
  if (job.startedMs !== undefined) message.startTime = timestampFromMs(job.startedMs);
  if (job.endedMs !== undefined) message.endTime = timestampFromMs(job.endedMs);
  if (job.expireMs !== undefined) message.expireTime = timestampFromMs(job.expireMs);
  if (job.result !== undefined) message.result = fromBinary(ProofResultSchema, job.result);
  if (job.failure !== undefined) message.failure = failureMessage(job.failure, job.inputKind);
  return message;
}

export function eventMessage(event: JobEvent, queuePosition: number): EventMessage {
  return create(JobEventSchema, {
    sequence: BigInt(event.sequence),
    time: timestampFromMs(event.timeMs),
    snapshot: event.isSnapshot,
    job: jobMessage(event.job, queuePosition),
  });
}

const INPUT_FIELD: Readonly<Record<InputKind, string>> = {
  TRANSFER_BATCH: "transfer_batch",
  JSON: "input_json",
  WTNS: "wtns",
};

/** Reasons for which the caller's input is to blame. */
const INPUT_REASONS = ["INPUT_MALFORMED", "WITNESS_MALFORMED", "WITNESS_UNSATISFIABLE"];

function failureMessage({ reason, message, retryable }: JobFailure, inputKind: InputKind) {
  return create(JobFailureSchema, {
    reason,
    message,
    retryable,
    grpcCode: ERRORS[reason as ErrorCode].grpc,
    field: INPUT_REASONS.includes(reason) ? INPUT_FIELD[inputKind] : "",
  });
}
