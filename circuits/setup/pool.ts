import { Piscina } from "piscina";
import { MAX_POINTS } from "../../worker/engines/wasm/fixed-base.ts";
import type { Degree } from "../../worker/kernels/curve.ts";
import { moduleUrl } from "../../worker/module-url.ts";
import type { SetupTask, ThreadData } from "./thread.ts";

/** Points of a section that belong to consecutive scalars. */
export interface PointRun {
  readonly degree: Degree;
  /** Address of folded scalars. */
  readonly scalars: number;
  readonly count: number;
  /** Where the first point goes in the key's file. */
  readonly position: number;
}

/** Tasks of a run: about 10 ms in G1, so that progress moves and threads finish together. */
export function taskCount(count: number): number {
  return Math.ceil(count / MAX_POINTS);
}

/** The threads of a set-up. Owns them: `await using`, or `close`, before the file is closed. */
export class SetupPool {
  readonly #pool: Piscina;

  constructor(data: ThreadData, threads: number) {
    this.#pool = new Piscina({
      filename: moduleUrl(new URL("./thread.ts", import.meta.url)).href,
      workerData: data,
      minThreads: threads,
      maxThreads: threads,
      // The next tasks wait in the thread: it need not ask this one, which may be busy evaluating.
      concurrentTasksPerWorker: 16,
    });
  }

  /** Fills the tables of both generators: before any points. */
  async writeTables(): Promise<void> {
    // G2 first, which takes longer.
    await Promise.all(([2, 1] as const).map((degree) => this.#run({ kind: "table", degree })));
  }

  /**
   * Computes points and writes them.
   *
   * @param onDone  called with the number of points that another task has written.
   */
  async writePoints(
    { degree, scalars, count, position }: PointRun,
    onDone: (points: number) => void,
  ): Promise<void> {
    const tasks: Promise<void>[] = [];
    for (let first = 0; first < count; first += MAX_POINTS) {
      const size = Math.min(MAX_POINTS, count - first);
      const task: SetupTask = {
        kind: "points",
        degree,
        scalars: scalars + 32 * first,
        count: size,
        position: position + 64 * degree * first,
      };
      tasks.push(this.#run(task).then(() => onDone(size)));
    }
    await Promise.all(tasks);
  }

  #run(task: SetupTask): Promise<void> {
    return this.#pool.run(task);
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
