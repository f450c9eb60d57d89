import { moduleUrl } from "../worker/module-url.ts";
import { type ResultOf, type Task, transferListOf } from "../worker/task.ts";
import { ThreadSlot } from "./thread-slot.ts";

const WORKER = moduleUrl(new URL("../worker/thread.ts", import.meta.url)).href;

/**
 * The threads that prove. There is no waiting line here: the scheduler gives each of them one task
 * at a time, because the one line is in the job store.
 */
export class WorkerPool {
  readonly slots: readonly WorkerSlot[];

  constructor({ threads }: { readonly threads: number }) {
    this.slots = Array.from({ length: threads }, () => new WorkerSlot());
  }

  /** Ends all threads; tasks still running fail. */
  async close(): Promise<void> {
    await Promise.all(this.slots.map((slot) => slot.close()));
  }
}

export class WorkerSlot {
  readonly #slot = new ThreadSlot(WORKER);

  /** How often the thread has died or was ended. */
  get restartCount(): number {
    return this.#slot.restartCount;
  }

  /**
   * The task's input bytes are transferred: they are gone from the caller.
   *
   * @param kill  ends the thread, and with it the task.
   * @throws ProverError CANCELLED after `kill`, WORKER_LOST if the thread died
   */
  run<T extends Task>(task: T, kill?: AbortSignal): Promise<ResultOf<T>> {
    const transferList = transferListOf(task);
    return this.#slot.run(task, { transferList, ...(kill && { kill }) });
  }

  /** Ends the thread, as a crash would; the next task gets a new one. */
  end(): Promise<void> {
    return this.#slot.end();
  }

  /** Ends the thread for good. */
  close(): Promise<void> {
    return this.#slot.close();
  }
}
