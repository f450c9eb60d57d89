/**
 * How the rows of a key's two matrices are summed on a device, planned once when the key is loaded, in
 * linear time and in typed arrays.
 *
 * What one invocation does is a task: up to `TASK_TERMS` terms of one row. The sum of a row's only task
 * is the row's value; the tasks of a longer row store partial sums in slots, and tasks of the next
 * stage add those up, until one sum is left. Tasks are sorted by their lengths, because invocations
 * that run in step wait for the longest of them, and the entries lie in the tasks' order.
 *
 * What is longer than a binding is bound in slices, and no task has terms from two slices.
 */
import { ELEMENT_BYTES } from "../../field.ts";
import { gpuError } from "../../gpu/failure.ts";
import { ENTRY_WORDS, TASK_WORDS } from "../../kernels/spirv/rows.ts";
import { distinctValues, forEachEntry, type Matrices } from "./key-entries.ts";
import { type Matrix, planStage, type Rows, type Stage, TASK_TERMS } from "./row-stage.ts";
import { itemsPerWindow, type WindowLimits } from "./window.ts";

/** Tasks for one dispatch. Their indices count from the beginnings of the slices that it binds. */
export interface Piece {
  readonly matrix: Matrix;
  readonly firstTask: number;
  readonly tasks: number;
  readonly source: Entries | { readonly firstSlot: number };
  /** The matrix' row values, or the slots from this one on. */
  readonly target: "rows" | { readonly firstSlot: number };
}

/** Entries of one slice of the wires and one of the values, which begin with these. */
export interface Entries {
  readonly firstEntry: number;
  readonly entries: number;
  readonly firstWire: number;
  readonly firstValue: number;
}

export interface RowPlan {
  readonly domain: number;
  readonly nVars: number;
  /** Distinct coefficients, 32 B each, as in the key: times 2^512. */
  readonly values: Uint8Array;
  readonly entryCount: number;
  /** Wires and values, as `kernels/spirv/rows.ts` has them. */
  readonly entries: Uint32Array;
  /** As there. */
  readonly tasks: Uint32Array;
  /** Pieces of a stage may run at the same time; the next stage needs their sums. */
  readonly stages: readonly (readonly Piece[])[];
  /** Partial sums of one proof. */
  readonly slots: number;
  /** Elements of a slice of wires, values or slots. */
  readonly sliceElements: number;
}

/**
 * @param key  checked by `parseZkey`: its indices and values are trusted.
 * @throws WorkError ENGINE_UNAVAILABLE, "memory", for a domain that no binding of the device takes: the
 *   device is of use for other keys.
 */
export function planRows(key: Matrices, limits: WindowLimits): RowPlan {
  const { domainSize: domain, nVars } = key;
  if (domain * ELEMENT_BYTES > limits.bindingBytes) {
    throw gpuError(
      "memory",
      `got a domain of ${domain}, expected at most ${Math.floor(limits.bindingBytes / ELEMENT_BYTES)}, as the device binds ${limits.bindingBytes} bytes; use another device or engine`,
    );
  }
  const sliceElements = itemsPerWindow(ELEMENT_BYTES, limits);
  const { values, numbers } = distinctValues(key);
  const slices = new Slices(sliceElements, values.length / ELEMENT_BYTES, nVars);
  const counts = countEntries(key, numbers, slices);
  const first = planStage(rowsOf(counts, slices), domain, slices.count, 0, sliceElements);
  setStarts(first.tasks);
  const entries = sortedEntries(key, numbers, slices, counts, first);
  const rest: Stage[] = [];
  let last = first;
  while (last.splitRows.length > 0) {
    const used = last.firstSlots.at(-1) as number;
    const sources = Math.ceil(used / sliceElements);
    last = planStage(partialRowsOf(last, sliceElements), domain, sources, used, sliceElements);
    rest.push(last);
  }
  return {
    domain,
    nVars,
    values,
    entryCount: numbers.length,
    entries,
    tasks: joined([first, ...rest].map(({ tasks }) => tasks)),
    stages: piecesOf(first, rest, slices, limits),
    slots: last.firstSlots.at(-1) as number,
    sliceElements,
  };
}

/** Pairs of a slice of the wires and a slice of the values, numbered. */
class Slices {
  readonly count: number;
  readonly #elements: number;
  readonly #ofValues: number;

  constructor(elements: number, values: number, wires: number) {
    this.#elements = elements;
    this.#ofValues = Math.ceil(values / elements);
    this.count = this.#ofValues * Math.ceil(wires / elements);
  }

