import { setTimeout as sleep } from "node:timers/promises";
import {
  create,
  type DescMethod,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { ProverClientError } from "./client-error.ts";
import { methodDefinition } from "./grpc.ts";
import { decodeServiceError } from "./status.ts";

export interface CallerOptions {
  /** host:port, or any other target that grpc-js takes. With TLS a host name: Node takes no IP address. */
  readonly address: string;
  /** The bytes of PEM files. Absent: plaintext. */
  readonly tls?: {
    /** Absent: the system's authorities. */
    readonly ca?: Uint8Array;
    readonly cert?: Uint8Array;
    readonly key?: Uint8Array;
  };
  /** Deadline of each call that is not a stream. */
  readonly callMs?: number;
  /** How long to go on repeating a call that may end well later. 0: never repeat. */
  readonly patienceMs?: number;
}

export interface CallOptions {
  /** Aborting ends the call with CANCELLED. */
  readonly signal?: AbortSignal | undefined;
}

type Request<M extends DescMethod> = MessageInitShape<M["input"]>;
type Response<M extends DescMethod> = MessageShape<M["output"]>;

const CALL_MS = 30_000;
const PATIENCE_MS = 10_000;
const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 5_000;
/** Answers are small but for proofs; the default of 4 MiB would do, an explicit one is documented. */
const RECEIVE_MAX_BYTES = 16 * 1024 * 1024;
const KEEPALIVE_MS = 30_000;

/** Calls methods of protobuf-es services, repeats what may be repeated, and decodes rich errors. */
export class Caller {
  readonly #client: grpc.Client;
  readonly #callMs: number;
  readonly #patienceMs: number;

  constructor({ address, tls, callMs = CALL_MS, patienceMs = PATIENCE_MS }: CallerOptions) {
    const credentials =
      tls === undefined
        ? grpc.credentials.createInsecure()
        : grpc.credentials.createSsl(buffer(tls.ca), buffer(tls.key), buffer(tls.cert));
    this.#client = new grpc.Client(address, credentials, {
      "grpc.max_receive_message_length": RECEIVE_MAX_BYTES,
      "grpc.keepalive_time_ms": KEEPALIVE_MS,
      "grpc.max_reconnect_backoff_ms": BACKOFF_MAX_MS,
    });
    this.#callMs = callMs;
    this.#patienceMs = patienceMs;
  }

  /**
   * Every method of the service is safe to repeat, submissions by their request id.
   *
   * @param extraMs  added to the deadline, for calls that wait on purpose.
   * @throws ProverClientError
   */
  async unary<M extends DescMethod>(
    method: M,
    request: Request<M>,
    { signal, extraMs = 0 }: CallOptions & { readonly extraMs?: number } = {},
  ): Promise<Response<M>> {
    const patience = this.patience(signal);
    while (true) {
      try {
        return await this.#once(method, request, extraMs, signal);
      } catch (error) {
        await patience.after(error);
      }
    }
  }

  /**
   * One server stream, not repeated.
   *
   * @throws ProverClientError
   */
  async *stream<M extends DescMethod>(
    method: M,
    request: Request<M>,
    { signal }: CallOptions = {},
  ): AsyncGenerator<Response<M>> {
    throwIfAborted(signal);
    const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
    const message = create(method.input, request);
    const call = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      message,
    );
    const cancel = () => call.cancel();
    signal?.addEventListener("abort", cancel);
    try {
      for await (const response of call) yield response as Response<M>;
    } catch (caught) {
      throwIfAborted(signal);
      throw decode(caught);
    } finally {
      signal?.removeEventListener("abort", cancel);
      // Leaving early must end the call; after its end this does nothing.
      call.cancel();
    }
  }

  /** A new allowance of time for repetitions. */
  patience(signal: AbortSignal | undefined): Patience {
    return new Patience(this.#patienceMs, signal);
  }

  close(): void {
    this.#client.close();
  }

  #once<M extends DescMethod>(
    method: M,
    request: Request<M>,
    extraMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Response<M>> {
    const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
    const message = create(method.input, request);
    return new Promise((resolve, reject) => {
      throwIfAborted(signal);
      const cancel = () => call.cancel();
      const call = this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        message,
        { deadline: Date.now() + this.#callMs + extraMs },
        (error, response) => {
          signal?.removeEventListener("abort", cancel);
          if (error === null) resolve(response as Response<M>);
          else reject(signal?.aborted ? aborted(signal) : decode(error));
        },
      );
      signal?.addEventListener("abort", cancel);
    });
  }
}

/** Decides whether a failed call is repeated, and waits before it is. */
export class Patience {
  readonly #ms: number;
  readonly #signal: AbortSignal | undefined;
  #startedMs = Date.now();
  #failures = 0;

  constructor(ms: number, signal: AbortSignal | undefined) {
    this.#ms = ms;
    this.#signal = signal;
  }

  /** After a success: the next failure starts a new allowance. */
  renew(): void {
    this.#failures = 0;
  }

  /** Returns when it is time to repeat. @throws the error if it is not to be repeated. */
  async after(error: unknown): Promise<void> {
    if (!(error instanceof ProverClientError) || !error.isTransient) throw error;
    if (this.#failures === 0) this.#startedMs = Date.now();
    const backoffMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** this.#failures++);
    // Spread over 50 to 150 %, so that callers who were refused together do not come back together.
    const pauseMs = Math.max(error.retryAfterMs ?? 0, backoffMs * (0.5 + Math.random()));
    if (Date.now() + pauseMs - this.#startedMs > this.#ms) throw error;
    await sleep(pauseMs, undefined, { signal: this.#signal }).catch(() => {});
    throwIfAborted(this.#signal);
  }
}

/** grpc-js insists on Node's own class. */
const buffer = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes);

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(signal);
}

function aborted(signal: AbortSignal): ProverClientError {
  return new ProverClientError("CANCELLED", "the call was cancelled on this side", {
    cause: signal.reason,
  });
}

function decode(caught: unknown): unknown {
  if (!(caught instanceof Error) || !("code" in caught) || !("details" in caught)) return caught;
  return ProverClientError.fromStatus(decodeServiceError(caught as grpc.ServiceError), caught);
}
