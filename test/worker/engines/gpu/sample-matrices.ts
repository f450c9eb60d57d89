/** Keys with random sparse matrices, and witnesses for them; the same for the same seed. */
import { SCALAR_FIELD } from "../../../../worker/field.ts";
import type { Zkey } from "../../../../worker/zkey.ts";
import { randomsBelow } from "../../kernels/spirv/random.ts";
import { type Coefficient, scalarBytes, syntheticZkey } from "../../synthetic-key.ts";

export interface MatrixShape {
  readonly domain: number;
  readonly nVars: number;
  readonly entries: number;
  /** Entries of row 1 of matrix A beside those. */
  readonly longRow?: number;
  /** How many different values the coefficients have; as many as entries when left out. */
  readonly values?: number;
}

const P = SCALAR_FIELD;

/** Entries in any order, some rows empty, some entries for the same place. */
export function sampleCoefficients(shape: MatrixShape, seed: string): Coefficient[] {
  const { domain, nVars, entries, longRow = 0 } = shape;
  const count = entries + longRow;
  const values = [1n, P - 1n, 0n, 2n, ...randomsBelow(P, shape.values ?? count, `${seed} values`)];
  const chosen = randomsBelow(1n << 128n, count, `${seed} places`).map((random, i): Coefficient => {
    const pick = (from: number, bound: number) =>
      Number((random >> BigInt(32 * from)) % BigInt(bound));
    const isLong = i >= entries;
    return {
      matrix: isLong ? 0 : (pick(0, 2) as 0 | 1),
      constraint: isLong ? 1 : pick(1, Math.max(1, domain - Math.floor(domain / 4))),
      signal: pick(2, nVars),
      value: values[pick(3, values.length)] as bigint,
    };
  });
  // The same place twice, and the long row's entries among the others.
  const twice = chosen.slice(0, Math.floor(entries / 8)).map((each) => ({ ...each, value: 3n }));
  const all = [...chosen, ...twice];
  return all.map((_, i) => all[(i * 7919) % all.length] as Coefficient);
}

export function sampleKey(shape: MatrixShape, seed: string): Zkey {
  const { nVars, domain: domainSize } = shape;
  return syntheticZkey({ nVars, domainSize, coefficients: sampleCoefficients(shape, seed) });
}

/** nVars canonical numbers, the first one 1: dense, or nearly all of them 0 or 1. */
export function sampleWitness(nVars: number, kind: "dense" | "bits", seed: string): Uint8Array {
  const random = randomsBelow(P, nVars, `${seed} witness`);
  const edges = [1n, P - 1n, 0n, P >> 1n];
  return scalarBytes(
    random.map((x, i) => {
      if (kind === "bits" && i % 50 !== 1) return i === 0 ? 1n : x & 1n;
      return edges[i] ?? x;
    }),
  );
}
