// buf's client, which is Go's (connect-go over net/http2): a process for each call.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { JsonObject } from "@bufbuild/protobuf";
import {
  CallError,
  type CallOptions,
  type ClientKind,
  type Connection,
  type IndependentClient,
} from "./independent-client.ts";

const buf = join(import.meta.dirname, "../../../node_modules/.bin/buf");

class BufCurl implements IndependentClient {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async call(method: string, request: JsonObject, { timeoutMs, cancelAfter }: CallOptions = {}) {
    const { port, tls, reflection } = this.#connection;
    const flags = ["curl", "--protocol", "grpc", "-d", "@-"];
    if (tls === undefined) flags.push("--http2-prior-knowledge");
    for (const [name, path] of Object.entries(tls ?? {})) {
      flags.push(name === "ca" ? "--cacert" : `--${name}`, path);
    }
    if (reflection !== undefined) flags.push("--reflect-protocol", `grpc-${reflection}`);
    if (timeoutMs !== undefined) flags.push("--timeout", `${timeoutMs}ms`);
    const url = `${tls ? "https" : "http"}://localhost:${port}/${method}`;
    // In a group of its own: the program in node_modules/.bin starts another one, which is to hear signals too.
    const child = spawn(buf, [...flags, url], { detached: true });
    child.stdin.on("error", () => {});
    child.stdin.end(JSON.stringify(request));
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        output[name] += text;
        if (cancelAfter !== undefined && messagesIn(output.stdout).length >= cancelAfter) {
          interrupt(child.pid as number);
        }
      });
    }
    const [exitCode] = await once(child, "close");
    const messages = messagesIn(output.stdout);
    if (cancelAfter !== undefined && messages.length >= cancelAfter) {
      return messages.slice(0, cancelAfter);
    }
    if (exitCode === 0) return messages;
    // The exit code is the gRPC status, shifted by three bits.
    throw errorOf(exitCode >> 3, output.stderr);
  }

  async [Symbol.asyncDispose]() {}
}

function interrupt(group: number): void {
  try {
    process.kill(-group, "SIGINT");
  } catch {
    // It has ended by itself.
  }
}

/** Documents that follow each other, each beginning with a brace at the start of a line. */
function messagesIn(stdout: string) {
  return stdout
    .split(/^(?=\{)/m)
    .filter((text) => /^\}$/m.test(text) || /^\{\}/.test(text))
    .map((text) => JSON.parse(text));
}

function errorOf(code: number, stderr: string): CallError {
  if (!stderr.startsWith("{")) return new CallError(code, stderr, []);
  const { message, details = [] } = JSON.parse(stderr);
  return new CallError(
    code,
    message,
    details.map(({ type, value }: { type: string; value: string }) => ({
      type,
      value: Buffer.from(value, "base64"),
    })),
  );
}

export const bufCurl: ClientKind = {
  name: "buf curl",
  whyUnavailable: undefined,
  lacks: ["gzip", "pings", "one connection"],
  open: async (connection) => new BufCurl(connection),
};
