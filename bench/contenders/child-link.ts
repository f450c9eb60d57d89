import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { ContenderError, type Placement } from "./contender.ts";
import { placed } from "./process.ts";

/** What a child process answers. */
export type Reply<A> =
  | { readonly id: number; readonly answer: A }
  | { readonly id: number; readonly failed: string };

/** Asks one child process questions of type Q, which it answers with an A each (`child.ts`). */
export class ChildLink<Q extends object, A> {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve(reply: Reply<A>): void; reject(e: Error): void }>();
  #nextId = 1;
  #end: ContenderError | undefined;
  #stderr = "";

  /** @param options  the child's argument, as JSON. */
  constructor(
    script: string,
    options: object,
    { nodeFlags = [], ...placement }: Placement & { readonly nodeFlags?: readonly string[] } = {},
  ) {
    const [command, ...words] = placed(
      [process.execPath, ...nodeFlags, script, JSON.stringify(options)],
      placement,
    );
    this.#child = spawn(command, words, { stdio: ["ignore", "ignore", "pipe", "ipc"] });
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-2000);
    });
    this.#child.on("message", (reply: Reply<A>) => {
      this.#waiting.get(reply.id)?.resolve(reply);
      this.#waiting.delete(reply.id);
    });
    this.#child.on("error", (cause) => this.#ended(`cannot start: ${cause.message}`));
    this.#child.on("close", (code, signal) => {
      this.#ended(`ended (${signal ?? `exit ${code}`}): ${lastLine(this.#stderr)}`);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** @throws ContenderError if the child says so, or dies. */
  async ask(question: Q): Promise<A> {
    if (this.#end) throw this.#end;
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<Reply<A>>();
    this.#waiting.set(id, { resolve, reject });
    this.#child.send({ id, question });
    const reply = await promise;
    if ("failed" in reply) throw new ContenderError(reply.failed);
    return reply.answer;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    // After a disconnect from this side node never emits "close".
    const exited = once(this.#child, "exit");
    if (this.#child.connected) this.#child.disconnect();
    else this.#child.kill();
    await exited;
  }

  #ended(why: string): void {
    this.#end = new ContenderError(why);
    for (const { reject } of this.#waiting.values()) reject(this.#end);
    this.#waiting.clear();
  }
}

/** Of a stack trace: the line that says what happened. */
function lastLine(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1) ?? "it said nothing";
}
