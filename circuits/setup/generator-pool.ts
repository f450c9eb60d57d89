import { availableParallelism } from "node:os";
import { Piscina } from "piscina";
import { moduleUrl } from "../../worker/module-url.ts";
import { type Group, POINT_BYTES, SCALAR_BYTES, windowBitsFor } from "./fixed-base.ts";
import type { MultiplyTask } from "./thread.ts";

/** Points of one task: about 30 ms in G1, so that progress moves and threads finish together. */
const TASK_POINTS = 1024;

/** More threads than this repeat the tables' work without a gain at the sizes of this project. */
const MAX_THREADS = 16;

/**
 * Multiplies BN254's generators on several threads. Owns the threads: `await using`, or `close`.
 */
export class GeneratorPool {
  readonly #pool: Piscina;
  readonly #threads: number;
  readonly #windowBits: Readonly<Record<Group, number>>;

  /** @param expected  about how many multiples will be asked for; sizes the tables. */
  constructor(
    expected: Readonly<Record<Group, number>>,
    threads = Math.min(availableParallelism(), MAX_THREADS),
  ) {
    this.#threads = threads;
    this.#windowBits = {
      g1: windowBitsFor(expected.g1 / threads),
      g2: windowBitsFor(expected.g2 / threads),
    };
    this.#pool = new Piscina({
      filename: moduleUrl(new URL("./thread.ts", import.meta.url)).href,
      minThreads: threads,
      maxThreads: threads,
      // The next tasks wait in the thread: it need not ask this one, which may be busy with bigints.
      concurrentTasksPerWorker: 4,
    });
  }

  /**
   * @param scalars     each in [0, r).
   * @param onProgress  called with the points done so far.
   * @returns           scalar * generator for each: affine, little-endian, Montgomery form,
   *   64 B (G1) or 128 B (G2) each; (0, 0) for the scalar 0.
   */
  async multiply(
    group: Group,
    scalars: readonly bigint[],
    onProgress?: (done: number) => void,
  ): Promise<Uint8Array> {
    const count = scalars.length;
    const input = new SharedArrayBuffer(count * SCALAR_BYTES);
    writeScalars(scalars, new DataView(input));
    const points = new SharedArrayBuffer(count * POINT_BYTES[group]);
    const perTask = Math.min(TASK_POINTS, Math.ceil(count / this.#threads));
    let done = 0;
    const tasks: Promise<void>[] = [];
    for (let first = 0; first < count; first += perTask) {
      const size = Math.min(perTask, count - first);
      const windowBits = this.#windowBits[group];
      const task: MultiplyTask = { group, windowBits, scalars: input, points, first, count: size };
      tasks.push(
        this.#pool.run(task).then(() => {
          done += size;
          onProgress?.(done);
        }),
      );
    }
    await Promise.all(tasks);
    return new Uint8Array(points);
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function writeScalars(scalars: readonly bigint[], view: DataView): void {
  scalars.forEach((scalar, i) => {
    for (let k = 0; k < 4; k++) {
      const word = BigInt.asUintN(64, scalar >> BigInt(64 * k));
      view.setBigUint64(i * SCALAR_BYTES + 8 * k, word, true);
    }
  });
}
