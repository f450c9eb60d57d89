// Python's grpcio: gRPC's C core. One process, which takes calls over its stdin.
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fromBinary, type JsonObject } from "@bufbuild/protobuf";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import {
  type Answer,
  CallError,
  type CallOptions,
  type ClientKind,
  type Connection,
  type IndependentClient,
} from "./independent-client.ts";

/** Debian's, whose grpc is a package of the system; a newer one in the path would not have it. */
export const PYTHON = "/usr/bin/python3";

/** Undefined if Python can call gRPC services here. */
export const whyNoPython: string | undefined =
  spawnSync(PYTHON, ["-c", "import grpc, google.protobuf"]).status === 0
    ? undefined
    : `${PYTHON} has no grpc and protobuf`;

class PythonClient implements IndependentClient {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<number, (reply: Answer) => void>();
  #count = 0;
  #stderr = "";

  constructor(connection: Connection) {
    this.#child = spawn(PYTHON, [join(import.meta.dirname, "client.py")]);
    createInterface(this.#child.stdout).on("line", (line) => {
      const reply = JSON.parse(line);
      this.#waiting.get(reply.id)?.(reply);
      this.#waiting.delete(reply.id);
    });
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    this.#child.on("close", () => {
      for (const reply of this.#waiting.values()) reply({ fault: this.#stderr });
    });
    this.#child.stdin.on("error", () => {});
    this.#write(connection);
  }

  async call(method: string, request: JsonObject, options: CallOptions = {}) {
    const id = ++this.#count;
    const replied = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    this.#write({ id, method, request, ...options });
    const { messages, error, fault } = await replied;
    if (fault !== undefined) throw new Error(`client.py: ${fault}`);
    if (error === undefined) return messages;
    const { details } = fromBinary(StatusSchema, Buffer.from(error.details, "base64"));
    const typed = details.map(({ typeUrl, value }) => ({
      type: typeUrl.replace(/^.*\//, ""),
      value,
    }));
    throw new CallError(error.code, error.message, typed);
  }

  async [Symbol.asyncDispose]() {
    const closed = once(this.#child, "close");
    this.#child.kill();
    await closed;
  }

  #write(line: object): void {
    this.#child.stdin.write(`${JSON.stringify(line)}\n`);
  }
}

export const python: ClientKind = {
  name: "Python's grpcio",
  whyUnavailable: whyNoPython,
  lacks: [],
  open: async (connection) => new PythonClient(connection),
};
