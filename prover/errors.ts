import { status } from "@grpc/grpc-js";
import { BatchError, type BatchErrorCode } from "../circuits/errors.ts";
import { WorkError, type WorkErrorCode } from "../worker/errors.ts";
import type { FieldViolation } from "./field-violation.ts";

/** What a caller may do: nothing, the same call at once (another replica will do), or later. */
export type RetryPolicy = "never" | "now" | "backoff";

/** Faults that only the service knows. */
export type ServiceErrorCode =
  | "UNAUTHENTICATED"
  | "PERMISSION_DENIED"
  | "CALLER_LIMIT"
  | "REQUEST_MALFORMED"
  | "CIRCUIT_UNKNOWN"
  | "CIRCUIT_DRAINING"
  | "JOB_UNKNOWN"
  | "REQUEST_ID_REUSED"
  | "JOB_NOT_RETRYABLE"
  | "BACKUP_REFUSED"
  | "QUEUE_FULL"
  | "STORE_UNAVAILABLE"
  | "STORE_KEY_REFUSED"
  | "INPUT_DAMAGED"
  | "LOADING"
  | "DRAINING"
  | "MEMORY_SHORT"
  | "WORKER_LOST"
  | "JOB_TOO_LONG";

export type ErrorCode = ServiceErrorCode | WorkErrorCode | BatchErrorCode;

interface ErrorRow {
  readonly grpc: status;
  /** Also decides whether the service itself repeats an attempt, and whether a dead letter is kept. */
  readonly retry: RetryPolicy;
  /** One line for the table in docs/api.md, which a test compares. */
  readonly meaning: string;
}

const row = (grpc: status, retry: RetryPolicy, meaning: string): ErrorRow => ({
  grpc,
  retry,
  meaning,
});

