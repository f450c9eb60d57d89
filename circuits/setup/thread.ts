/**
 * The entry of a set-up's thread: fills a generator's table if one is left to fill, then computes
 * points, writes them to the key's file and says so, until all are done.
 *
 * Threads take the tasks of one list by a counter in shared memory, in order. They need nobody to
 * hand them out: the thread that owns the set-up evaluates meanwhile, and looks up only now and then.
 */
import { parentPort, workerData } from "node:worker_threads";
import type { Degree } from "../../worker/kernels/curve.ts";
import { CONTROL, PointArena, type PointTask, type ThreadData } from "./memory.ts";
import { writeAt } from "./section-file.ts";

/** G2 first: its table takes longer. */
const TABLES: readonly Degree[] = [2, 1];

function run({ shared, descriptor, tasks }: ThreadData): void {
  const control = new Int32Array(shared.memory.buffer, shared.control);
  const arena = new PointArena(shared, Atomics.add(control, CONTROL.arenas, 1));
  const next = (counter: number): number => Atomics.add(control, counter, 1);
  const waitFor = (counter: number, count: number): void => {
    for (;;) {
      const now = Atomics.load(control, counter);
      if (now >= count) return;
      Atomics.wait(control, counter, now);
    }
  };

  for (let i = next(CONTROL.begunTables); i < TABLES.length; i = next(CONTROL.begunTables)) {
    arena.writeTable(TABLES[i] as Degree);
    Atomics.add(control, CONTROL.filledTables, 1);
    Atomics.notify(control, CONTROL.filledTables);
  }
  waitFor(CONTROL.filledTables, TABLES.length);
  for (let i = next(CONTROL.begunTasks); i < tasks.length; i = next(CONTROL.begunTasks)) {
    waitFor(CONTROL.readyTasks, i + 1);
    const { degree, scalars, count, position } = tasks[i] as PointTask;
    writeAt(descriptor, position, arena.multiply(degree, scalars, count));
    parentPort?.postMessage(i);
  }
}

run(workerData as ThreadData);
