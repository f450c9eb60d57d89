// A whole server on free ports, with its clients, for tests through real sockets and threads.
import { pino } from "pino";
import { AdminClient } from "../../prover/admin-client.ts";
import { Caller, type CallerOptions } from "../../prover/caller.ts";
import { ProverClient, type SubmitRequest } from "../../prover/client.ts";
import { parseConfig } from "../../prover/config.ts";
import type { JobStore } from "../../prover/job-store.ts";
import { type RunningServer, startServer } from "../../prover/server.ts";
import type { Opener } from "../../worker/hosting/hosted.ts";
import { smallCircuits } from "./small-circuits.ts";

export interface TestServer extends AsyncDisposable {
  readonly server: RunningServer;
  readonly client: ProverClient;
  readonly admin: AdminClient;
  /** What the server logged, parsed. */
  readonly logged: readonly Record<string, unknown>[];
  /** A stream that the client has no method for. */
  stream: Caller["stream"];
  /** A further client, which repeats nothing unless told to. */
  connect(options?: Partial<CallerOptions>): ProverClient;
}

/**
 * @param settings  by variable name; they win over what a test server has by default.
 * @param opener    as in ServerDependencies.
 */
export async function startTestServer(
  settings: Record<string, string> = {},
  store?: JobStore,
  opener?: Opener,
): Promise<TestServer> {
  const logged: Record<string, unknown>[] = [];
  const log = pino({ level: "debug" }, { write: (line) => logged.push(JSON.parse(line)) });
  const config = parseConfig({
    PROVER_LISTEN: "127.0.0.1:0",
    PROVER_ADMIN_LISTEN: "127.0.0.1:0",
    PROVER_CIRCUITS_DIR: settings.PROVER_CIRCUITS_DIR ?? (await smallCircuits()),
    PROVER_ALLOW_DEV_KEYS: "true",
    PROVER_THREADS: "1",
    PROVER_DRAIN_MS: "0",
    PROVER_STORE: "memory",
    // Most tests have nothing to do with a GPU that the machine may have.
    PROVER_ENGINE: opener === undefined ? "wasm" : "auto",
    ...settings,
  });
  const server = await startServer(config, {
    log,
    ...(store && { store }),
    ...(opener && { opener }),
  });
  const clients: ProverClient[] = [];
  const connect = (options: Partial<CallerOptions> = {}) => {
    const address = `127.0.0.1:${server.port}`;
    const client = new ProverClient({ address, patienceMs: 0, ...options });
    clients.push(client);
    return client;
  };
  const client = connect();
  const caller = new Caller({ address: `127.0.0.1:${server.port}`, patienceMs: 0 });
  const admin = new AdminClient({ address: `127.0.0.1:${server.adminPort}`, patienceMs: 0 });
  return {
    server,
    client,
    admin,
    logged,
    connect,
    stream: (...call) => caller.stream(...call),
    async [Symbol.asyncDispose]() {
      for (const each of clients) each.close();
      admin.close();
      caller.close();
      await server.close();
    },
  };
}

let count = 0;

/** Proves in well under a second. */
export function productRequest(changes: Partial<SubmitRequest> = {}): SubmitRequest {
  return request("product", { a: 3, b: "5", product: ["15"] }, changes);
}

/** Proves for half a second. */
export function chainRequest(changes: Partial<SubmitRequest> = {}): SubmitRequest {
  return request("chain", { start: 3 }, changes);
}

/** Computes its witness for far longer than any test waits. */
export function stubbornRequest(changes: Partial<SubmitRequest> = {}): SubmitRequest {
  return request("stubborn", { steps: 1_000_000_000 }, changes);
}

function request(
  circuitId: string,
  inputs: unknown,
  changes: Partial<SubmitRequest>,
): SubmitRequest {
  return {
    requestId: `test-${++count}`,
    circuitId,
    input: jsonInput(inputs),
    ...changes,
  } as SubmitRequest;
}

export function jsonInput(inputs: unknown): NonNullable<SubmitRequest["input"]> {
  return { case: "inputJson", value: Buffer.from(JSON.stringify(inputs)) };
}
