/** A thread of a set-up: fills tables, computes points and writes them to the key's file. */
import { workerData } from "node:worker_threads";
import type { Degree } from "../../worker/kernels/curve.ts";
import { PointArena, type SharedSetup } from "./memory.ts";
import { writeAt } from "./section-file.ts";

/** What every thread knows from its start on. */
export interface ThreadData {
  readonly shared: SharedSetup;
  /** Number of the open file. */
  readonly descriptor: number;
}

export type SetupTask =
  | { readonly kind: "table"; readonly degree: Degree }
  | {
      readonly kind: "points";
      readonly degree: Degree;
      /** Address of folded scalars. */
      readonly scalars: number;
      readonly count: number;
      /** Where the first point goes in the file. */
      readonly position: number;
    };

let arena: PointArena | undefined;

export default function handle(task: SetupTask): void {
  const { shared, descriptor } = workerData as ThreadData;
  arena ??= PointArena.claim(shared);
  if (task.kind === "table") {
    arena.writeTable(task.degree);
    return;
  }
  writeAt(descriptor, task.position, arena.multiply(task.degree, task.scalars, task.count));
}
