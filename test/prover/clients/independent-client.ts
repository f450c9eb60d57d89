// What the tests ask of a gRPC client that shares no code with ours. Messages are protobuf's JSON.
import { fromBinary, type JsonObject } from "@bufbuild/protobuf";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../../gen/google/rpc/error_details_pb.ts";

export interface CallOptions {
  /** Deadline of the call. */
  readonly timeoutMs?: number;
  /** Compress the request. */
  readonly gzip?: boolean;
  /** Cancel a stream after so many messages, which is a good end. */
  readonly cancelAfter?: number;
}

export interface IndependentClient extends AsyncDisposable {
  /**
   * @param method  for example "prover.v1.ProverService/SubmitProof".
   * @returns the answers, exactly one if the method is unary.
   * @throws CallError
   */
  call(method: string, request: JsonObject, options?: CallOptions): Promise<Answer[]>;
}

/** Loosely typed: tests look into it with matchers. */
// biome-ignore lint/suspicious/noExplicitAny: JSON of any message
export type Answer = any;

export interface Connection {
  readonly port: number;
  /** PEM files. Absent: plaintext. The server's certificate is for "localhost". */
  readonly tls?: { readonly ca: string; readonly cert?: string; readonly key?: string };
  /** Ping the server so often while a call is open. */
  readonly keepaliveMs?: number;
  /** Which of the two reflection services the client learns the messages from, if it does. */
  readonly reflection?: "v1" | "v1alpha";
}

export interface ClientKind {
  readonly name: string;
  /** Why it cannot be tested here. */
  readonly whyUnavailable: string | undefined;
  /** Features that it does not have. */
  readonly lacks: readonly ("gzip" | "pings" | "one connection" | "reflection")[];
  open(connection: Connection): Promise<IndependentClient>;
}

/** One of `google.rpc.Status.details`. */
interface Detail {
  /** For example "google.rpc.ErrorInfo". */
  readonly type: string;
  readonly value: Uint8Array;
}

/** A call that ended with a status other than OK. */
export class CallError extends Error {
  override readonly name = "CallError";
  /** Number of the gRPC status. */
  readonly code: number;
  readonly reason: string | undefined;
  readonly fields: readonly string[];
  readonly retryDelay: unknown;

  constructor(code: number, message: string, details: readonly Detail[]) {
    super(message);
    const find = (type: string) =>
      details.find((each) => each.type === `google.rpc.${type}`)?.value;
    const [info, fields, retry] = [find("ErrorInfo"), find("BadRequest"), find("RetryInfo")];
    this.code = code;
    this.reason = info && fromBinary(ErrorInfoSchema, info).reason;
    this.fields = fields
      ? fromBinary(BadRequestSchema, fields).fieldViolations.map(({ field }) => field)
      : [];
    this.retryDelay = retry && fromBinary(RetryInfoSchema, retry).retryDelay;
  }
}
