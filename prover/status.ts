// The rich error model on the wire: ProverError <-> gRPC status with `grpc-status-details-bin`.
import { create, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { anyPack, anyUnpack, durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../gen/google/rpc/status_pb.ts";
import { ERRORS, type ProverError } from "./errors.ts";
import type { FieldViolation } from "./field-violation.ts";

export type RpcStatus = MessageShape<typeof StatusSchema>;

/** `ErrorInfo.domain` of every error of this service. */
export const ERROR_DOMAIN = "proofmill";

const DETAILS_KEY = "grpc-status-details-bin";

// The details travel in an HTTP/2 trailer, and common clients refuse more than 8 KiB of headers. Eight
// violations of these sizes take 3.3 KiB, 5 in base64; the message, percent-encoded, 1 more.
const VIOLATIONS_MAX = 8;
const FIELD_BYTES_MAX = 96;
const TEXT_BYTES_MAX = 320;
const ELLIPSIS = "...";

/** The error as google.rpc.Status, with BadRequest, RetryInfo and ErrorInfo where they apply. */
export function toRpcStatus(error: ProverError): RpcStatus {
  const { grpc: code, retry } = ERRORS[error.code];
  const details = [
    anyPack(
      ErrorInfoSchema,
      create(ErrorInfoSchema, { reason: error.code, domain: ERROR_DOMAIN, metadata: { retry } }),
    ),
  ];
  if (error.violations.length > 0) {
    const fieldViolations = error.violations.slice(0, VIOLATIONS_MAX).map((violation) => ({
      field: clip(violation.field, FIELD_BYTES_MAX),
      description: clip(violation.description, TEXT_BYTES_MAX),
    }));
    details.push(anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations })));
  }
  if (error.retryAfterMs !== undefined) {
    const retryDelay = durationFromMs(error.retryAfterMs);
    details.push(anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay })));
  }
  return create(StatusSchema, { code, message: clip(error.message, TEXT_BYTES_MAX), details });
}

/** The error as grpc-js takes it from a handler. */
export function toServiceError(error: ProverError): grpc.ServiceError {
  const rich = toRpcStatus(error);
  const metadata = new grpc.Metadata();
  metadata.set(DETAILS_KEY, Buffer.from(toBinary(StatusSchema, rich)));
  return Object.assign(new Error(rich.message), {
    code: rich.code,
    details: rich.message,
    metadata,
  });
}

/** What a client can read out of a status. */
export interface DecodedStatus {
  readonly grpc: grpc.status;
  readonly message: string;
  /** `ErrorInfo.reason`, undefined when the error did not come from this service. */
  readonly reason: string | undefined;
  readonly violations: readonly FieldViolation[];
  readonly retryAfterMs: number | undefined;
}

export function decodeRpcStatus(rich: RpcStatus): DecodedStatus {
  let reason: string | undefined;
  let retryAfterMs: number | undefined;
  const violations: FieldViolation[] = [];
  for (const detail of rich.details) {
    const info = anyUnpack(detail, ErrorInfoSchema);
    if (info !== undefined && info.domain === ERROR_DOMAIN) reason = info.reason;
    const retry = anyUnpack(detail, RetryInfoSchema)?.retryDelay;
    if (retry !== undefined) retryAfterMs = durationMs(retry);
    for (const { field, description } of anyUnpack(detail, BadRequestSchema)?.fieldViolations ??
      []) {
      violations.push({ field, description });
    }
  }
  return { grpc: rich.code, message: rich.message, reason, violations, retryAfterMs };
}

/** The status that a grpc-js client call failed with; a missing or damaged trailer leaves the plain status. */
export function decodeServiceError(error: grpc.ServiceError): DecodedStatus {
  const plain: DecodedStatus = {
    grpc: error.code,
    message: error.details,
    reason: undefined,
    violations: [],
    retryAfterMs: undefined,
  };
  const bytes = error.metadata?.get(DETAILS_KEY)[0];
  if (!(bytes instanceof Uint8Array)) return plain;
  try {
    // The plain status is authoritative: a proxy may have replaced it.
    return { ...decodeRpcStatus(fromBinary(StatusSchema, bytes)), grpc: error.code };
  } catch {
    return plain;
  }
}

function clip(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= bytesMax) return text;
  // A character cut in two decodes to U+FFFD.
  const kept = bytes.subarray(0, bytesMax - ELLIPSIS.length).toString();
  return `${kept.replace(/\uFFFD$/, "")}${ELLIPSIS}`;
}
