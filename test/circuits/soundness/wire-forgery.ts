import { invert, SCALAR_FIELD } from "../../../worker/field.ts";
import { type Constraints, element, type Slope } from "./constraints.ts";

/**
 * The wires whose value can be replaced by some other value, all other wires kept, without any row objecting. Exact: each
 * row is a polynomial of degree 2 or less in the wire, so it allows no other value, one, or all, and the rows must
 * agree on one. Inputs are included: a prover chooses the private ones.
 *
 * @param witness satisfies the constraints.
 */
export function forgeableWires(constraints: Constraints, witness: readonly bigint[]): number[] {
  // by wire: absent if no row has objected yet, NONE if every change is refused, else the one change that is left
  const NONE = 0n;
  const allowed = new Map<number, bigint>();
  for (const row of constraints.rows.keys()) {
    for (const [wire, { linear, quadratic }] of constraints.slopes(row, witness)) {
      const known = allowed.get(wire);
      if (known === NONE || (linear === 0n && quadratic === 0n)) continue;
      // linear delta + quadratic delta^2 = 0
      const delta = quadratic === 0n ? NONE : element(-linear * invert(quadratic, SCALAR_FIELD));
      allowed.set(wire, known === undefined || known === delta ? delta : NONE);
    }
  }
  const wires = Array.from({ length: constraints.nWires - 1 }, (_, i) => i + 1);
  return wires.filter((wire) => allowed.get(wire) !== NONE);
}

/**
 * The bits that can be turned over while everything that the constraints compute from the bits follows, and no row
 * objects. All other bits are kept. This finds what a Jacobian cannot: another value far away.
 *
 * Where the compiler has left sums that must be solved together (Poseidon), the wires in them stay as they are, and the
 * rows object: of use for templates without a hash inside.
 */
export function flippableBits(constraints: Constraints, witness: readonly bigint[]): number[] {
  const forger = new BitForger(constraints, witness);
  return [...forger.bits].filter((bit) => {
    const flipped = 1n - (witness[bit] as bigint);
    return forger.broken(new Map([[bit, flipped]]), 1).length === 0;
  });
}

/** Sets bits of a witness that satisfies the constraints, and lets what is computed from bits follow. */
export class BitForger {
  /** Wires with a row of their own that allows two values. */
  readonly bits: ReadonlySet<number>;
  readonly #constraints: Constraints;
  readonly #witness: readonly bigint[];
  readonly #steps: readonly Step[];
  /** Rows that give no wire, by the number of steps after which all their wires are settled. */
  readonly #judges: ReadonlyMap<number, readonly number[]>;

  constructor(constraints: Constraints, witness: readonly bigint[]) {
    this.#constraints = constraints;
    this.#witness = witness;
    this.bits = bitsOf(constraints);
    this.#steps = stepsFrom(constraints, this.bits, witness);
    this.#judges = judgesAfter(constraints, this.#steps);
  }

  /**
   * The rows that object to the changes, after everything has followed.
   *
   * @param limit stop after so many.
   */
  broken(changes: ReadonlyMap<number, bigint>, limit: number = Number.POSITIVE_INFINITY): number[] {
    const constraints = this.#constraints;
    const values = [...this.#witness];
    const isChanged = new Uint8Array(values.length);
    for (const [wire, value] of changes) {
      values[wire] = value;
      isChanged[wire] = 1;
    }
    const hasChanged = (row: number) => constraints.wiresOf(row).some((w) => isChanged[w] === 1);
    const isBroken = (row: number) => hasChanged(row) && constraints.residue(row, values) !== 0n;
    const broken: number[] = [];
    for (let done = 0; done <= this.#steps.length && broken.length < limit; done++) {
      broken.push(...(this.#judges.get(done) ?? []).filter(isBroken));
      const step = this.#steps[done];
      if (step === undefined || !hasChanged(step.row)) continue;
      const { row, wire } = step;
      const value = solutionOf(constraints, row, wire, values);
      if (value === undefined) broken.push(...[row].filter(isBroken));
      else if (value !== values[wire]) {
        isChanged[wire] = 1;
        values[wire] = value;
      }
    }
    return broken;
  }
}

/** The row gives the wire, once all its other wires are settled. */
interface Step {
  readonly row: number;
  readonly wire: number;
}

function judgesAfter(constraints: Constraints, steps: readonly Step[]): Map<number, number[]> {
  const settledAfter = new Map(steps.map(({ wire }, i) => [wire, i + 1]));
  const givers = new Set(steps.map(({ row }) => row));
  const judges = new Map<number, number[]>();
  for (const row of constraints.rows.keys()) {
    if (givers.has(row)) continue;
    const after = Math.max(0, ...constraints.wiresOf(row).map((w) => settledAfter.get(w) ?? 0));
    judges.set(after, [...(judges.get(after) ?? []), row]);
  }
  return judges;
}

/** Wires with a row of their own that allows two values. */
function bitsOf(constraints: Constraints): Set<number> {
  const bits = new Set<number>();
  for (const row of constraints.rows.keys()) {
    const [wire, ...others] = constraints.wiresOf(row);
    if (wire !== undefined && others.length === 0 && constraints.isComputed(wire)) bits.add(wire);
  }
  return bits;
}

/** An order in which each row has all its other wires from inputs, bits and earlier rows. */
function stepsFrom(
  constraints: Constraints,
  bits: ReadonlySet<number>,
  witness: readonly bigint[],
): Step[] {
  const isKnown = Array.from(
    { length: constraints.nWires },
    (_, wire) => !constraints.isComputed(wire) || bits.has(wire),
  );
  const steps: Step[] = [];
  const pending = [...constraints.rows.keys()];
  const settle = (wire: number) => {
    isKnown[wire] = true;
    pending.push(...constraints.rowsOf(wire));
  };
  // What no row gives is kept, the lowest wire first: the compiler numbers wires in the order in which they are computed.
  for (let wire = 1; wire < constraints.nWires; wire++) {
    for (let row = pending.pop(); row !== undefined; row = pending.pop()) {
      const [unknown, ...others] = constraints.wiresOf(row).filter((other) => !isKnown[other]);
      if (unknown === undefined || others.length > 0) continue;
      const { linear, quadratic } = constraints.slopes(row, witness).get(unknown) as Slope;
      // A row that is indifferent to the wire does not give it, and one of second degree might give two values.
      if (linear === 0n || quadratic !== 0n) continue;
      steps.push({ row, wire: unknown });
      settle(unknown);
    }
    if (!isKnown[wire]) settle(wire);
  }
  return steps;
}

/** The one value of the wire that satisfies the row, in which it enters linearly; undefined if there is none or any. */
function solutionOf(
  constraints: Constraints,
  row: number,
  wire: number,
  values: readonly bigint[],
): bigint | undefined {
  const linear = constraints.slopes(row, values).get(wire)?.linear ?? 0n;
  if (linear === 0n) return undefined;
  const delta = constraints.residue(row, values) * invert(linear, SCALAR_FIELD);
  return element((values[wire] as bigint) - delta);
}
