import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { moduleUrl } from "../../worker/module-url.ts";
import { CONTROL, type ThreadData } from "./memory.ts";

/** The threads of a set-up. Owns them: `close` before the file is closed. */
export class SetupThreads {
  /** Resolves when every task is done; rejects with the first failure of a thread. */
  readonly finished: Promise<void>;
  readonly #workers: readonly Worker[];
  readonly #ready: Int32Array;

  /** @param onDone  called with the index of each task that is done. */
  constructor(data: ThreadData, threads: number, onDone: (task: number) => void) {
    const { memory, control } = data.shared;
    let left = data.tasks.length;
    this.#ready = new Int32Array(memory.buffer, control + 4 * CONTROL.readyTasks, 1);
    const entry = moduleUrl(new URL("./thread.ts", import.meta.url));
    this.#workers = Array.from({ length: threads }, () => {
      const worker = new Worker(entry, { workerData: data });
      worker.on("message", (task: number) => {
        left -= 1;
        onDone(task);
      });
      return worker;
    });
    this.finished = Promise.all(this.#workers.map(ended)).then(() => {
      if (left > 0) throw new Error(`the threads have ended with ${left} tasks undone`);
    });
    // Whoever waits for it learns of a failure; nobody may wait yet.
    this.finished.catch(() => {});
  }

  /** The scalars of the first `count` tasks are in memory. */
  allow(count: number): void {
    Atomics.store(this.#ready, 0, count);
    Atomics.notify(this.#ready, 0);
  }

  /** Ends the threads, also in the middle of their work. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

/** A thread's end, after its last message; rejects with what it threw. */
async function ended(worker: Worker): Promise<void> {
  await once(worker, "exit");
}
