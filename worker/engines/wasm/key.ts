/**
 * A proving key as the kernels want it, in one shared memory for all threads.
 *
 *     constants of the kernels | points by section | indices | coefficients | tables | arenas
 *
 * Points at infinity are left out; what is kept has an index into the scalars. Everything here is
 * plain data, to be posted to other threads together with the memory.
 */

import { ELEMENT_BYTES } from "../../field.ts";
import { type Degree, pointSizes } from "../../kernels/curve.ts";
import { MAX_ROW_ENTRIES } from "../../kernels/rows.ts";
import type { VectorField } from "../../kernels/vector-field.ts";
import { COEFFICIENT_BYTES, type Zkey } from "../../zkey.ts";
import {
  type CompiledKernels,
  FIRST_FREE,
  fieldsOf,
  instantiate,
  type Kernels,
  MAX_PAGES,
} from "./kernels.ts";
import {
  MIN_DOMAIN,
  type QuotientKey,
  type SparseMatrix,
  TableWriter,
  takeTables,
} from "./quotient.ts";
import { grow, Region } from "./region.ts";

/** Packed points without those at infinity. */
export interface Section {
  readonly points: number;
  /** Address of `count` indices into the section's scalars (u32). */
  readonly map: number;
  readonly count: number;
}

export interface SharedKey {
  readonly memory: WebAssembly.Memory;
  readonly kernels: CompiledKernels;
  readonly nVars: number;
  readonly nPublic: number;
  readonly domain: number;
  readonly sections: Readonly<Record<"a" | "b1" | "c" | "h" | "b2", Section>>;
  /** Undefined for domains too small for the transforms. */
  readonly quotient: QuotientKey | undefined;
  /** For those domains: the coefficients as in a key's file. */
  readonly tinyCoefficients: Uint8Array | undefined;
  /** The first address behind the key, a multiple of 64: slots begin here (`arena.ts`). */
  readonly end: number;
  /** Bytes of one slot, a multiple of 64. */
  readonly slotBytes: number;
}

/** Elements that are converted at once. */
const STAGE_ELEMENTS = 16384;

export function writeKey(kernels: CompiledKernels, zkey: Zkey): Omit<SharedKey, "slotBytes"> {
  const { fq, fr } = fieldsOf(kernels.options);
  const memory = new WebAssembly.Memory({ initial: 16, maximum: MAX_PAGES, shared: true });
  const region = new Region(FIRST_FREE);
  const k = instantiate(kernels, memory, true);
  const stage = region.take(40 * 8 * STAGE_ELEMENTS);
  const factor = region.take(32 * fq.limbs);
  const writer = new SectionWriter(k, memory, region, fq, stage, factor);
  const { domainSize: domain, nVars, nPublic } = zkey;
  const sections = {
    a: writer.write(zkey.a, 1),
    b1: writer.write(zkey.b1, 1),
    c: writer.write(zkey.c, 1),
    h: writer.write(zkey.h, 1),
    b2: writer.write(zkey.b2, 2),
  };
  let quotient: QuotientKey | undefined;
  if (domain >= MIN_DOMAIN) {
    const { values, matrices } = sparse(zkey);
    const coefficients = region.take(values.length + 64);
    const addresses = matrices.map((matrix) => ({
      count: matrix.wires.length,
      wires: region.take(4 * matrix.wires.length),
      coefficients: region.take(4 * matrix.wires.length),
      rows: region.take(4 * matrix.wires.length),
      extraRows: matrix.extraRows,
    })) as SparseMatrix[] as [SparseMatrix, SparseMatrix];
    const tables = takeTables(region, fr, domain);
    grow(memory, region.end);
    writer.integers(values, coefficients, "R", fr, (fr.radix * fr.radix * fr.radix) / 2n ** 512n);
    matrices.forEach((matrix, m) => {
      const at = addresses[m] as SparseMatrix;
      for (const name of ["wires", "coefficients", "rows"] as const) {
        new Uint32Array(memory.buffer, at[name], matrix[name].length).set(matrix[name]);
      }
    });
    new TableWriter(k, memory, fr, factor).write(tables, domain);
    quotient = { domain, tables, coefficients, matrices: addresses };
  }
  const tinyCoefficients = quotient === undefined ? zkey.coefficients.slice() : undefined;
  const end = region.take(0);
  return { memory, kernels, nVars, nPublic, domain, sections, quotient, tinyCoefficients, end };
}

class SectionWriter {
  readonly #kernels: Kernels;
  readonly #memory: WebAssembly.Memory;
  readonly #region: Region;
  readonly #fq: VectorField;
  readonly #stage: number;
  readonly #factor: number;

  constructor(
    kernels: Kernels,
    memory: WebAssembly.Memory,
    region: Region,
    fq: VectorField,
    stage: number,
    factor: number,
  ) {
    this.#kernels = kernels;
    this.#memory = memory;
    this.#region = region;
    this.#fq = fq;
    this.#stage = stage;
    this.#factor = factor;
  }

