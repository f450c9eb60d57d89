// The service in a process of its own, as an operator runs it, for tests that do it harm.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { AdminClient } from "../../prover/admin-client.ts";
import { ProverClient } from "../../prover/client.ts";
import { smallCircuits } from "./small-circuits.ts";

const MAIN = join(import.meta.dirname, "../../prover/command/main.ts");

export interface ServedOptions {
  /** For PROVER_STORE. */
  readonly store: string;
  /** By variable name; they win. */
  readonly settings?: Readonly<Record<string, string>>;
  /** For Node, before the program. */
  readonly nodeArgs?: readonly string[];
  /** Most open files (`ulimit -n`). */
  readonly openFilesMax?: number;
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process that has been started, and need not have come far. */
export async function spawnService(options: ServedOptions): Promise<ChildProcess> {
  const env = {
    ...process.env,
    PROVER_STORE: options.store,
    PROVER_LISTEN: "127.0.0.1:0",
    PROVER_ADMIN_LISTEN: "127.0.0.1:0",
    PROVER_CIRCUITS_DIR: await smallCircuits(),
    PROVER_CIRCUITS: "product,chain",
    PROVER_ALLOW_DEV_KEYS: "true",
    PROVER_THREADS: "2",
    PROVER_LOG_LEVEL: "silent",
    ...options.settings,
  };
  const words = [process.execPath, ...(options.nodeArgs ?? []), MAIN, "serve"];
  const { openFilesMax } = options;
  // A shell that becomes the service: the limit is set and the process id stays.
  const [command = "", ...args] =
    openFilesMax === undefined
      ? words
      : ["sh", "-c", `ulimit -n ${openFilesMax}; exec "$@"`, "sh", ...words];
  return spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
}

export class ServedProcess implements AsyncDisposable {
  readonly client: ProverClient;
  readonly admin: AdminClient;
  /** 0: a worker has none. */
  readonly port: number;
  readonly adminPort: number;
  readonly #child: ChildProcess;
  readonly #exit: Promise<Exit>;

  private constructor(child: ChildProcess, ports: { port?: number; adminPort: number }) {
    this.#child = child;
    this.#exit = exitOf(child);
    this.port = ports.port ?? 0;
    this.adminPort = ports.adminPort;
    this.client = new ProverClient({ address: `127.0.0.1:${this.port}`, patienceMs: 0 });
    this.admin = new AdminClient({ address: `127.0.0.1:${ports.adminPort}`, patienceMs: 0 });
  }

  /** @throws Error with what it said, if it ends before it serves. */
  static async start(options: ServedOptions): Promise<ServedProcess> {
    const child = await spawnService(options);
    const said = collect(child.stderr as NodeJS.ReadableStream);
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    const ended = exitOf(child).then(({ code, signal }) => {
      throw new Error(`the service ended at its start (${signal ?? code}): ${said()}`);
    });
    ended.catch(() => {});
    const [line] = await Promise.race([once(lines, "line"), ended]);
    return new ServedProcess(child, JSON.parse(line as string));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Sends a signal; `ended` tells what came of it. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  get ended(): Promise<Exit> {
    return this.#exit;
  }

  async end(name: "SIGTERM" | "SIGKILL"): Promise<Exit> {
    this.signal(name);
    return this.#exit;
  }

  /** Resident memory, bytes. */
  memoryBytes(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    this.admin.close();
    // Whatever a test left of it.
    await this.end("SIGKILL");
  }
}

export async function exitOf(child: ChildProcess): Promise<Exit> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return { code: child.exitCode, signal: child.signalCode };
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = "";
  stream.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  return () => text;
}