  of(wire: number, value: number): number {
    if (this.count === 1) return 0;
    const ofWire = Math.floor(wire / this.#elements);
    return ofWire * this.#ofValues + Math.floor(value / this.#elements);
  }

  firstWire(slice: number): number {
    return Math.floor(slice / this.#ofValues) * this.#elements;
  }

  firstValue(slice: number): number {
    return (slice % this.#ofValues) * this.#elements;
  }
}

/** Which row of which matrix, in which slice. */
function binOf(words: Uint32Array, at: number, domain: number, value: number, slices: Slices) {
  const row = (words[at] as number) * domain + (words[at + 1] as number);
  return row * slices.count + slices.of(words[at + 2] as number, value);
}

/** Of each bin. */
function countEntries(key: Matrices, numbers: Uint32Array, slices: Slices): Uint32Array {
  const counts = new Uint32Array(2 * key.domainSize * slices.count);
  forEachEntry(key, (words, at, i) => {
    const bin = binOf(words, at, key.domainSize, numbers[i] as number, slices);
    counts[bin] = (counts[bin] as number) + 1;
  });
  return counts;
}

/** All rows; where their parts begin is not known yet. */
function rowsOf(counts: Uint32Array, slices: Slices): Rows {
  return {
    count: counts.length / slices.count,
    rowOf: (row) => row,
    forEachPart(row, visit) {
      for (let slice = 0; slice < slices.count; slice++) {
        let left = counts[row * slices.count + slice] as number;
        for (; left > TASK_TERMS; left -= TASK_TERMS) visit(slice, 0, TASK_TERMS);
        if (left > 0) visit(slice, 0, left);
      }
    },
  };
}

/** Rows with several sums in the slots, cut where a slice ends, too. */
function partialRowsOf({ splitRows, firstSlots }: Stage, sliceElements: number): Rows {
  return {
    count: splitRows.length,
    rowOf: (i) => splitRows[i] as number,
    forEachPart(i, visit) {
      const end = firstSlots[i + 1] as number;
      for (let slot = firstSlots[i] as number; slot < end; ) {
        const slice = Math.floor(slot / sliceElements);
        const next = Math.min(slot + TASK_TERMS, (slice + 1) * sliceElements, end);
        visit(slice, slot - slice * sliceElements, next - slot);
        slot = next;
      }
    },
  };
}

/** The tasks' entries follow one another. */
function setStarts(tasks: Uint32Array): void {
  let start = 0;
  for (let at = 0; at < tasks.length; at += TASK_WORDS) {
    tasks[at] = start;
    start += tasks[at + 1] as number;
  }
}

/** Puts each entry into its task. @param counts  of each bin; 0 afterwards. */
function sortedEntries(
  key: Matrices,
  numbers: Uint32Array,
  slices: Slices,
  counts: Uint32Array,
  { tasks, places }: Stage,
): Uint32Array {
  // In the order of visits.
  const firstTasks = new Uint32Array(counts.length);
  for (let bin = 1; bin < counts.length; bin++) {
    const before = Math.ceil((counts[bin - 1] as number) / TASK_TERMS);
    firstTasks[bin] = (firstTasks[bin - 1] as number) + before;
  }
  const entries = new Uint32Array(ENTRY_WORDS * numbers.length);
  forEachEntry(key, (words, at, i) => {
    const [wire, value] = [words[at + 2] as number, numbers[i] as number];
    const bin = binOf(words, at, key.domainSize, value, slices);
    const left = (counts[bin] as number) - 1;
    counts[bin] = left;
    const task = (firstTasks[bin] as number) + Math.floor(left / TASK_TERMS);
    const start = tasks[TASK_WORDS * (places[task] as number)] as number;
    const slot = ENTRY_WORDS * (start + (left % TASK_TERMS));
    const slice = slices.of(wire, value);
    entries[slot] = wire - slices.firstWire(slice);
    entries[slot + 1] = value - slices.firstValue(slice);
  });
  return entries;
}

/** Groups cut to what a dispatch can bind. */
function piecesOf(
  first: Stage,
  rest: readonly Stage[],
  slices: Slices,
  limits: WindowLimits,
): Piece[][] {
  const sliceElements = itemsPerWindow(ELEMENT_BYTES, limits);
  const most = Math.min(
    itemsPerWindow(4 * TASK_WORDS, limits),
    Math.floor(itemsPerWindow(4 * ENTRY_WORDS, limits) / TASK_TERMS),
  );
  let firstTask = 0;
  return [first, ...rest].map((stage) => {
    const sourceOf = (slice: number, from: number, count: number): Piece["source"] =>
      stage === first
        ? { ...entriesOf(stage.tasks, from, count), ...sliceOf(slices, slice) }
        : { firstSlot: slice * sliceElements };
    const pieces: Piece[] = [];
    for (const { matrix, source, target, first: start, count } of stage.groups) {
      for (let done = 0; done < count; done += most) {
        const tasks = Math.min(most, count - done);
        pieces.push({
          matrix,
          firstTask: firstTask + start + done,
          tasks,
          source: sourceOf(source, start + done, tasks),
          target: target === "rows" ? target : { firstSlot: target * sliceElements },
        });
      }
    }
    firstTask += stage.tasks.length / TASK_WORDS;
    return pieces;
  });
}

function sliceOf(slices: Slices, slice: number) {
  return { firstWire: slices.firstWire(slice), firstValue: slices.firstValue(slice) };
}

/** Of `count` tasks from one on. */
function entriesOf(tasks: Uint32Array, from: number, count: number) {
  const firstEntry = tasks[TASK_WORDS * from] as number;
  const last = TASK_WORDS * (from + count - 1);
  const end = (tasks[last] as number) + (tasks[last + 1] as number);
  return { firstEntry, entries: end - firstEntry };
}

function joined(parts: readonly Uint32Array[]): Uint32Array {
  const all = new Uint32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
