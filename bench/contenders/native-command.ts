import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import type { Fixture } from "../fixtures/fixture.ts";
import { type Contender, ContenderError } from "./contender.ts";
import type { ProvedMessage } from "./message.ts";
import { outputPaths, readOutput } from "./native-output.ts";
import { peakBytesOf } from "./process.ts";

/** How often a command's memory is looked at while it runs. */
const MEMORY_POLL_MS = 20;

/** A native prover as a command: a new process for each proof; `native.ts` says how. */
export class NativeCommand implements Contender {
  readonly pid = undefined;
  readonly loaded: Contender["loaded"];
  readonly #start: (words: readonly string[]) => ChildProcess;
  readonly #fixture: Fixture;
  readonly #folder: string;
  #peakBytes: number | undefined;
  #count = 0;

  constructor(
    name: string,
    start: (words: readonly string[]) => ChildProcess,
    fixture: Fixture,
    folder: string,
  ) {
    // 0 ms: the load is in the time of each proof, and the results say so.
    this.loaded = { kind: "loaded", ms: 0, engineName: name };
    this.#start = start;
    this.#fixture = fixture;
    this.#folder = folder;
  }

  async ready(): Promise<void> {}

  async prove(): Promise<ProvedMessage> {
    const { zkeyPath, wtnsPath } = this.#fixture;
    const [proof, signals] = outputPaths(this.#folder, this.#count++);
    const startedMs = performance.now();
    const child = this.#start([zkeyPath, wtnsPath, proof, signals]);
    const poll = setInterval(() => this.#look(child.pid), MEMORY_POLL_MS);
    let said = "";
    child.stdout?.resume();
    child.stderr?.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-500);
    });
    try {
      const [code, signal] = await once(child, "close");
      const ms = performance.now() - startedMs;
      if (code !== 0) throw new ContenderError(`${signal ?? `exit ${code}`}: ${said.trim()}`);
      return { kind: "proved", ms, ...(await readOutput(proof, signals)) };
    } catch (cause) {
      if (cause instanceof ContenderError) throw cause;
      throw new ContenderError(`cannot run: ${(cause as Error).message}`, { cause });
    } finally {
      clearInterval(poll);
    }
  }

  peakBytes(): number | undefined {
    return this.#peakBytes;
  }

  async close(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  #look(pid: number | undefined): void {
    const bytes = pid === undefined ? undefined : peakBytesOf(pid);
    if (bytes !== undefined) this.#peakBytes = Math.max(bytes, this.#peakBytes ?? 0);
  }
}
