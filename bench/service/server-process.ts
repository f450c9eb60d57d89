/** The service as it is deployed on one machine: a process of its own, its jobs in a SQLite file. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ContenderError } from "../contenders/contender.ts";
import type { ServedCircuit } from "../fixtures/served-circuit.ts";

const MAIN = join(import.meta.dirname, "../../prover/command/main.ts");

export class ServerProcess implements AsyncDisposable {
  readonly address: string;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(child: ChildProcess, address: string, folder: string) {
    this.#child = child;
    this.address = address;
    this.#folder = folder;
  }

  /**
   * @param benchDir  on the disk that is to be measured: a store in memory would be told apart.
   * Settings of this process' environment are the server's too.
   * @throws ContenderError if it does not start.
   */
  static async start(
    { id, circuitsDir }: ServedCircuit,
    threads: number,
    benchDir: string,
  ): Promise<ServerProcess> {
    const folder = await mkdtemp(join(benchDir, "store-"));
    const env = {
      PATH: process.env.PATH,
      PROVER_LISTEN: "127.0.0.1:0",
      PROVER_ADMIN_LISTEN: "127.0.0.1:0",
      PROVER_STORE: `sqlite:${join(folder, "jobs.sqlite")}`,
      PROVER_CIRCUITS_DIR: circuitsDir,
      PROVER_CIRCUITS: id,
      PROVER_ALLOW_DEV_KEYS: "true",
      PROVER_THREADS: String(threads),
      // Submissions come faster than proofs: the line grows to all of a window's.
      PROVER_QUEUE_MAX: "1000000",
      PROVER_QUEUE_MAX_BYTES: String(2 ** 40),
      PROVER_DRAIN_MS: "0",
      PROVER_LOG_LEVEL: "warn",
      ...settingsOf(process.env),
    };
    const child = spawn(process.execPath, [MAIN, "serve"], {
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "exit").then(([code]) => {
      throw new ContenderError(`the server ended at its start with exit code ${code}`);
    });
    ended.catch(() => {});
    const listening = new Promise<number>((resolve) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        // The line for supervisors; the log has another form.
        const { port, level } = JSON.parse(line) as { port?: number; level?: number };
        if (port !== undefined && level === undefined) resolve(port);
      });
    });
    const port = await Promise.race([listening, ended]);
    return new ServerProcess(child, `127.0.0.1:${port}`, folder);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) {
      const exited = once(this.#child, "exit");
      this.#child.kill("SIGTERM");
      await exited;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function settingsOf(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith("PROVER_")));
}
