/** What `circuits/setup/evaluation.ts` computes with kernels, on bigints as its formulas stand. */
import { domainLog2, type Trapdoor } from "../../circuits/setup/evaluation.ts";
import { invert, mod, power, SCALAR_FIELD } from "../../worker/field.ts";
import type { R1cs, SparseMatrix } from "../../worker/r1cs.ts";

/** Discrete logarithms of a key's sections; all in [0, r). */
export interface TwinScalars {
  readonly a: readonly bigint[];
  readonly b: readonly bigint[];
  /** Of all wires. */
  readonly c: readonly bigint[];
  readonly publicInputs: readonly bigint[];
  readonly h: readonly bigint[];
}

/** L_i(tau) = (tau^m - 1)/m * x_i/(tau - x_i), x_i = w^i, for every i < m = 2^log2. */
export function twinLagrangeValues(log2: number, tau: bigint): bigint[] {
  const size = 2 ** log2;
  const root = power(5n, (SCALAR_FIELD - 1n) >> BigInt(log2), SCALAR_FIELD);
  const vanishing = power(tau, BigInt(size), SCALAR_FIELD) - 1n;
  const scale = vanishing * invert(BigInt(size), SCALAR_FIELD);
  const values: bigint[] = [];
  for (let i = 0, x = 1n; i < size; i++, x = (x * root) % SCALAR_FIELD) {
    values.push(mod(scale * x * invert(tau - x, SCALAR_FIELD), SCALAR_FIELD));
  }
  return values;
}

export function twinScalars(r1cs: R1cs, { tau, alpha, beta, delta }: Trapdoor): TwinScalars {
  const { nConstraints, nPublic, nWires } = r1cs;
  const log2 = domainLog2(r1cs);
  const rows = twinLagrangeValues(log2, tau);
  const columns = (matrix: SparseMatrix): bigint[] => {
    const sums = new Array<bigint>(nWires).fill(0n);
    for (let row = 0; row < nConstraints; row++) {
      for (let e = at(matrix.rowStart, row); e < at(matrix.rowStart, row + 1); e++) {
        const wire = at(matrix.wire, e);
        const coefficient = at(r1cs.coefficients, at(matrix.coefficient, e));
        sums[wire] = mod(at(sums, wire) + coefficient * at(rows, row), SCALAR_FIELD);
      }
    }
    return sums;
  };
  const [a, b, c] = [columns(r1cs.a), columns(r1cs.b), columns(r1cs.c)];
  for (let signal = 0; signal <= nPublic; signal++) {
    a[signal] = (at(a, signal) + at(rows, nConstraints + signal)) % SCALAR_FIELD;
  }
  const sums = a.map((value, i) => (beta * value + alpha * at(b, i) + at(c, i)) % SCALAR_FIELD);
  const inverse = invert(delta, SCALAR_FIELD);
  const overDelta = (value: bigint) => (value * inverse) % SCALAR_FIELD;
  return {
    a,
    b,
    c: sums.map(overDelta),
    publicInputs: sums.slice(0, nPublic + 1),
    h: twinLagrangeValues(log2 + 1, tau)
      .filter((_, i) => i % 2 === 1)
      .map(overDelta),
  };
}

function at<T>(items: { readonly [index: number]: T }, i: number): T {
  return items[i] as T;
}
