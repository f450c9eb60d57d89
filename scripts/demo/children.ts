// The demo's processes: started, listened to for their first line, and certain to end with it.

import { type ChildProcess, spawn } from "node:child_process";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";

export const ROOT = join(import.meta.dirname, "../..");
const LEASH = join(import.meta.dirname, "leash.ts");
const BIN = join(ROOT, "node_modules/.bin");

/** A process gets so long to end by itself before it is killed. */
const END_MS = 3_000;
/** What is kept of a process's words, for the case that it fails. */
const TAIL_CHARACTERS = 4_000;

export class Children {
  readonly #running = new Map<ChildProcess, string>();
  /** Rejects when a service ends before its time. */
  readonly failed: Promise<never>;
  #fail: (reason: Error) => void = () => {};
  #isClosing = false;

  constructor() {
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => {});
    // Whatever ends the demo ends them; where it has no say, the leash does.
    process.on("exit", () => this.#signalAll("SIGKILL"));
  }

  /**
   * Starts a service: `node <words>`.
   *
   * @param field  of the JSON line with which it says that it is ready; log lines may come before.
   * @returns that field.
   */
  async serve(
    name: string,
    field: string,
    words: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const child = this.#spawn(name, process.execPath, ["--import", LEASH, ...words], environment);
    let tail = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      tail = (tail + chunk).slice(-TAIL_CHARACTERS);
    });
    const ended = new Promise<never>((_resolve, reject) => {
      child.once("exit", (code, signal) => {
        const reason = new Error(`${name} ended (${signal ?? `exit code ${code}`}).\n${tail}`);
        if (!this.#isClosing) this.#fail(reason);
        reject(reason);
      });
    });
    ended.catch(() => {});
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    const ready = new Promise<string>((resolve) => {
      lines.on("line", (line) => {
        const value = fieldOf(line, field);
        if (value !== undefined) resolve(value);
      });
    });
    return Promise.race([ready, ended]);
  }

  /** Runs a command to its end. `isShown`: its words go to the terminal, else they are shown only if it fails. */
  async run(command: string, words: readonly string[], { isShown = false } = {}): Promise<void> {
    const child = this.#spawn(command, command, words, {}, isShown);
    let tail = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        tail = (tail + chunk).slice(-TAIL_CHARACTERS);
      });
    }
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", resolve);
    });
    if (code !== 0) throw new Error(`${command} ${words.join(" ")}: exit code ${code}.\n${tail}`);
  }

  /** Ends all, politely first. */
  async close(): Promise<void> {
    this.#isClosing = true;
    const ends = [...this.#running.keys()].map(
      (child) => new Promise((resolve) => child.once("exit", resolve)),
    );
    this.#signalAll("SIGTERM");
    const timer = setTimeout(() => this.#signalAll("SIGKILL"), END_MS);
    await Promise.all(ends);
    clearTimeout(timer);
  }

  #spawn(
    name: string,
    command: string,
    words: readonly string[],
    environment: Readonly<Record<string, string>>,
    isShown = false,
  ): ChildProcess {
    const child = spawn(command, words, {
      cwd: ROOT,
      env: { ...process.env, PATH: `${BIN}${delimiter}${process.env.PATH}`, ...environment },
      stdio: isShown ? ["ignore", "inherit", "inherit"] : ["pipe", "pipe", "pipe"],
    });
    this.#running.set(child, name);
    child.once("exit", () => this.#running.delete(child));
    child.once("error", () => this.#running.delete(child));
    return child;
  }

  #signalAll(signal: NodeJS.Signals): void {
    for (const child of this.#running.keys()) child.kill(signal);
  }
}

function fieldOf(line: string, field: string): string | undefined {
  try {
    const value = (JSON.parse(line) as Record<string, unknown>)[field];
    return value === undefined ? undefined : String(value);
  } catch {
    return undefined;
  }
}