/** Every code with its gRPC status and its retry policy. Total: a code without a row is a type error. */
export const ERRORS: { readonly [code in ErrorCode]: ErrorRow } = {
  UNAUTHENTICATED: row(
    status.UNAUTHENTICATED,
    "never",
    "the caller shows no certificate or token that this service knows",
  ),
  PERMISSION_DENIED: row(
    status.PERMISSION_DENIED,
    "never",
    "the caller is known, but has no right to do this",
  ),
  CALLER_LIMIT: row(
    status.RESOURCE_EXHAUSTED,
    "backoff",
    "the caller has as many jobs, submissions or open calls as it may have",
  ),
  REQUEST_MALFORMED: row(
    status.INVALID_ARGUMENT,
    "never",
    "a field is missing, too long or out of range",
  ),
  BATCH_SHAPE: row(
    status.INVALID_ARGUMENT,
    "never",
    "the batch does not fit the circuit, or a number is out of range",
  ),
  BATCH_PATH: row(
    status.INVALID_ARGUMENT,
    "never",
    "an opening does not lead to prev_root, or a touched account is not opened",
  ),
  BATCH_SIGNATURE: row(status.INVALID_ARGUMENT, "never", "a signature does not verify"),
  BATCH_BALANCE: row(
    status.INVALID_ARGUMENT,
    "never",
    "a sender overspends, or a balance would overflow",
  ),
  BATCH_NONCE: row(status.INVALID_ARGUMENT, "never", "not the sender's next nonce"),
  BATCH_EXPIRED: row(
    status.INVALID_ARGUMENT,
    "never",
    "a transfer is valid only until an earlier block",
  ),
  BATCH_ACCOUNT: row(
    status.INVALID_ARGUMENT,
    "never",
    "sender, receiver or fee account is not registered, or has another key",
  ),
  BATCH_L1: row(status.INVALID_ARGUMENT, "never", "an L1 item that this state cannot satisfy"),
  INPUT_MALFORMED: row(
    status.INVALID_ARGUMENT,
    "never",
    "the input is not JSON, or a signal has a wrong name, count or range",
  ),
  WITNESS_MALFORMED: row(
    status.INVALID_ARGUMENT,
    "never",
    "the .wtns bytes are damaged or belong to another circuit",
  ),
  WITNESS_UNSATISFIABLE: row(
    status.INVALID_ARGUMENT,
    "never",
    "the inputs break a rule of the circuit",
  ),
  PROOF_MALFORMED: row(
    status.INVALID_ARGUMENT,
    "never",
    "a proof or its public signals cannot be read",
  ),
  CIRCUIT_UNKNOWN: row(status.NOT_FOUND, "never", "no such circuit here; see ListCircuits"),
  CIRCUIT_DRAINING: row(
    status.FAILED_PRECONDITION,
    "never",
    "the circuit takes no new jobs: a newer one takes its place; see ListCircuits",
  ),
  JOB_UNKNOWN: row(
    status.NOT_FOUND,
    "never",
    "no such job: never accepted here, or forgotten since; submit it again",
  ),
  REQUEST_ID_REUSED: row(
    status.ALREADY_EXISTS,
    "never",
    "the request id stands for other content; choose a new one",
  ),
  JOB_NOT_RETRYABLE: row(status.FAILED_PRECONDITION, "never", "the job is not a dead letter"),
  BACKUP_REFUSED: row(
    status.FAILED_PRECONDITION,
    "never",
    "there is no folder for copies of the job store, or the store is no file",
  ),
  QUEUE_FULL: row(status.RESOURCE_EXHAUSTED, "backoff", "the waiting line is full"),
  STORE_UNAVAILABLE: row(
    status.UNAVAILABLE,
    "backoff",
    "the job store cannot be reached, or has no room on its disk",
  ),
  STORE_KEY_REFUSED: row(
    status.FAILED_PRECONDITION,
    "never",
    "PROVER_STORE_KEY_FILE is malformed, or lacks a key that stored inputs are sealed with",
  ),
  INPUT_DAMAGED: row(
    status.DATA_LOSS,
    "never",
    "the stored input was changed or damaged; submit it again under another request id",
  ),
  LOADING: row(
    status.UNAVAILABLE,
    "backoff",
    "this server is still loading its keys; see its status page",
  ),
  DRAINING: row(status.UNAVAILABLE, "now", "this server is going down; another one will do"),
  ENGINE_UNAVAILABLE: row(
    status.UNAVAILABLE,
    "backoff",
    "the engine lost its device or cannot start",
  ),
  MEMORY_SHORT: row(
    status.UNAVAILABLE,
    "backoff",
    "the memory that the service may take, or its GPU's, does not hold one proof of this circuit",
  ),
  WORKER_LOST: row(status.UNAVAILABLE, "backoff", "the worker died in each attempt"),
  JOB_TOO_LONG: row(
    status.DEADLINE_EXCEEDED,
    "never",
    "an attempt took longer than PROVER_JOB_MAX_MS",
  ),
  CANCELLED: row(status.CANCELLED, "never", "the caller asked to stop"),
  ARTEFACT_MISMATCH: row(
    status.FAILED_PRECONDITION,
    "never",
    "a file of the circuit is not the pinned one",
  ),
  KEY_MALFORMED: row(status.FAILED_PRECONDITION, "never", "a key file is damaged"),
  KEY_REFUSED: row(
    status.FAILED_PRECONDITION,
    "never",
    "a key that must not be used: delta equals gamma, or a development key",
  ),
  PROOF_REJECTED: row(
    status.INTERNAL,
    "never",
    "the service's own verification refused its proof; report it",
  ),
  BUG: row(status.INTERNAL, "never", "a fault in the service; report it"),
};

export interface ProverErrorDetail {
  readonly violations?: readonly FieldViolation[];
  /** When the call may be repeated, in milliseconds from now. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** The only error that a handler throws. `code` is for machines, `message` for people. */
export class ProverError extends Error {
  override readonly name = "ProverError";
  readonly code: ErrorCode;
  readonly violations: readonly FieldViolation[];
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, detail: ProverErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.violations = detail.violations ?? [];
    this.retryAfterMs = detail.retryAfterMs;
  }

  /**
   * Anything caught. Unknown errors become BUG under a fixed message, since their text may quote
   * data; the error itself stays reachable as `cause` in this process.
   */
  static from(caught: unknown): ProverError {
    if (caught instanceof ProverError) return caught;
    if (caught instanceof WorkError || caught instanceof BatchError) {
      return new ProverError(caught.code, caught.message, { cause: caught });
    }
    return new ProverError("BUG", "internal fault of the service; please report it", {
      cause: caught,
    });
  }
}

/** A request with one faulty field. */
export function fieldError(
  field: string,
  description: string,
  code: ErrorCode = "REQUEST_MALFORMED",
): ProverError {
  return new ProverError(code, `${field}: ${description}`, {
    violations: [{ field, description }],
  });
}

export function isRetryable(code: ErrorCode): boolean {
  return ERRORS[code].retry !== "never";
}
