// Binds protobuf-es services to grpc-js: protoc-gen-es describes services and grpc-js calls them,
// and neither knows the other.
//
// Handlers are async functions and async generators that return, yield or throw; the adapter here
// owns callbacks, back-pressure and errors, so that no handler can answer twice.
import { type EventEmitter, once } from "node:events";
import type {
  DescMessage,
  DescMethod,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { create, fromBinary, isMessage, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { identityOf } from "./access/authentication.ts";
import type { Identity } from "./access/identity.ts";
import { ProverError } from "./errors.ts";
import { checkFieldBudget, FieldBudgetError } from "./field-budget.ts";
import { TRACEPARENT } from "./observe/trace-context.ts";
import { toServiceError } from "./status.ts";

/** What a handler may know about the call. */
export interface CallContext {
  /**
   * Aborts when the call ends before its handler does: cancelled by the caller, past its deadline,
   * or disconnected. Never after a normal end, although grpc-js reports "cancelled" then too.
   */
  readonly signal: AbortSignal;
  /** Unix time in milliseconds; Infinity without a deadline. */
  readonly deadlineMs: number;
  /** Who calls. It has one of the rights that the method needs. */
  readonly identity: Identity;
  /** The caller's `traceparent` as it came: any text. */
  readonly traceparent: string | undefined;
  /** Tells the caller now that the call was taken: the answer may be long in coming. */
  readonly tellTaken: () => void;
}

type Request<M extends DescMethod> = MessageShape<M["input"]>;
type Response<M extends DescMethod> = MessageInitShape<M["output"]>;

type Handler<M extends DescMethod> = M["methodKind"] extends "unary"
  ? (request: Request<M>, context: CallContext) => Promise<Response<M>>
  : (request: Request<M>, context: CallContext) => AsyncIterable<Response<M>>;

/** One handler for each method of a service whose methods are unary or server streaming. */
export type Handlers<S extends DescService> = {
  readonly [K in keyof S["method"]]: Handler<S["method"][K]>;
};

/** One call that has ended. */
export interface CallReport {
  /** For example "prover.v1.ProverService/SubmitProof". */
  readonly method: string;
  readonly elapsedMs: number;
  /** Undefined: the call ended well. */
  readonly error: ProverError | undefined;
  /** The caller left before the end. */
  readonly isAbandoned: boolean;
  /** The caller's name. Empty: callers are not told apart, or this one is not known. */
  readonly caller?: string;
  /** As in CallContext. */
  readonly traceparent?: string | undefined;
}

/** Bytes that are not the message they should be. A deserializer that throws would give INTERNAL. */
class MalformedRequest {
  readonly problem: string;

  constructor(problem: string) {
    this.problem = problem;
  }
}

function serializer<D extends DescMessage>(schema: D) {
  return (value: MessageInitShape<D>): Buffer => {
    const message = isMessage(value, schema) ? value : create(schema, value);
    const bytes = toBinary(schema, message as MessageShape<D>);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

const deserializer = (schema: DescMessage) => (bytes: Buffer) => fromBinary(schema, bytes);

/** How grpc-js calls and serves a method. */
export function methodDefinition(method: DescMethod): grpc.MethodDefinition<unknown, unknown> {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: false,
    responseStream: method.methodKind === "server_streaming",
    requestSerialize: serializer(method.input) as grpc.serialize<unknown>,
    requestDeserialize: deserializer(method.input),
    responseSerialize: serializer(method.output) as grpc.serialize<unknown>,
    responseDeserialize: deserializer(method.output),
  };
}

function serverDefinition(method: DescMethod): grpc.MethodDefinition<unknown, unknown> {
  return {
    ...methodDefinition(method),
    requestDeserialize(frame) {
      try {
        checkFieldBudget(method.input, frame);
        // Unknown fields are of no use here: a request is not passed on.
        return fromBinary(method.input, ownBytes(frame), { readUnknownFields: false });
      } catch (error) {
        const name = method.input.typeName;
        return new MalformedRequest(
          error instanceof FieldBudgetError
            ? `got a ${name} of ${error.message}. Send several smaller requests.`
            : `got bytes that are not a ${name}. Encode the request with the published proto.`,
        );
      }
    },
  };
}

/** The header of a gRPC message: whether it is compressed, and its length. */
const HEADER_BYTES = 5;

/**
 * The same bytes, alone in their buffer. Bytes fields are views of it, so that whoever has a message to
 * himself may move an input of megabytes to another thread as it came.
 */
function ownBytes(frame: Buffer): Uint8Array {
  return frame.buffer.byteLength <= frame.length + HEADER_BYTES ? frame : new Uint8Array(frame);
}

/** Serves `service` on `server`. `report` is told of every call that has ended. */
export function addService<S extends DescService>(
  server: grpc.Server,
  service: S,
  handlers: Handlers<S>,
  report: (call: CallReport) => void,
): void {
  const definition: Record<string, grpc.MethodDefinition<unknown, unknown>> = {};
  const implementation: grpc.UntypedServiceImplementation = {};
  for (const method of service.methods) {
    definition[method.localName] = serverDefinition(method);
    const handler = (handlers as Record<string, AnyHandler>)[method.localName] as AnyHandler;
    implementation[method.localName] =
      method.methodKind === "unary"
        ? unaryAdapter(method, handler as UnaryHandler, report)
        : streamAdapter(method, handler as StreamHandler, report);
  }
  server.addService(definition, implementation);
}

type UnaryHandler = (request: unknown, context: CallContext) => Promise<unknown>;
type StreamHandler = (request: unknown, context: CallContext) => AsyncIterable<unknown>;
type AnyHandler = UnaryHandler | StreamHandler;
type Report = (call: CallReport) => void;

function unaryAdapter(
  method: DescMethod,
  handler: UnaryHandler,
  report: Report,
): grpc.handleUnaryCall<unknown, unknown> {
  return async (call, callback) => {
    const open = openCall(method, call, report);
    try {
      const response = await handler(wellFormed(call.request), open.context);
      open.end();
      callback(null, response);
    } catch (caught) {
      callback(toServiceError(open.fail(caught)));
    }
  };
}

function streamAdapter(
  method: DescMethod,
  handler: StreamHandler,
  report: Report,
): grpc.handleServerStreamingCall<unknown, unknown> {
  return async (call) => {
    const open = openCall(method, call, report);
    try {
      const { signal } = open.context;
      // A stream may have nothing to say for long.
      open.context.tellTaken();
      for await (const message of handler(wellFormed(call.request), open.context)) {
        if (signal.aborted) break;
        // A slow reader must slow the handler down, or its messages pile up here.
        if (!call.write(message)) await once(call, "drain", { signal });
      }
      open.end();
      call.end();
    } catch (caught) {
      call.emit("error", toServiceError(open.fail(caught)));
    }
  };
}

function wellFormed(request: unknown): unknown {
  if (!(request instanceof MalformedRequest)) return request;
  throw new ProverError("REQUEST_MALFORMED", request.problem);
}

interface OpenCall {
  readonly context: CallContext;
  /** Before a good answer is sent: what comes later is no cancellation. */
  end(): void;
  /** Before an error is sent; gives that error. */
  fail(caught: unknown): ProverError;
}

function openCall(
  method: DescMethod,
  call: grpc.ServerUnaryCall<unknown, unknown> | grpc.ServerWritableStream<unknown, unknown>,
  report: Report,
): OpenCall {
  const startedMs = performance.now();
  const identity = identityOf(call.metadata);
  const traceparent = call.metadata.get(TRACEPARENT)[0]?.toString();
  const abort = new AbortController();
  const deadline = call.getDeadline();
  let isOpen = true;
  const abandon = () => {
    if (isOpen) abort.abort();
  };
  (call as EventEmitter).on("cancelled", abandon);
  // A call that was cancelled before this point does not emit the event again.
  if (call.cancelled) abandon();

  const close = (error: ProverError | undefined) => {
    isOpen = false;
    report({
      method: `${method.parent.typeName}/${method.name}`,
      elapsedMs: performance.now() - startedMs,
      error: abort.signal.aborted ? undefined : error,
      isAbandoned: abort.signal.aborted,
      caller: identity?.name ?? "",
      traceparent,
    });
  };
  return {
    context: {
      signal: abort.signal,
      get identity() {
        if (identity === undefined) throw new Error("a call that was not asked who it is");
        return identity;
      },
      traceparent,
      deadlineMs: typeof deadline === "number" ? deadline : deadline.getTime(),
      tellTaken: () => call.sendMetadata(new grpc.Metadata()),
    },
    end: () => close(undefined),
    fail(caught) {
      // Nobody hears the answer of an abandoned call, and what unwound its handler is no fault.
      const error = abort.signal.aborted
        ? new ProverError("CANCELLED", "the caller ended the call")
        : ProverError.from(caught);
      close(error);
      return error;
    },
  };
}
