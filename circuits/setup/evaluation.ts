/**
 * What a Groth16 key is made of, as numbers: with tau and the other secrets known, every point of
 * the key is a known multiple of a generator. Groth, "On the size of pairing-based non-interactive
 * arguments", eprint.iacr.org/2016/260, section 3.2, in the form that circom's provers expect.
 *
 * Besides the circuit's rows there is one row for the constant and for each public signal s, with
 * A = signal s and B = C = 0. They keep the public signals' polynomials independent: without them a
 * public signal that no constraint uses could be changed freely in a valid proof.
 *
 * Everything lies in the kernels' memory. Twin: `test/circuits/setup-twin.ts`, the same on bigints.
 */

import type { Region } from "../../worker/engines/wasm/region.ts";
import { ELEMENT_BYTES, invert, mod, SCALAR_FIELD, writeLE } from "../../worker/field.ts";
import { MAX_ROW_ENTRIES } from "../../worker/kernels/rows.ts";
import type { R1cs, SparseMatrix } from "../../worker/r1cs.ts";
import { lagrangeValues, oddLagrangeValues, takeFractions, writeFractions } from "./lagrange.ts";
import type { ScalarArrays } from "./scalar-arrays.ts";

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

/** Discrete logarithms of a key's sections: addresses of folded scalars (`kernels/entries.ts`). */
export interface KeyScalars {
  /** A_i(tau) of every wire. */
  readonly a: number;
  /** B_i(tau) of every wire. */
  readonly b: number;
  /** (beta A_i + alpha B_i + C_i) / delta of every wire; a key has those of private wires only. */
  readonly c: number;
  /** (beta A_i + alpha B_i + C_i) / gamma of the constant and the public signals. */
  readonly publicInputs: number;
  /**
   * The bases for the quotient: Lagrange values on the odd half of the doubled domain, over delta.
   * A prover evaluates (A B - C) there, where it is the quotient times the vanishing polynomial; on
   * the even half it is 0.
   */
  readonly h: number;
}

/** A part of an evaluation, after which the caller may do something else. */
export interface EvaluationStep {
  run(): void;
  /** The scalars that are there then. */
  readonly gives: readonly (keyof KeyScalars)[];
}

/** Entries of a matrix that are multiplied and added at once. */
const BATCH_ENTRIES = 1024;
/** Entries that a sum may have before it is reduced: the next batch may all belong to it. */
const FULL_SUM = MAX_ROW_ENTRIES - BATCH_ENTRIES;

/** Evaluates one circuit's polynomials at tau. */
export class Evaluation {
  readonly scalars: KeyScalars;
  readonly #arrays: ScalarArrays;
  readonly #r1cs: R1cs;
  readonly #trapdoor: Trapdoor;
  readonly #at: ReturnType<typeof layout>;
  #u32 = new Uint32Array();

  /** Takes memory from a region; call `prepare` when the memory reaches that far. */
  constructor(arrays: ScalarArrays, r1cs: R1cs, trapdoor: Trapdoor, region: Region) {
    this.#arrays = arrays;
    this.#r1cs = r1cs;
    this.#trapdoor = trapdoor;
    const { nWires, nPublic } = r1cs;
    // 8 bytes are read from the last word of a scalar on.
    const take = (count: number) => region.take(ELEMENT_BYTES * (count + 1));
    this.scalars = {
      a: take(nWires),
      b: take(nWires),
      c: take(nWires),
      publicInputs: take(nPublic + 1),
      h: take(2 ** domainLog2(r1cs)),
    };
    this.#at = layout(arrays, r1cs, region);
  }

