// Connect's gRPC transport for Node, with the messages that protobuf-es generates.
import { readFileSync } from "node:fs";
import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromJson,
  type JsonObject,
  type Message,
  toJson,
} from "@bufbuild/protobuf";
import { ConnectError, type Transport } from "@connectrpc/connect";
import {
  compressionGzip,
  createGrpcTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import { ProverService } from "../../../gen/prover/v1/prover_pb.ts";
import {
  CallError,
  type CallOptions,
  type ClientKind,
  type Connection,
  type IndependentClient,
} from "./independent-client.ts";

const METHODS = [...ProverService.methods, ...Health.methods];

/** Node's 10 MB are less than a large request: its session would then reset the stream on any answer. */
const SESSION_MB = 64;

class ConnectClient implements IndependentClient {
  readonly #sessions: Http2SessionManager;
  readonly #transports: Record<"plain" | "gzip", Transport>;

  constructor({ port, tls, keepaliveMs }: Connection) {
    const baseUrl = `${tls ? "https" : "http"}://localhost:${port}`;
    const files = Object.entries(tls ?? {}).map(([name, path]) => [name, readFileSync(path)]);
    const pings = keepaliveMs === undefined ? {} : { pingIntervalMs: keepaliveMs };
    const nodeOptions = { ...Object.fromEntries(files), maxSessionMemory: SESSION_MB };
    this.#sessions = new Http2SessionManager(baseUrl, pings, nodeOptions);
    const options = { baseUrl, sessionManager: this.#sessions };
    this.#transports = {
      plain: createGrpcTransport(options),
      gzip: createGrpcTransport({ ...options, sendCompression: compressionGzip }),
    };
  }

  async call(name: string, request: JsonObject, options: CallOptions = {}) {
    const method = METHODS.find((each) => name === `${each.parent.typeName}/${each.name}`) as
      | DescMethodUnary
      | DescMethodServerStreaming
      | undefined;
    if (method === undefined) throw new Error(`no method ${name}`);
    const { timeoutMs, gzip, cancelAfter } = options;
    const transport = this.#transports[gzip ? "gzip" : "plain"];
    const message = fromJson(method.input as DescMessage, request);
    const output = method.output as DescMessage;
    const leave = new AbortController();
    const answers: unknown[] = [];
    try {
      if (method.methodKind === "unary") {
        const reply = await transport.unary(method, undefined, timeoutMs, undefined, message);
        return [toJson(output, reply.message as Message)];
      }
      const one = async function* () {
        yield create(method.input as DescMessage, message) as never;
      };
      const reply = await transport.stream(method, leave.signal, timeoutMs, undefined, one());
      for await (const each of reply.message) {
        answers.push(toJson(output, each as Message));
        if (answers.length === cancelAfter) leave.abort();
      }
      return answers;
    } catch (error) {
      if (leave.signal.aborted) return answers;
      const { code, rawMessage, details } = ConnectError.from(error);
      throw new CallError(code, rawMessage, details as { type: string; value: Uint8Array }[]);
    }
  }

  async [Symbol.asyncDispose]() {
    this.#sessions.abort();
  }
}

export const connect: ClientKind = {
  name: "Connect's gRPC transport",
  whyUnavailable: undefined,
  lacks: ["reflection"],
  open: async (connection) => new ConnectClient(connection),
};
