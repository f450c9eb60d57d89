import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Fixture } from "../fixtures/fixture.ts";
import { type Contender, ContenderError } from "./contender.ts";
import type { ProvedMessage } from "./message.ts";
import { outputPaths, readOutput } from "./native-output.ts";
import { peakBytesOf } from "./process.ts";

/** A native prover as one process that keeps the key; `native.ts` says how. Its proofs follow one another. */
export class NativeServer implements Contender {
  readonly pid: number | undefined;
  loaded: Contender["loaded"];
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #fixture: Fixture;
  readonly #folder: string;
  #previous: Promise<unknown> = Promise.resolve();

  constructor(name: string, child: ChildProcess, fixture: Fixture, folder: string) {
    this.#child = child;
    this.pid = child.pid;
    this.loaded = { kind: "loaded", ms: 0, engineName: name };
    // A process that cannot start or has ended is noticed by the end of its output.
    child.on("error", () => {});
    child.stdin?.on("error", () => {});
    child.stderr?.resume();
    this.#lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[
      Symbol.asyncIterator
    ]();
    this.#fixture = fixture;
    this.#folder = folder;
  }

  async ready(): Promise<void> {
    const line = await this.#line();
    const ms = Number(/^ready (\d+(?:\.\d+)?(?:e[-+]?\d+)?)$/.exec(line)?.[1]);
    if (Number.isNaN(ms)) throw new ContenderError(`said "${line}", expected "ready MILLISECONDS"`);
    this.loaded = { ...this.loaded, ms };
  }

  prove(): Promise<ProvedMessage> {
    const next = this.#previous.then(() => this.#proveNow());
    this.#previous = next.catch(() => {});
    return next;
  }

  peakBytes(): number | undefined {
    return this.pid === undefined ? undefined : peakBytesOf(this.pid);
  }

  async close(): Promise<void> {
    if (this.pid !== undefined && this.#child.exitCode === null && !this.#child.signalCode) {
      const closed = once(this.#child, "close");
      this.#child.stdin?.end();
      this.#child.kill();
      await closed;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #proveNow(): Promise<ProvedMessage> {
    const [proof, signals] = outputPaths(this.#folder);
    this.#child.stdin?.write(`${this.#fixture.wtnsPath} ${proof} ${signals}\n`);
    const line = await this.#line();
    const ms = Number.parseFloat(line);
    if (Number.isNaN(ms)) throw new ContenderError(`said "${line}", expected milliseconds`);
    return { kind: "proved", ms, ...(await readOutput(proof, signals)) };
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new ContenderError("ended, or could not be started");
    return value;
  }
}
