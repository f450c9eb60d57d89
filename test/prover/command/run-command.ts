// Runs `proofmill` as a user does: its own process, its output and exit code.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

export const root = join(import.meta.dirname, "..", "..", "..");
const program = join(root, "prover", "command", "main.ts");

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function proofmill(...words: string[]): Promise<Outcome> {
  return proofmillWith({}, ...words);
}

/** As `proofmill`, with variables beside those of this process. */
export async function proofmillWith(
  variables: Readonly<Record<string, string>>,
  ...words: string[]
): Promise<Outcome> {
  const env = { ...process.env, ...variables };
  const child = spawn(process.execPath, [program, ...words], { cwd: root, env });
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout: stdout(), stderr: stderr() };
}

/** As `proofmill`, with a stdout that is closed before the first byte is written. */
export async function proofmillUnread(...words: string[]): Promise<Omit<Outcome, "stdout">> {
  const child = spawn(process.execPath, [program, ...words], { cwd: root });
  child.stdout.destroy();
  const stderr = collect(child.stderr);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stderr: stderr() };
}

/** Starts `proofmill serve` on free ports, with jobs in memory unless told otherwise. Resolves when it can be called. */
export function startService(...words: string[]): Promise<Service> {
  return startServiceIn(root, [], ["--store", "memory", ...words]);
}

export interface Service {
  /** host:port of ProverService. */
  readonly address: string;
  /** host:port of AdminService. */
  readonly adminAddress: string;
  readonly child: ChildProcess;
  /** What it has written so far. */
  log(): string;
  /** Asks it to end. @returns the exit code. */
  stop(): Promise<number>;
}

/** As `startService`, in a folder, with all that is preset there. @param nodeFlags  for Node itself. */
export async function startServiceIn(
  cwd: string,
  nodeFlags: readonly string[],
  words: readonly string[],
): Promise<Service> {
  const ports = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
  const child = spawn(process.execPath, [...nodeFlags, program, "serve", ...ports, ...words], {
    cwd,
  });
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const exited = once(child, "close") as Promise<[number]>;
  const [port, adminPort] = await new Promise<string[]>((resolve, reject) => {
    child.stdout.on("data", () => {
      const ports = /^\{"port":(\d+),"adminPort":(\d+)/m.exec(stdout())?.slice(1);
      if (ports !== undefined) resolve(ports);
    });
    exited.then(([code]) => reject(new Error(`serve ended with ${code}: ${stdout()}${stderr()}`)));
  });
  return {
    address: `127.0.0.1:${port}`,
    adminAddress: `127.0.0.1:${adminPort}`,
    child,
    log: () => stdout() + stderr(),
    async stop() {
      child.kill("SIGTERM");
      return (await exited)[0];
    },
  };
}

/** Starts `proofmill serve` and sends it a signal as soon as it has begun to load. */
export async function serveUntilLoading(signal: "SIGTERM"): Promise<Omit<Outcome, "stderr">> {
  const ports = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
  const words = ["serve", ...ports, "--store", "memory", "--circuits", "batch-tiny"];
  const child = spawn(process.execPath, [program, ...words, "--allow-dev-keys"], { cwd: root });
  const stdout = collect(child.stdout);
  // Once: a second signal ends the process however it stands.
  const begun = () => {
    if (!stdout().includes('"loading"')) return;
    child.stdout.off("data", begun);
    child.kill(signal);
  };
  child.stdout.on("data", begun);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout: stdout() };
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    text += chunk;
  });
  return () => text;
}
