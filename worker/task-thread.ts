/**
 * A place for one worker thread that runs one task at a time. When its thread dies or is ended, the
 * next task gets a new one; never before the old one is gone, so that two of them never compute in
 * the same part of shared memory.
 */
import { type Transferable, Worker } from "node:worker_threads";
import { WorkError } from "./errors.ts";
import { moduleUrl } from "./module-url.ts";
import type { EntryData, ReplyMessage, TaskMessage } from "./task-entry.ts";

const ENTRY = moduleUrl(new URL("./task-entry.ts", import.meta.url));

export interface RunOptions {
  /** Buffers that move to the thread: they are gone from the caller. */
  readonly transferList?: readonly Transferable[];
  /** Ends the thread, and with it the task. */
  readonly kill?: AbortSignal;
}

interface Waiting {
  readonly id: number;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: WorkError) => void;
}

/** A thread that lives, or has been told to end and does not yet know. */
interface Living {
  readonly worker: Worker;
  readonly gone: Promise<void>;
  isEnding: boolean;
}

export class TaskThread {
  readonly #entry: EntryData;
  #living: Living | undefined;
  #waiting: Waiting | undefined;
  #isBusy = false;
  #isClosed = false;
  #startCount = 0;
  #restartCount = 0;
  #taskCount = 0;

  /**
   * Starts the thread.
   *
   * @param module  URL of what handles tasks: its default export takes one and returns, or promises,
   *   its result, and leaves nothing running.
   * @param data    for the module, as `workerData.data`.
   */
  constructor(module: URL, data?: unknown) {
    this.#entry = { module: module.href, data };
    this.#start();
  }

  /** How often the thread has died or was ended. */
  get restartCount(): number {
    return this.#restartCount;
  }

  /** How often a thread was started: what an earlier one was told, this one does not know. */
  get startCount(): number {
    return this.#startCount;
  }

  /**
   * There is a thread: that which was, or a new one.
   *
   * @throws WorkError ENGINE_UNAVAILABLE after `close`
   */
  async ready(): Promise<void> {
    while (this.#living?.isEnding) await this.#living.gone;
    if (this.#isClosed) throw new WorkError("ENGINE_UNAVAILABLE", "the threads have been ended");
    if (this.#living === undefined) this.#start();
  }

  /**
   * A task whose result nobody waits for; lost if there is no thread.
   *
   * @param transferList  as in RunOptions.
   */
  tell(task: unknown, transferList: readonly Transferable[] = []): void {
    this.#living?.worker.postMessage({ task } satisfies TaskMessage, transferList);
  }

  /**
   * Runs a task.
   *
   * @throws WorkError CANCELLED after `kill`; ENGINE_UNAVAILABLE if the thread died, which is then
   *   gone, or if the task threw.
   */
  async run<R>(task: unknown, { transferList = [], kill }: RunOptions = {}): Promise<R> {
    if (this.#isBusy) throw new TypeError("the thread has a task already");
    this.#isBusy = true;
    const end = () => void this.end();
    try {
      await this.ready();
      if (kill?.aborted) throw new WorkError("CANCELLED", "cancelled before it began");
      kill?.addEventListener("abort", end);
      return await this.#ask<R>(task, transferList);
    } catch (cause) {
      if (!kill?.aborted) throw cause;
      throw new WorkError("CANCELLED", "the thread was ended", {}, { cause });
    } finally {
      kill?.removeEventListener("abort", end);
      this.#isBusy = false;
    }
  }

  /** Ends the thread, as a crash would; the next task gets a new one. Resolves when it is gone. */
  async end(): Promise<void> {
    const living = this.#living;
    if (living === undefined) return;
    living.isEnding = true;
    await living.worker.terminate();
    await living.gone;
  }

  /** Ends the thread for good. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.end();
  }

  #start(): void {
    const worker = new Worker(ENTRY, { workerData: this.#entry, ...execArgv() });
    this.#startCount++;
    let cause: unknown;
    worker.on("error", (error) => {
      cause = error;
    });
    worker.on("message", (reply: ReplyMessage) => this.#settle(reply));
    const gone = new Promise<void>((resolve) => {
      worker.on("exit", () => {
        this.#living = undefined;
        this.#restartCount++;
        this.#waiting?.reject(lost("the thread died before it had a result", cause));
        this.#waiting = undefined;
        resolve();
      });
    });
    this.#living = { worker, gone, isEnding: false };
  }

  #ask<R>(task: unknown, transferList: readonly Transferable[]): Promise<R> {
    const message: TaskMessage = { id: ++this.#taskCount, task };
    return new Promise<R>((resolve, reject) => {
      if (this.#living === undefined) throw lost("the thread died before it had the task");
      this.#waiting = { id: this.#taskCount, resolve: resolve as Waiting["resolve"], reject };
      this.#living.worker.postMessage(message, transferList);
    });
  }

  #settle(reply: ReplyMessage): void {
    const waiting = this.#waiting;
    if (reply.id !== waiting?.id) return;
    this.#waiting = undefined;
    if ("result" in reply) waiting.resolve(reply.result);
    else waiting.reject(lost(`the task threw (${reply.thrown})`));
  }
}

function lost(message: string, cause?: unknown): WorkError {
  return new WorkError("ENGINE_UNAVAILABLE", message, {}, { cause });
}

/**
 * Threads inherit the options of the command line. Those that describe a program on the command line
 * itself would make them refuse their own file.
 */
export function execArgv(): { execArgv?: string[] } {
  const isInline = process.execArgv.some((option) => option.startsWith("--input-type"));
  return isInline ? { execArgv: [] } : {};
}
