/**
 * One stage of summing rows on a device: which tasks there are, in which order, and which rows have
 * several sums after it (`row-plan.ts` has the whole).
 */
import { TASK_WORDS } from "../../kernels/spirv/rows.ts";

/**
 * Terms of a task at most: short enough that few invocations are waited for, long enough that there
 * are few partial sums. Untuned.
 */
export const TASK_TERMS = 32;

export type Matrix = 0 | 1;

/** What is to be summed: rows, each cut into parts for one task each. */
export interface Rows {
  readonly count: number;
  /** The matrix times the domain's size, plus the row. */
  rowOf(index: number): number;
  /**
   * @param visit  is told the slice of the source, where in it the part begins, and how many terms it
   *   has: 1 to `TASK_TERMS`.
   */
  forEachPart(index: number, visit: (source: number, start: number, terms: number) => void): void;
}

/** Tasks that bind the same slices, one after the other in their stage. */
export interface TaskGroup {
  readonly matrix: Matrix;
  readonly source: number;
  /** The matrix' row values, or a slice of the slots by its number. */
  readonly target: "rows" | number;
  readonly first: number;
  readonly count: number;
}

export interface Stage {
  /** Sorted: by group, the longest first. Starts and targets count from their slices' beginnings. */
  readonly tasks: Uint32Array;
  /** Where the tasks stand, in the order in which parts were visited. */
  readonly places: Uint32Array;
  readonly groups: readonly TaskGroup[];
  /** Rows that have several sums now, which stand in slots `firstSlots[i]` to `firstSlots[i + 1]`. */
  readonly splitRows: Uint32Array;
  readonly firstSlots: Uint32Array;
}

/** Lengths from 0 to the longest. */
const LENGTHS = TASK_TERMS + 1;

/**
 * @param sources  how many slices the source has.
 * @param firstSlot  the first one that is free.
 * @param sliceElements  how many slots a slice has.
 */
export function planStage(
  rows: Rows,
  domain: number,
  sources: number,
  firstSlot: number,
  sliceElements: number,
): Stage {
  const parts = new Uint32Array(rows.count);
  let [count, split, slots] = [0, 0, 0];
  for (let i = 0; i < rows.count; i++) {
    let inRow = 0;
    rows.forEachPart(i, () => inRow++);
    parts[i] = inRow;
    count += inRow;
    if (inRow > 1) [split, slots] = [split + 1, slots + inRow];
  }
  // The row values first, then the slices of slots.
  const targets = 1 + Math.ceil((firstSlot + slots) / sliceElements);
  const [groupOf, starts, wheres] = [0, 0, 0].map(() => new Uint32Array(count)) as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ];
  const terms = new Uint8Array(count);
  const splitRows = new Uint32Array(split);
  const firstSlots = new Uint32Array(split + 1).fill(firstSlot);
  let [task, splits, slot] = [0, 0, firstSlot];
  for (let i = 0; i < rows.count; i++) {
    const matrix = rows.rowOf(i) < domain ? 0 : 1;
    const row = rows.rowOf(i) % domain;
    const isSplit = (parts[i] as number) > 1;
    if (isSplit) splitRows[splits++] = rows.rowOf(i);
    rows.forEachPart(i, (source, start, length) => {
      const slice = isSplit ? Math.floor(slot / sliceElements) : -1;
      groupOf[task] = (matrix * sources + source) * targets + slice + 1;
      starts[task] = start;
      terms[task] = length;
      wheres[task] = isSplit ? slot++ - slice * sliceElements : row;
      task++;
    });
    if (isSplit) firstSlots[splits] = slot;
  }
  const { places, bounds } = sortedPlaces(groupOf, terms, 2 * sources * targets);
  const tasks = new Uint32Array(TASK_WORDS * count);
  for (let i = 0; i < count; i++) {
    const at = TASK_WORDS * (places[i] as number);
    tasks[at] = starts[i] as number;
    tasks[at + 1] = terms[i] as number;
    tasks[at + 2] = wheres[i] as number;
  }
  const groups: TaskGroup[] = [];
  for (let g = 0; g < bounds.length - 1; g++) {
    const [first, end] = [bounds[g] as number, bounds[g + 1] as number];
    if (end === first) continue;
    const [target, from] = [g % targets, Math.floor(g / targets)];
    groups.push({
      matrix: from < sources ? 0 : 1,
      source: from % sources,
      target: target === 0 ? "rows" : target - 1,
      first,
      count: end - first,
    });
  }
  return { tasks, places, groups, splitRows, firstSlots };
}

/** A counting sort by group, then by length, the longest first; `bounds` are the groups' beginnings. */
function sortedPlaces(
  groupOf: Uint32Array,
  terms: Uint8Array,
  groups: number,
): { places: Uint32Array; bounds: Uint32Array } {
  const binOf = (i: number) =>
    (groupOf[i] as number) * LENGTHS + (TASK_TERMS - (terms[i] as number));
  const next = new Uint32Array(groups * LENGTHS + 1);
  for (let i = 0; i < terms.length; i++) {
    const after = binOf(i) + 1;
    next[after] = (next[after] as number) + 1;
  }
  for (let bin = 1; bin < next.length; bin++) {
    next[bin] = (next[bin] as number) + (next[bin - 1] as number);
  }
  const bounds = Uint32Array.from({ length: groups + 1 }, (_, g) => next[g * LENGTHS] as number);
  const places = new Uint32Array(terms.length);
  for (let i = 0; i < places.length; i++) {
    const bin = binOf(i);
    const place = next[bin] as number;
    places[i] = place;
    next[bin] = place + 1;
  }
  return { places, bounds };
}