  prepare(): void {
    const { buffer } = this.#arrays.memory;
    this.#u32 = new Uint32Array(buffer);
    const { coefficients } = this.#r1cs;
    const bytes = new Uint8Array(buffer, this.#at.coefficients);
    // Behind the circuit's own ones a 0, for places in a batch that have no entry, and a 1.
    [...coefficients, 0n, 1n].forEach((value, i) => {
      writeLE(bytes, ELEMENT_BYTES * i, mod(value, SCALAR_FIELD));
    });
  }

  /** All the work, in order. Cost: one multiplication for each entry of A, B and C. */
  steps(): EvaluationStep[] {
    const { a, b, c } = this.#r1cs;
    const { alpha, beta } = this.#trapdoor;
    const { scalars } = this;
    return [
      { run: () => this.#evaluateQuotientBases(), gives: ["h"] },
      { run: () => this.#evaluateRows(), gives: [] },
      { run: () => this.#evaluateMatrix(a, beta, scalars.a), gives: ["a"] },
      { run: () => this.#evaluateMatrix(b, alpha, scalars.b), gives: ["b"] },
      { run: () => this.#evaluateMatrix(c, 1n, undefined), gives: [] },
      { run: () => this.#divideCombined(), gives: ["c", "publicInputs"] },
    ];
  }

  #evaluateQuotientBases(): void {
    const { tau, delta } = this.#trapdoor;
    const log2 = domainLog2(this.#r1cs);
    const odd = oddLagrangeValues(log2 + 1, tau);
    const { h } = this.scalars;
    writeFractions(this.#arrays, odd, invert(delta, SCALAR_FIELD), this.#at.fractions, h);
    this.#arrays.kernels.fold(h, 2 ** log2);
  }

  /** The Lagrange values by which rows count: in Montgomery form, so that products with plain
   * coefficients are plain. */
  #evaluateRows(): void {
    const { fractions, rows, combined } = this.#at;
    const lagrange = lagrangeValues(domainLog2(this.#r1cs), this.#trapdoor.tau);
    writeFractions(this.#arrays, lagrange, this.#arrays.field.radix, fractions, rows);
    this.#clear(combined);
  }

  /** Writes a matrix' value for every wire to `out` and adds it, times a factor, to the combined. */
  #evaluateMatrix(matrix: SparseMatrix, factor: bigint, out: number | undefined): void {
    const { nWires } = this.#r1cs;
    const { sums, values } = this.#at;
    this.#clear(sums);
    this.#addColumns(matrix);
    if (matrix === this.#r1cs.a) this.#addPublicRows();
    this.#arrays.kernels.finishRows(sums, values, nWires);
    if (out !== undefined) this.#writeScalars(out, nWires);
    if (factor !== 1n) this.#arrays.scale(values, values, nWires, factor);
    this.#addToCombined();
  }

  /** By gamma = 1 for public wires, by delta for the others. */
  #divideCombined(): void {
    const { nWires, nPublic } = this.#r1cs;
    const { combined, values } = this.#at;
    this.#arrays.kernels.finishRows(combined, values, nWires);
    this.#writeScalars(this.scalars.publicInputs, nPublic + 1);
    const inverse = invert(this.#trapdoor.delta, SCALAR_FIELD);
    this.#arrays.scale(values, values, nWires, inverse);
    this.#writeScalars(this.scalars.c, nWires);
  }

  /** The first of `values`, canonical and folded. */
  #writeScalars(out: number, count: number): void {
    this.#arrays.pack(out, this.#at.values, count);
    this.#arrays.kernels.fold(out, count);
  }

  #clear(sums: number): void {
    const { limbs } = this.#arrays.field;
    const bytes = 8 * limbs * this.#r1cs.nWires;
    new Uint8Array(this.#arrays.memory.buffer, sums, bytes).fill(0);
  }

  /** For each wire, adds over all rows its coefficient times the row's Lagrange value. */
  #addColumns({ rowStart, wire, coefficient }: SparseMatrix): void {
    const { rowIndices, coefficientIndices, wireIndices } = this.#at;
    const u32 = this.#u32;
    const filled = new Uint16Array(this.#r1cs.nWires);
    let row = 0;
    for (let first = 0; first < wire.length; first += BATCH_ENTRIES) {
      const end = Math.min(first + BATCH_ENTRIES, wire.length);
      u32.set(coefficient.subarray(first, end), coefficientIndices / 4);
      u32.set(wire.subarray(first, end), wireIndices / 4);
      const full: number[] = [];
      for (let e = first; e < end; e++) {
        while ((rowStart[row + 1] as number) <= e) row++;
        u32[rowIndices / 4 + e - first] = row;
        const column = wire[e] as number;
        const entries = (filled[column] as number) + 1;
        filled[column] = entries;
        if (entries === FULL_SUM) full.push(column);
      }
      this.#addBatch(end - first);
      for (const column of full) {
        this.#reduceSum(column);
        filled[column] = 1;
      }
    }
  }

  /** The rows of the constant and the public signals in A. */
  #addPublicRows(): void {
    const { nConstraints, nPublic, coefficients } = this.#r1cs;
    const { rowIndices, coefficientIndices, wireIndices } = this.#at;
    for (let first = 0; first <= nPublic; first += BATCH_ENTRIES) {
      const count = Math.min(BATCH_ENTRIES, nPublic + 1 - first);
      for (let i = 0; i < count; i++) {
        this.#u32[rowIndices / 4 + i] = nConstraints + first + i;
        this.#u32[coefficientIndices / 4 + i] = coefficients.length + 1;
        this.#u32[wireIndices / 4 + i] = first + i;
      }
      this.#addBatch(count);
    }
  }

  /** sums[wire] += row's value * coefficient for the listed entries. */
  #addBatch(count: number): void {
    const { rowIndices, coefficientIndices, wireIndices } = this.#at;
    const { rows, coefficients, gathered, products, sums } = this.#at;
    const k = this.#arrays.kernels;
    for (let i = count; i % 4 !== 0; i++) {
      this.#u32[rowIndices / 4 + i] = 0;
      this.#u32[coefficientIndices / 4 + i] = this.#r1cs.coefficients.length;
      this.#u32[wireIndices / 4 + i] = 0;
    }
    const quads = Math.ceil(count / 4);
    k.gatherR(gathered, rows, rowIndices, quads);
    k.gatherR(products, coefficients, coefficientIndices, quads);
    k.multiplyR(products, products, gathered, quads);
    k.addToRows(products, wireIndices, sums, quads);
  }

  /** combined_i += values_i */
  #addToCombined(): void {
    const { values, combined, wireIndices } = this.#at;
    const { kernels, quad, field } = this.#arrays;
    const { nWires } = this.#r1cs;
    for (let i = 0; i < BATCH_ENTRIES; i++) this.#u32[wireIndices / 4 + i] = i;
    for (let first = 0; first < nWires; first += BATCH_ENTRIES) {
      const quads = Math.ceil(Math.min(BATCH_ENTRIES, nWires - first) / 4);
      const at = values + (quad * first) / 4;
      kernels.addToRows(at, wireIndices, combined + 8 * field.limbs * first, quads);
    }
  }

  /** Makes a sum of many products, limb by limb, a number below r again. */
  #reduceSum(wire: number): void {
    const { limbs, limbBits } = this.#arrays.field;
    const at = this.#at.sums + 8 * limbs * wire;
    const words = new BigInt64Array(this.#arrays.memory.buffer, at, limbs);
    const bits = BigInt(limbBits);
    let value = mod(
      words.reduceRight((sum, limb) => (sum << bits) + limb, 0n),
      SCALAR_FIELD,
    );
    for (let i = 0; i < limbs; i++) {
      words[i] = BigInt.asUintN(limbBits, value);
      value >>= bits;
    }
  }
}

function layout(arrays: ScalarArrays, r1cs: R1cs, region: Region) {
  const domain = 2 ** domainLog2(r1cs);
  // Whole quads are added.
  const sums = () => region.take(8 * arrays.field.limbs * (r1cs.nWires + 4));
  const indices = () => region.take(4 * BATCH_ENTRIES);
  return {
    fractions: takeFractions(arrays, domain),
    /** Lagrange values of the rows, 32 B each. */
    rows: region.take(ELEMENT_BYTES * domain),
    coefficients: region.take(ELEMENT_BYTES * (r1cs.coefficients.length + 2)),
    /** 64-bit integers for each limb of each wire's sum. */
    sums: sums(),
    combined: sums(),
    /** The same in the kernels' form. */
    values: arrays.take(r1cs.nWires),
    rowIndices: indices(),
    coefficientIndices: indices(),
    wireIndices: indices(),
    gathered: arrays.take(BATCH_ENTRIES),
    products: arrays.take(BATCH_ENTRIES),
  };
}
