/**
 * Kernels that sum the rows of a sparse matrix times a vector, for several vectors of the same length
 * side by side.
 *
 * A row may have one entry or millions. What one invocation sums is a task of some entries of one row;
 * a row of several tasks has partial sums, which tasks of the next level add up, and so on
 * (`worker/engines/gpu/row-plan.ts`).
 *
 * A task is three words: where its terms begin, how many they are, where its sum goes. A sum is
 * stored by one task only, so that no two invocations write to one place.
 */
import { SCALAR_FIELD } from "../../field.ts";
import type { KernelCode } from "../../gpu/device.ts";
import type { Code } from "./code.ts";
import { type Element, get, load, PrimeField, set, store, variable } from "./field.ts";
import { itemNumber } from "./grid.ts";
import { KernelWriter } from "./module.ts";
import type { Buffer, U32 } from "./values.ts";

/** Invocations in a workgroup, one for each task. Untuned. */
export const ROWS_GROUP = 64;
export const TASK_WORDS = 3;
export const ENTRY_WORDS = 2;

/** What both kernels are told; `Base` is where a bound slice's first item stands. */
const TASK_PUSH = [
  /** Of this dispatch. */
  "tasks",
  /** In words, because tasks may begin anywhere in what is bound. */
  "taskBase",
  /** Elements from one vector's sums to the next one's. */
  "sumStride",
  "sumBase",
  "sourceStride",
  "sourceBase",
] as const;

/**
 * sums[target] = sum of values[entry.value] * vector[entry.index] / R over a task's entries.
 *
 * Buffers: the vectors, canonical; values, canonical; entries, two words each: index, value; tasks;
 * sums. Elements have 32 B. Workgroups: `gridOf` of the tasks', one along y for each vector.
 *
 * Push constants: those above, with the vectors as source, `entryBase` in words
 * (what the first bound word's number is, modulo 2^32), and `valueBase`.
 */
export function rowSums(): KernelCode {
  const kernel = new KernelWriter("rowSums", {
    workgroupSize: [ROWS_GROUP, 1, 1],
    push: [...TASK_PUSH, "entryBase", "valueBase"],
  });
  const field = new PrimeField(kernel, SCALAR_FIELD);
  const [vectors, values] = [kernel.buffer("u32x4", "read"), kernel.buffer("u32x4", "read")];
  const [entries, tasks] = [kernel.buffer("u32", "read"), kernel.buffer("u32", "read")];
  return sumsOf(kernel, field, tasks, (f, i, source) => {
    const at = f.sub(f.mul(i, f.u32(ENTRY_WORDS)), f.push("entryBase"));
    const wire = f.add(source, f.load(entries, at));
    const value = f.add(f.push("valueBase"), f.load(entries, f.add(at, f.u32(1))));
    return field.mul(f, load(f, vectors, wire), load(f, values, value));
  });
}

/**
 * sums[target] = sum of a task's elements of the source, which may be another part of the same buffer.
 *
 * Buffers: source; tasks; sums. Push constants and workgroups: as for `rowSums`, without `entryBase`.
 */
export function partialSums(): KernelCode {
  const kernel = new KernelWriter("partialSums", {
    workgroupSize: [ROWS_GROUP, 1, 1],
    push: TASK_PUSH,
  });
  const field = new PrimeField(kernel, SCALAR_FIELD);
  const [partials, tasks] = [kernel.buffer("u32x4", "read"), kernel.buffer("u32", "read")];
  return sumsOf(kernel, field, tasks, (f, i, source) => load(f, partials, f.add(source, i)));
}

function sumsOf(
  kernel: KernelWriter,
  field: PrimeField,
  tasks: Buffer<"u32">,
  term: (f: Code, i: U32, source: U32) => Element,
): KernelCode {
  const sums = kernel.buffer("u32x4");
  return kernel.main((f) => {
    const task = itemNumber(f, ROWS_GROUP);
    const vectorIn = (name: "sum" | "source") =>
      f.add(f.push(`${name}Base`), f.mul(f.groupId(1), f.push(`${name}Stride`)));
    f.if(f.lt(task, f.push("tasks")), () => {
      const at = f.add(f.push("taskBase"), f.mul(task, f.u32(TASK_WORDS)));
      const [start, count, target] = [0, 1, 2].map((i) => f.load(tasks, f.add(at, f.u32(i)))) as [
        U32,
        U32,
        U32,
      ];
      const source = vectorIn("source");
      const sum = variable(f, field.zero(f));
      const add = (i: U32) => set(f, sum, field.add(f, get(f, sum), term(f, i, source)));
      f.for(start, f.add(start, count), f.u32(1), add, false);
      store(f, sums, f.add(vectorIn("sum"), target), get(f, sum));
    });
  });
}
