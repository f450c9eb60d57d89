import { mod, SCALAR_FIELD } from "../../../worker/field.ts";
import type { R1cs, SparseMatrix } from "../../../worker/r1cs.ts";

/** A linear combination of wires: coefficient by wire. */
export type Combination = ReadonlyMap<number, bigint>;

/** One constraint, a * b = c. */
export interface Row {
  readonly a: Combination;
  readonly b: Combination;
  readonly c: Combination;
}

/** How a row answers to a change delta of one wire: residue + linear * delta + quadratic * delta^2. */
export interface Slope {
  readonly linear: bigint;
  readonly quadratic: bigint;
}

/** The constraints of a circuit, laid out for questions about single rows and wires. */
export class Constraints {
  readonly nWires: number;
  /** Wires below are the constant, the outputs and the inputs. */
  readonly firstInternal: number;
  readonly nOutputs: number;
  readonly rows: readonly Row[];
  /** Rows that contain a wire, by wire. */
  readonly #rowsOf: readonly (readonly number[])[];
  readonly #wiresOf: readonly (readonly number[])[];

  constructor(r1cs: R1cs) {
    this.nWires = r1cs.nWires;
    this.nOutputs = r1cs.nOutputs;
    this.firstInternal = 1 + r1cs.nPublic + r1cs.nPrivateInputs;
    this.rows = Array.from({ length: r1cs.nConstraints }, (_, row) => ({
      a: combination(r1cs, r1cs.a, row),
      b: combination(r1cs, r1cs.b, row),
      c: combination(r1cs, r1cs.c, row),
    }));
    const rowsOf: number[][] = Array.from({ length: r1cs.nWires }, () => []);
    this.#wiresOf = this.rows.map(({ a, b, c }) => {
      const wires = new Set([...a.keys(), ...b.keys(), ...c.keys()]);
      wires.delete(0);
      return [...wires];
    });
    for (const [row, wires] of this.#wiresOf.entries()) {
      for (const wire of wires) rowsOf[wire]?.push(row);
    }
    this.#rowsOf = rowsOf;
  }

  /** True for a wire that the prover computes: neither the constant nor an input. */
  isComputed(wire: number): boolean {
    return wire >= this.firstInternal || (wire >= 1 && wire <= this.nOutputs);
  }

  /** Rows that contain the wire. */
  rowsOf(wire: number): readonly number[] {
    return this.#rowsOf[wire] as readonly number[];
  }

  /** Wires of a row, without the constant. */
  wiresOf(row: number): readonly number[] {
    return this.#wiresOf[row] as readonly number[];
  }

  /** What is missing in a row: a * b - c, in [0, r). */
  residue(row: number, witness: readonly bigint[]): bigint {
    const { a, b, c } = this.rows[row] as Row;
    return element(valueAt(a, witness) * valueAt(b, witness) - valueAt(c, witness));
  }

  /** The answer of a row to each of its wires, the constant left out. */
  slopes(row: number, witness: readonly bigint[]): Map<number, Slope> {
    const { a, b, c } = this.rows[row] as Row;
    const [atA, atB] = [valueAt(a, witness), valueAt(b, witness)];
    const slopes = new Map<number, Slope>();
    for (const wire of this.wiresOf(row)) {
      const [inA, inB, inC] = [a.get(wire) ?? 0n, b.get(wire) ?? 0n, c.get(wire) ?? 0n];
      const linear = element(inA * atB + inB * atA - inC);
      slopes.set(wire, { linear, quadratic: element(inA * inB) });
    }
    return slopes;
  }
}

/** The value of a combination, in (-r, r). */
export function valueAt(combination: Combination, witness: readonly bigint[]): bigint {
  let sum = 0n;
  for (const [wire, coefficient] of combination) sum += coefficient * (witness[wire] as bigint);
  return sum % SCALAR_FIELD;
}

export const element = (value: bigint): bigint => mod(value, SCALAR_FIELD);

function combination(r1cs: R1cs, matrix: SparseMatrix, row: number): Combination {
  const terms = new Map<number, bigint>();
  const end = matrix.rowStart[row + 1] as number;
  for (let e = matrix.rowStart[row] as number; e < end; e++) {
    const value = r1cs.coefficients[matrix.coefficient[e] as number] as bigint;
    terms.set(matrix.wire[e] as number, value);
  }
  return terms;
}
