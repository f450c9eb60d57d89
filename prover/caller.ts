import {
  create,
  type DescMethod,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { type CallOptions, CallScope } from "./call-scope.ts";
import { type ChannelOptions, openChannel } from "./channel.ts";
import { ProverClientError } from "./client-error.ts";
import { methodDefinition } from "./grpc.ts";
import { Patience } from "./patience.ts";
import { type DecodedStatus, decodeServiceError } from "./status.ts";

export type { CallOptions } from "./call-scope.ts";

export interface CallerOptions extends ChannelOptions {
  /**
   * The API token that the service knows this caller by, or what gives it, asked before each call.
   * Without TLS it is sent to this machine only.
   */
  readonly token?: string | (() => string | Promise<string>);
  /** Deadline in milliseconds of each attempt of a call that is not a stream. 30 s unless given. */
  readonly callMs?: number;
  /**
   * How long, in milliseconds from its first failure on, a call is repeated that may end well later:
   * 10 s unless given, 0 for never. An attempt that has begun by then is not cut short.
   */
  readonly patienceMs?: number;
}

type Request<M extends DescMethod> = MessageInitShape<M["input"]>;
type Response<M extends DescMethod> = MessageShape<M["output"]>;

const CALL_MS = 30_000;
const PATIENCE_MS = 10_000;

/** Calls methods of protobuf-es services, repeats what may be repeated, and decodes rich errors. */
export class Caller {
  readonly #client: grpc.Client;
  readonly #callMs: number;
  readonly #patienceMs: number;
  readonly #token: CallerOptions["token"];
  readonly #scopes = new Set<CallScope>();
  #isClosed = false;

  constructor({ callMs = CALL_MS, patienceMs = PATIENCE_MS, token, ...channel }: CallerOptions) {
    if (token !== undefined) requirePrivate(channel);
    this.#token = token;
    this.#client = openChannel(channel);
    this.#callMs = callMs;
    this.#patienceMs = patienceMs;
  }

  /**
   * Every method of the service is safe to repeat, submissions by their request id.
   *
   * @param extraMs  added to the deadline, for calls that wait on purpose. A connection that breaks
   *   while the server lets such a call wait says nothing against the server.
   * @throws ProverClientError
   */
  async unary<M extends DescMethod>(
    method: M,
    request: Request<M>,
    { extraMs = 0, ...options }: CallOptions & { readonly extraMs?: number } = {},
  ): Promise<Response<M>> {
    const scope = this.scope(options);
    const patience = this.patience(scope);
    const onOpen = extraMs > 0 ? () => patience.opened() : undefined;
    try {
      while (true) {
        try {
          return await this.#once(method, request, { extraMs, onOpen }, scope);
        } catch (error) {
          await patience.after(error);
        }
      }
    } finally {
      scope.end();
    }
  }

  /**
   * One server stream, not repeated.
   *
   * @param options.onOpen  called when the server has taken the call, before the first message.
   * @throws ProverClientError
   */
  async *stream<M extends DescMethod>(
    method: M,
    request: Request<M>,
    { onOpen, ...options }: CallOptions & { readonly onOpen?: () => void } = {},
  ): AsyncGenerator<Response<M>> {
    const scope = this.scope(options);
    let call: grpc.ClientReadableStream<unknown> | undefined;
    const cancel = () => call?.cancel();
    scope.signal.addEventListener("abort", cancel);
    try {
      scope.throwIfOver();
      const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
      const message = create(method.input, request);
      const metadata = await this.#metadata();
      scope.throwIfOver();
      call = this.#client.makeServerStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        message,
        metadata,
      );
      if (onOpen !== undefined) call.once("metadata", onOpen);
      for await (const response of call) yield response as Response<M>;
    } catch (caught) {
      scope.throwIfOver();
      throw decode(caught);
    } finally {
      scope.signal.removeEventListener("abort", cancel);
      scope.end();
      // Leaving early must end the call; after its end this does nothing.
      cancel();
    }
  }

  /** For a call that is made of several; end it. It is over when this client is closed. */
  scope(options: CallOptions): CallScope {
    const scope = new CallScope(options, () => this.#scopes.delete(scope));
    this.#scopes.add(scope);
    if (this.#isClosed) scope.stop(closed());
    return scope;
  }

  /** A new allowance of time for repetitions. */
  patience(scope: CallScope): Patience {
    return new Patience(this.#patienceMs, scope);
  }

  /** Ends open calls with CANCELLED and closes the connection; nothing of it keeps a process alive. */
  close(): void {
    this.#isClosed = true;
    for (const scope of this.#scopes) scope.stop(closed());
    this.#client.close();
  }

  async #metadata(): Promise<grpc.Metadata> {
    const metadata = new grpc.Metadata();
    const token = typeof this.#token === "function" ? await this.#token() : this.#token;
    if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
    return metadata;
  }

  async #once<M extends DescMethod>(
    method: M,
    request: Request<M>,
    { extraMs, onOpen }: { readonly extraMs: number; readonly onOpen: (() => void) | undefined },
    scope: CallScope,
  ): Promise<Response<M>> {
    const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
    const message = create(method.input, request);
    const metadata = await this.#metadata();
    return new Promise((resolve, reject) => {
      scope.throwIfOver();
      const cancel = () => call.cancel();
      const call = this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        message,
        metadata,
        { deadline: Date.now() + this.#callMs + extraMs },
        (error, response) => {
          scope.signal.removeEventListener("abort", cancel);
          if (error === null) resolve(response as Response<M>);
          else reject(scope.signal.aborted ? scope.signal.reason : decode(error));
        },
      );
      if (onOpen !== undefined) call.once("metadata", onOpen);
      scope.signal.addEventListener("abort", cancel);
    });
  }
}

/** @throws TypeError if others could read what is sent. */
function requirePrivate({ address, tls }: ChannelOptions): void {
  if (tls !== undefined) return;
  for (const each of typeof address === "string" ? [address] : address) {
    if (/^(?:ipv[46]:)?(?:localhost|127\.\d+\.\d+\.\d+|\[::1\]):\d+$/.test(each.trim())) continue;
    throw new TypeError(
      `token: got ${each} without TLS, over which others could read it. Set tls, or use 127.0.0.1`,
    );
  }
}

function closed(): ProverClientError {
  return new ProverClientError("CANCELLED", "the client was closed");
}

function decode(caught: unknown): unknown {
  if (!(caught instanceof Error) || !("code" in caught) || !("details" in caught)) return caught;
  const decoded = decodeServiceError(caught as grpc.ServiceError);
  return ProverClientError.fromStatus(isBroken(decoded) ? brokenOff(decoded) : decoded, caught);
}

/**
 * What grpc-js says of a stream that was reset without a status. It has no code of its own for that:
 * some of these are INTERNAL, and too many resets on one connection end all of its calls that way.
 */
const RESET = /^Received RST_STREAM|^Bandwidth exhausted or memory limit exceeded/;

/** Whether the connection failed, or what stands between, and not the call. Not asked about own cancellations. */
function isBroken({ grpc: code, message, reason }: DecodedStatus): boolean {
  return code === grpc.status.CANCELLED || (reason === undefined && RESET.test(message));
}

function brokenOff(decoded: DecodedStatus): DecodedStatus {
  return { ...decoded, grpc: grpc.status.UNAVAILABLE, reason: undefined };
}
