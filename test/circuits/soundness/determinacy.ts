import { invert, SCALAR_FIELD } from "../../../worker/field.ts";
import { type Constraints, element } from "./constraints.ts";

/** A row of the Jacobian: how much the constraint answers to each wire that the prover computes. */
type Derivative = Map<number, bigint>;

/**
 * The wires that could move a little while every constraint still holds to first order: those in which some vector of
 * the Jacobian's null space is not 0. Inputs are held. Empty if the Jacobian has full column rank: then no other
 * witness for these inputs lies near this one.
 *
 * Gaussian elimination over the whole field, the shortest row first. A row with one wire left is plain propagation: the
 * constraint determines the wire. Longer rows come where the compiler has replaced a sum by its result, for example
 * the S-box outputs of one Poseidon round by the five sums that they form.
 *
 * @param witness satisfies the constraints.
 */
export function undeterminedWires(constraints: Constraints, witness: readonly bigint[]): number[] {
  const rows = constraints.rows.map((_, row) => derivativeOf(constraints, row, witness));
  const solved = eliminate(rows);
  const pivots = new Set(solved.map(({ pivot }) => pivot));
  const free: number[] = [];
  for (let wire = 1; wire < constraints.nWires; wire++) {
    if (constraints.isComputed(wire) && !pivots.has(wire)) free.push(wire);
  }
  return [...new Set(free.flatMap((wire) => movesWith(wire, solved)))].sort((x, y) => x - y);
}

function derivativeOf(
  constraints: Constraints,
  row: number,
  witness: readonly bigint[],
): Derivative {
  const derivative: Derivative = new Map();
  for (const [wire, { linear }] of constraints.slopes(row, witness)) {
    if (constraints.isComputed(wire) && linear !== 0n) derivative.set(wire, linear);
  }
  return derivative;
}

/** pivot + sum of rest = 0, where every wire of `rest` was a pivot later, or never. */
interface Solved {
  readonly pivot: number;
  readonly rest: Derivative;
}

function eliminate(rows: Derivative[]): Solved[] {
  const rowsOf = new Map<number, Set<number>>();
  const queue = new ShortestFirst();
  for (const [row, derivative] of rows.entries()) {
    for (const wire of derivative.keys()) {
      const known = rowsOf.get(wire);
      if (known === undefined) rowsOf.set(wire, new Set([row]));
      else known.add(row);
    }
    queue.add(row, derivative.size);
  }
  const solved: Solved[] = [];
  const isUsed = new Uint8Array(rows.length);
  for (let next = queue.take(); next !== undefined; next = queue.take()) {
    const [row, length] = next;
    const derivative = rows[row] as Derivative;
    if (isUsed[row] === 1 || derivative.size !== length || length === 0) continue;
    isUsed[row] = 1;
    const pivot = rarest(derivative, rowsOf);
    const scale = invert(derivative.get(pivot) as bigint, SCALAR_FIELD);
    const rest: Derivative = new Map();
    for (const [wire, value] of derivative) {
      rowsOf.get(wire)?.delete(row);
      if (wire !== pivot) rest.set(wire, element(value * scale));
    }
    for (const other of rowsOf.get(pivot) ?? []) {
      subtract(rows[other] as Derivative, { pivot, rest }, other, rowsOf);
      queue.add(other, (rows[other] as Derivative).size);
    }
    rowsOf.delete(pivot);
    solved.push({ pivot, rest });
  }
  return solved;
}

/** The wire that stands in the fewest rows: eliminating it fills in least. */
function rarest(derivative: Derivative, rowsOf: ReadonlyMap<number, ReadonlySet<number>>): number {
  let best = -1;
  let fewest = Number.POSITIVE_INFINITY;
  for (const wire of derivative.keys()) {
    const count = rowsOf.get(wire)?.size ?? 0;
    if (count < fewest) [best, fewest] = [wire, count];
  }
  return best;
}

function subtract(
  derivative: Derivative,
  { pivot, rest }: Solved,
  row: number,
  rowsOf: Map<number, Set<number>>,
): void {
  const factor = derivative.get(pivot) as bigint;
  derivative.delete(pivot);
  for (const [wire, value] of rest) {
    const sum = element((derivative.get(wire) ?? 0n) - factor * value);
    if (sum === 0n) {
      derivative.delete(wire);
      rowsOf.get(wire)?.delete(row);
    } else {
      derivative.set(wire, sum);
      rowsOf.get(wire)?.add(row);
    }
  }
}

/** The wires that are not 0 in the null vector in which the free wire is 1 and all other free wires are 0. */
function movesWith(free: number, solved: readonly Solved[]): number[] {
  const vector = new Map([[free, 1n]]);
  for (let i = solved.length - 1; i >= 0; i--) {
    const { pivot, rest } = solved[i] as Solved;
    let sum = 0n;
    for (const [wire, value] of rest) sum -= value * (vector.get(wire) ?? 0n);
    if (element(sum) !== 0n) vector.set(pivot, element(sum));
  }
  return [...vector.keys()];
}

/** Rows by their length, the shortest first. A row whose length changed is added again; its old entry is stale. */
class ShortestFirst {
  readonly #byLength: number[][] = [];
  #shortest = 0;

  add(row: number, length: number): void {
    this.#byLength[length] ??= [];
    (this.#byLength[length] as number[]).push(row);
    this.#shortest = Math.min(this.#shortest, length);
  }

  take(): [row: number, length: number] | undefined {
    for (; this.#shortest < this.#byLength.length; this.#shortest++) {
      const row = this.#byLength[this.#shortest]?.pop();
      if (row !== undefined) return [row, this.#shortest];
    }
    return undefined;
  }
}
