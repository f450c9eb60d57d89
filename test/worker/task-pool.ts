import type { ResultOf, Task } from "../../worker/task.ts";
import { transferListOf } from "../../worker/task.ts";
import { TaskThread } from "../../worker/task-thread.ts";

const THREAD = new URL("../../worker/thread.ts", import.meta.url);

/** Threads on their own, which share nothing, for tests of what a thread answers. */
export class TaskPool implements AsyncDisposable {
  readonly #threads: TaskThread[];
  readonly #free: TaskThread[];
  readonly #waiting: ((thread: TaskThread) => void)[] = [];

  constructor(threads: number) {
    this.#threads = Array.from({ length: threads }, () => new TaskThread(THREAD));
    this.#free = [...this.#threads];
  }

  /** How often a thread has died or was ended. */
  get deaths(): number {
    return this.#threads.reduce((sum, { restartCount }) => sum + restartCount, 0);
  }

  async run<T extends Task>(task: T, kill?: AbortSignal): Promise<ResultOf<T>> {
    const thread =
      this.#free.pop() ?? (await new Promise<TaskThread>((resolve) => this.#waiting.push(resolve)));
    try {
      const transferList = transferListOf(task);
      return await thread.run<ResultOf<T>>(task, { transferList, ...(kill && { kill }) });
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free.push(thread);
      else next(thread);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }
}