  write(section: Uint8Array, degree: Degree): Section {
    const { packed } = pointSizes(this.#fq, degree);
    const map = finitePoints(section, packed);
    const points = this.#region.take(packed * map.length);
    const indices = this.#region.take(4 * map.length);
    grow(this.#memory, this.#region.end);
    new Uint32Array(this.#memory.buffer, indices, map.length).set(map);
    const bytes = new Uint8Array(this.#memory.buffer);
    map.forEach((from, to) => {
      bytes.set(section.subarray(from * packed, (from + 1) * packed), points + to * packed);
    });
    // x 2^256 becomes x R: a product with R^2 / 2^256, divided by R.
    const size = packed * map.length;
    this.#convert(
      points,
      size / ELEMENT_BYTES,
      "Q",
      this.#fq,
      (this.#fq.radix * this.#fq.radix) / 2n ** 256n,
    );
    return { points, map: indices, count: map.length };
  }

  /** Copies integers to an address and multiplies each by factor / R. */
  integers(
    values: Uint8Array,
    address: number,
    letter: "Q" | "R",
    field: VectorField,
    factor: bigint,
  ): void {
    new Uint8Array(this.#memory.buffer).set(values, address);
    this.#convert(address, values.length / ELEMENT_BYTES, letter, field, factor);
  }

  #convert(
    address: number,
    count: number,
    letter: "Q" | "R",
    field: VectorField,
    factor: bigint,
  ): void {
    const view = new BigUint64Array(this.#memory.buffer);
    field.limbsOf(factor % field.modulus).forEach((limb, i) => {
      view.fill(limb, this.#factor / 8 + 4 * i, this.#factor / 8 + 4 * i + 4);
    });
    const k = this.#kernels;
    for (let first = 0; first < count; first += STAGE_ELEMENTS) {
      const some = Math.min(STAGE_ELEMENTS, count - first);
      const quads = Math.ceil(some / 4);
      const at = address + ELEMENT_BYTES * first;
      k[`unpack${letter}`](this.#stage, at, quads);
      k[`scale${letter}`](this.#stage, this.#stage, this.#factor, quads);
      k[`pack${letter}`](at, this.#stage, some);
    }
  }
}

/** Indices of the points that are not at infinity (all bytes zero). */
function finitePoints(section: Uint8Array, size: number): Uint32Array {
  const aligned = section.byteOffset % 8 === 0 ? section : new Uint8Array(section);
  const words = new BigUint64Array(aligned.buffer, aligned.byteOffset, aligned.length / 8);
  const count = section.length / size;
  const indices = new Uint32Array(count);
  let found = 0;
  for (let i = 0; i < count; i++) {
    const start = (i * size) / 8;
    for (let w = start; w < start + size / 8; w++) {
      if (words[w] === 0n) continue;
      indices[found++] = i;
      break;
    }
  }
  return indices.subarray(0, found);
}

interface SparseLists {
  readonly wires: Uint32Array;
  readonly coefficients: Uint32Array;
  readonly rows: Uint32Array;
  readonly extraRows: number[];
}

/** The coefficients' section as two matrices over a table of distinct values. */
function sparse({ coefficients, domainSize }: Zkey): {
  values: Uint8Array;
  matrices: SparseLists[];
} {
  const count = coefficients.length / COEFFICIENT_BYTES;
  const view = new DataView(coefficients.buffer, coefficients.byteOffset, coefficients.length);
  const { indices, values } = distinct(coefficients);
  const matrices = [0, 1].map((matrix) => {
    const wires: number[] = [];
    const used: number[] = [];
    const rows: number[] = [];
    const extraRows: number[] = [];
    const fill = new Uint32Array(domainSize);
    /** The accumulator that a row writes to now. */
    const target = Uint32Array.from({ length: domainSize }, (_, i) => i);
    for (let i = 0; i < count; i++) {
      const at = i * COEFFICIENT_BYTES;
      if (view.getUint32(at, true) !== matrix) continue;
      const row = view.getUint32(at + 4, true);
      const entries = fill[row] as number;
      if (entries > 0 && entries % MAX_ROW_ENTRIES === 0) {
        target[row] = domainSize + extraRows.length;
        extraRows.push(row);
      }
      fill[row] = entries + 1;
      wires.push(view.getUint32(at + 8, true));
      used.push(indices[i] as number);
      rows.push(target[row] as number);
    }
    while (wires.length % 4 !== 0) {
      // Index 0 of the values is 0.
      wires.push(0);
      used.push(0);
      rows.push(0);
    }
    return {
      wires: Uint32Array.from(wires),
      coefficients: Uint32Array.from(used),
      rows: Uint32Array.from(rows),
      extraRows,
    };
  });
  return { values, matrices };
}

/** Distinct coefficient values (the first is 0) and, for each entry, the index of its value. */
function distinct(coefficients: Uint8Array): { indices: Uint32Array; values: Uint8Array } {
  const count = coefficients.length / COEFFICIENT_BYTES;
  const view = new DataView(coefficients.buffer, coefficients.byteOffset, coefficients.length);
  const slots = 2 ** Math.ceil(Math.log2(count + 2) + 1);
  const table = new Uint32Array(slots);
  const words = new BigUint64Array(4 * (count + 1));
  const indices = new Uint32Array(count);
  let found = 1;
  for (let i = 0; i < count; i++) {
    const at = i * COEFFICIENT_BYTES + 12;
    const [w0, w1, w2, w3] = [0, 8, 16, 24].map((o) => view.getBigUint64(at + o, true)) as [
      bigint,
      bigint,
      bigint,
      bigint,
    ];
    let slot =
      (view.getUint32(at, true) ^ Math.imul(view.getUint32(at + 4, true), 0x9e3779b1)) >>> 0;
    for (slot &= slots - 1; ; slot = (slot + 1) & (slots - 1)) {
      const index = table[slot] as number;
      if (index === 0) {
        words.set([w0, w1, w2, w3], 4 * found);
        table[slot] = found;
        indices[i] = found++;
        break;
      }
      if (
        words[4 * index] === w0 &&
        words[4 * index + 1] === w1 &&
        words[4 * index + 2] === w2 &&
        words[4 * index + 3] === w3
      ) {
        indices[i] = index;
        break;
      }
    }
  }
  return { indices, values: new Uint8Array(words.buffer, 0, ELEMENT_BYTES * found) };
}
