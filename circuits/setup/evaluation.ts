/**
 * What a Groth16 key is made of, as numbers: with tau and the other secrets known, every point of
 * the key is a known multiple of a generator. Groth, "On the size of pairing-based non-interactive
 * arguments", eprint.iacr.org/2016/260, section 3.2, in the form that circom's provers expect.
 *
 * Besides the circuit's rows there is one row for the constant and for each public signal s, with
 * A = signal s and B = C = 0. They keep the public signals' polynomials independent: without them a
 * public signal that no constraint uses could be changed freely in a valid proof.
 */
import { invert, mod, SCALAR_FIELD } from "../../worker/field.ts";
import type { R1cs, SparseMatrix } from "../../worker/r1cs.ts";
import { lagrangeValues } from "./lagrange.ts";

/** The toxic waste. Whoever knows it can prove anything. Gamma is 1, as in every circom key. */
export interface Trapdoor {
  readonly tau: bigint;
  readonly alpha: bigint;
  readonly beta: bigint;
  readonly delta: bigint;
}

/** log2 of the evaluation domain: room for the constraints, the constant and the public signals. */
export function domainLog2(r1cs: Pick<R1cs, "nConstraints" | "nPublic">): number {
  return Math.max(1, 32 - Math.clz32(r1cs.nConstraints + r1cs.nPublic));
}

/** Discrete logarithms of a key's sections; all in [0, r). */
export interface KeyScalars {
  /** A_i(tau) of every wire. */
  readonly a: readonly bigint[];
  /** B_i(tau) of every wire. */
  readonly b: readonly bigint[];
  /** (beta A_i + alpha B_i + C_i) / gamma of the constant and the public signals. */
  readonly publicInputs: readonly bigint[];
  /** (beta A_i + alpha B_i + C_i) / delta of the other wires. */
  readonly c: readonly bigint[];
}

/** Evaluates the circuit's polynomials at tau. Cost: two multiplications an entry of A, B and C. */
export function evaluateKey(r1cs: R1cs, trapdoor: Trapdoor): KeyScalars {
  const { alpha, beta, delta, tau } = trapdoor;
  const rows = lagrangeValues(domainLog2(r1cs), tau);
  const a = columnSums(r1cs.a, r1cs, rows);
  for (let signal = 0; signal <= r1cs.nPublic; signal++) {
    const extra = rows[r1cs.nConstraints + signal] as bigint;
    a[signal] = ((a[signal] as bigint) + extra) % SCALAR_FIELD;
  }
  const b = columnSums(r1cs.b, r1cs, rows);
  const c = columnSums(r1cs.c, r1cs, rows);
  const sums = a.map((value, wire) => {
    const sum = beta * value + alpha * (b[wire] as bigint) + (c[wire] as bigint);
    return sum % SCALAR_FIELD;
  });
  const inverseDelta = invert(delta, SCALAR_FIELD);
  return {
    a,
    b,
    publicInputs: sums.slice(0, r1cs.nPublic + 1),
    c: sums.slice(r1cs.nPublic + 1).map((sum) => (sum * inverseDelta) % SCALAR_FIELD),
  };
}

/**
 * The bases for the quotient: Lagrange values on the odd half of the doubled domain, over delta.
 * A prover evaluates (A B - C) there, where it is the quotient times the vanishing polynomial; on
 * the even half it is 0.
 */
export function evaluateQuotientBases(log2: number, { tau, delta }: Trapdoor): bigint[] {
  const inverseDelta = invert(delta, SCALAR_FIELD);
  return lagrangeValues(log2 + 1, tau, true).map((value) => (value * inverseDelta) % SCALAR_FIELD);
}

/** For each wire, the sum over rows of its coefficient times the row's Lagrange value. */
function columnSums(matrix: SparseMatrix, r1cs: R1cs, rows: readonly bigint[]): bigint[] {
  const { coefficients, nConstraints, nWires } = r1cs;
  const sums = new Array<bigint>(nWires).fill(0n);
  for (let row = 0; row < nConstraints; row++) {
    const value = rows[row] as bigint;
    const end = matrix.rowStart[row + 1] as number;
    for (let e = matrix.rowStart[row] as number; e < end; e++) {
      const wire = matrix.wire[e] as number;
      const coefficient = coefficients[matrix.coefficient[e] as number] as bigint;
      // Reduced once at the end: sums of products stay a few bits longer than one product.
      sums[wire] = (sums[wire] as bigint) + coefficient * value;
    }
  }
  return sums.map((sum) => mod(sum, SCALAR_FIELD));
}
