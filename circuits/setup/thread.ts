/** A thread of `GeneratorPool`: multiplies a generator by scalars in shared memory. */
import { FixedBase, type Group, POINT_BYTES, SCALAR_BYTES } from "./fixed-base.ts";

/** Scalars `first` to `first + count` of `scalars`; the points go to the same places of `points`. */
export interface MultiplyTask {
  readonly group: Group;
  readonly windowBits: number;
  readonly scalars: SharedArrayBuffer;
  readonly points: SharedArrayBuffer;
  readonly first: number;
  readonly count: number;
}

/** A table costs as much as some thousand multiples: each thread makes it once. */
const tables = new Map<Group, FixedBase>();

export default function multiply(task: MultiplyTask): void {
  const { group, scalars, points, first, count } = task;
  let table = tables.get(group);
  if (table === undefined) {
    table = new FixedBase(group, task.windowBits);
    tables.set(group, table);
  }
  const stride = POINT_BYTES[group];
  table.multiply(
    new Uint8Array(scalars, first * SCALAR_BYTES, count * SCALAR_BYTES),
    new Uint8Array(points, first * stride, count * stride),
  );
}
