import { Piscina } from "piscina";
import { type ResultOf, type Task, transferListOf } from "../worker/task.ts";
import { ProverError } from "./errors.ts";

const THREAD = new URL("../worker/thread.ts", import.meta.url).href;

export interface PoolOptions {
  readonly threads: number;
}

/**
 * The threads that prove. There is no waiting line here: callers never run more than `threads`
 * tasks at once, because the one line is in the job store.
 */
export class WorkerPool {
  readonly #piscina: Piscina;
  readonly threads: number;

  constructor({ threads }: PoolOptions, { onIdleCrash }: { onIdleCrash: (error: Error) => void }) {
    this.threads = threads;
    this.#piscina = new Piscina({
      filename: THREAD,
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: 1,
      // Room for the tasks whose thread is still starting, such as after one was ended.
      maxQueue: threads,
      // The thread sleeps in Atomics.wait between tasks. That freezes whatever a task left running;
      // worker/thread.ts awaits everything that it starts.
      atomics: "sync",
    });
    // Emitted when a thread dies without a task. Unheard, it would end the process.
    this.#piscina.on("error", onIdleCrash);
  }

  /**
   * Runs a task on a free thread. Its input bytes are transferred: they are gone from the caller.
   *
   * @param kill  ends the thread, and with it the task; another thread takes its place.
   * @throws ProverError CANCELLED after `kill`, WORKER_LOST if the thread died
   */
  async run<T extends Task>(task: T, kill?: AbortSignal): Promise<ResultOf<T>> {
    try {
      return (await this.#piscina.run(task, {
        // piscina's type for the list is derived from one overload of postMessage, and not from this.
        transferList: transferListOf(task) as never,
        signal: kill ?? null,
      })) as ResultOf<T>;
    } catch (cause) {
      if (kill?.aborted) throw new ProverError("CANCELLED", "the thread was ended", { cause });
      throw new ProverError("WORKER_LOST", "the thread died before it had a result", { cause });
    }
  }

  /** For tests that kill a thread. */
  get threadHandles(): readonly { terminate(): Promise<number> }[] {
    return this.#piscina.threads;
  }

  /** Ends all threads; tasks still running fail. */
  async close(): Promise<void> {
    await this.#piscina.destroy();
  }
}
