import { status } from "@grpc/grpc-js";
import type { Job } from "../gen/prover/v1/job_pb.ts";
import type { FieldViolation } from "./field-violation.ts";
import type { DecodedStatus } from "./status.ts";

/**
 * Name of a gRPC status. Spelled out, and not grpc-js's type, so that a caller's compiler does not
 * need what that one's declarations need.
 */
export type StatusName =
  | "OK"
  | "CANCELLED"
  | "UNKNOWN"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "OUT_OF_RANGE"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "DATA_LOSS"
  | "UNAUTHENTICATED";

export interface ProverClientErrorDetail {
  /** The service's own code, such as "QUEUE_FULL"; docs/api.md has the table. */
  readonly reason?: string | undefined;
  readonly violations?: readonly FieldViolation[];
  readonly retryAfterMs?: number | undefined;
  /** The job that ended without a proof. */
  readonly job?: Job | undefined;
  readonly cause?: unknown;
}

/** A call that failed, or a job that ended without a proof. */
export class ProverClientError extends Error {
  override readonly name = "ProverClientError";
  readonly code: StatusName;
  readonly reason: string | undefined;
  /** Fields of the request at fault. */
  readonly violations: readonly FieldViolation[];
  /** When the call may be repeated, in milliseconds from now. */
  readonly retryAfterMs: number | undefined;
  readonly job: Job | undefined;

  constructor(code: StatusName, message: string, detail: ProverClientErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.reason = detail.reason;
    this.violations = detail.violations ?? [];
    this.retryAfterMs = detail.retryAfterMs;
    this.job = detail.job;
  }

  /** @internal */
  static fromStatus(decoded: DecodedStatus, cause: unknown): ProverClientError {
    return new ProverClientError(statusName(decoded.grpc), decoded.message, { ...decoded, cause });
  }

  /** A job in a final state other than SUCCEEDED. @internal */
  static fromJob(job: Job, state: string): ProverClientError {
    const { failure } = job;
    if (failure === undefined) {
      const code = state === "EXPIRED" ? "DEADLINE_EXCEEDED" : "CANCELLED";
      return new ProverClientError(code, `job ${job.jobId} ended ${state}`, { reason: state, job });
    }
    const { reason, message, grpcCode, field } = failure;
    return new ProverClientError(statusName(grpcCode), message, {
      reason,
      violations: field === "" ? [] : [{ field, description: message }],
      job,
    });
  }

  /**
   * Whether the same call may end well later: the server was away, the connection broke, or time ran
   * out. Not for a job that has ended, which stays as it is under its request id. RESOURCE_EXHAUSTED
   * counts only with a retry delay: without one it says that a message is too large, which repeating
   * does not change.
   */
  get isTransient(): boolean {
    if (this.job !== undefined) return false;
    if (this.code === "RESOURCE_EXHAUSTED") return this.retryAfterMs !== undefined;
    if (this.code === "DEADLINE_EXCEEDED") return this.reason === undefined;
    return this.code === "UNAVAILABLE";
  }
}

function statusName(code: number): StatusName {
  const name = status[code] as keyof typeof status | undefined;
  return name ?? "UNKNOWN";
}
