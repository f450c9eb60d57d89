import { invert, SCALAR_FIELD } from "../../../worker/field.ts";
import { type Constraints, element } from "./constraints.ts";

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
  const bits = bitsOf(constraints);
  const steps = stepsFrom(constraints, bits);
  const judges = constraints.rows.map((_, row) => row).filter((row) => !steps.has(row));
  return [...bits].filter((bit) => {
    const values = witness.with(bit, 1n - (witness[bit] as bigint));
    const isChanged = new Uint8Array(values.length);
    isChanged[bit] = 1;
    const hasChanged = (row: number) => constraints.wiresOf(row).some((w) => isChanged[w] === 1);
    for (const [row, wire] of steps) {
      if (!hasChanged(row)) continue;
      const value = solutionOf(constraints, row, wire, values) ?? (values[wire] as bigint);
      if (value !== values[wire]) isChanged[wire] = 1;
      values[wire] = value;
    }
    const holds = (row: number) => !hasChanged(row) || constraints.residue(row, values) === 0n;
    return judges.every(holds) && [...steps.keys()].every(holds);
  });
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

/** Which row gives which wire, in an order in which each row has all its other wires from inputs, bits and earlier rows. */
function stepsFrom(constraints: Constraints, bits: ReadonlySet<number>): Map<number, number> {
  const isKnown = Array.from(
    { length: constraints.nWires },
    (_, wire) => !constraints.isComputed(wire) || bits.has(wire),
  );
  const steps = new Map<number, number>();
  const pending = [...constraints.rows.keys()];
  for (let row = pending.pop(); row !== undefined; row = pending.pop()) {
    const [unknown, ...others] = constraints.wiresOf(row).filter((wire) => !isKnown[wire]);
    if (unknown === undefined || others.length > 0) continue;
    const { a, b } = constraints.rows[row] as (typeof constraints.rows)[number];
    if (a.has(unknown) && b.has(unknown)) continue; // two values might do
    steps.set(row, unknown);
    isKnown[unknown] = true;
    pending.push(...constraints.rowsOf(unknown));
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
