import { WorkError } from "../worker/errors.ts";
import { type RunOptions, TaskThread } from "../worker/task-thread.ts";
import { ProverError } from "./errors.ts";

/** A thread of the service for one task at a time (`worker/task-thread.ts`), with its errors. */
export class ThreadSlot {
  readonly #thread: TaskThread;

  /** As `TaskThread`. */
  constructor(module: URL, data?: unknown) {
    this.#thread = new TaskThread(module, data);
  }

  /** How often the thread has died or was ended. */
  get restartCount(): number {
    return this.#thread.restartCount;
  }

  /**
   * @throws ProverError CANCELLED after `kill`; WORKER_LOST if the thread died or the task threw
   */
  async run<R>(task: unknown, options: RunOptions): Promise<R> {
    try {
      return await this.#thread.run<R>(task, options);
    } catch (error) {
      throw threadError(error);
    }
  }

  /** Ends the thread, as a crash would; the next task gets a new one. */
  end(): Promise<void> {
    return this.#thread.end();
  }

  /** Ends the thread for good. */
  close(): Promise<void> {
    return this.#thread.close();
  }
}

/** What a thread throws, as the service says it: one that died is WORKER_LOST. */
export function threadError(caught: unknown): unknown {
  if (!(caught instanceof WorkError)) return caught;
  if (caught.code !== "ENGINE_UNAVAILABLE") return ProverError.from(caught);
  return new ProverError("WORKER_LOST", caught.message, { cause: caught });
}
