/**
 * The quotient's values at the odd coset of the domain, from the witness (`engine.ts` has the
 * formula): two sparse products, three inverse transforms and three transforms.
 */
import { power, SCALAR_FIELD } from "../../field.ts";
import type { VectorField } from "../../kernels/vector-field.ts";
import type { Kernels } from "./kernels.ts";
import type { Region } from "./region.ts";

/** Transforms below this length are not worth kernels of their own (`key.ts` says what happens). */
export const MIN_DOMAIN = 8;
/** Stretches of 2^13 elements, 320 KiB, go through all their layers while they are in the cache. */
const STRETCH_LOG = 13;

/** Tables for one domain size, in a key's memory. */
export interface TransformTables {
  /** Twiddle factors by layer, from stride n/2 down to stride 4; w^-1 and w. */
  readonly inverse: number;
  readonly forward: number;
  /** g^i / n in bit-reversed order, g a primitive root of order 2 n. */
  readonly factors: number;
  /** Quads whose lanes 0 and 1 are 1 and the fourth root of unity (inverted, and not). */
  readonly inverseRoot: number;
  readonly root: number;
}

export function takeTables(region: Region, field: VectorField, domain: number): TransformTables {
  const element = 8 * field.limbs;
  const quad = 4 * element;
  return {
    inverse: region.take(element * domain),
    forward: region.take(element * domain),
    factors: region.take(element * domain),
    inverseRoot: region.take(quad),
    root: region.take(quad),
  };
}

/** The primitive root of unity of order 2^k that circom's tools use: a power of 5. */
export function rootOfUnity(order: number): bigint {
  return power(5n, (SCALAR_FIELD - 1n) / BigInt(order), SCALAR_FIELD);
}

/** Fills the tables by doubling what is there: a number times powers costs one multiplication. */
export class TableWriter {
  readonly #kernels: Kernels;
  readonly #memory: WebAssembly.Memory;
  readonly #field: VectorField;
  /** A quad for a factor. */
  readonly #factor: number;

  constructor(kernels: Kernels, memory: WebAssembly.Memory, field: VectorField, factor: number) {
    this.#kernels = kernels;
    this.#memory = memory;
    this.#field = field;
    this.#factor = factor;
  }

  write(tables: TransformTables, domain: number): void {
    const inverse = (x: bigint) => power(x, SCALAR_FIELD - 2n, SCALAR_FIELD);
    const w = rootOfUnity(domain);
    const g = rootOfUnity(2 * domain);
    this.#twiddles(tables.inverse, inverse(w), domain);
    this.#twiddles(tables.forward, w, domain);
    const fourth = power(w, BigInt(domain / 4), SCALAR_FIELD);
    this.#quad(tables.inverseRoot, [1n, inverse(fourth), 1n, 1n]);
    this.#quad(tables.root, [1n, fourth, 1n, 1n]);
    this.#factors(tables.factors, g, inverse(BigInt(domain)), domain);
  }

  /** Layer of stride h = n/2: w^i, i < h; each next layer takes every second one. */
  #twiddles(address: number, w: bigint, domain: number): void {
    const quad = 32 * this.#field.limbs;
    const powers = (count: number) =>
      Array.from({ length: count }, (_, i) => power(w, BigInt(i), SCALAR_FIELD));
    this.#quad(address, powers(4));
    for (let have = 4; have < domain / 2; have *= 2) {
      this.#double(address, have, power(w, BigInt(have), SCALAR_FIELD));
    }
    let layer = address;
    for (let stride = domain / 2; stride > 4; stride /= 2) {
      const next = layer + (quad * stride) / 4;
      this.#kernels.evens(next, layer, stride / 8);
      layer = next;
    }
  }

  /** Position e has g^rev(e) / n; the bit of e that doubling adds is rev's from the other end. */
  #factors(address: number, g: bigint, scale: bigint, domain: number): void {
    const at = (exponent: number) =>
      (scale * power(g, BigInt(exponent), SCALAR_FIELD)) % SCALAR_FIELD;
    this.#quad(address, [at(0), at(domain / 2), at(domain / 4), at((3 * domain) / 4)]);
    for (let have = 4; have < domain; have *= 2) {
      this.#double(address, have, power(g, BigInt(domain / (2 * have)), SCALAR_FIELD));
    }
  }

  #double(address: number, have: number, factor: bigint): void {
    const quad = 32 * this.#field.limbs;
    this.#quad(this.#factor, [factor, factor, factor, factor]);
    this.#kernels.scaleR(address + (quad * have) / 4, address, this.#factor, have / 4);
  }

  #quad(address: number, values: readonly bigint[]): void {
    const { radix, modulus, limbs } = this.#field;
    const view = new BigUint64Array(this.#memory.buffer, address, 4 * limbs);
    values.forEach((value, lane) => {
      this.#field.limbsOf((value * radix) % modulus).forEach((limb, i) => {
        view[4 * i + lane] = limb;
      });
    });
  }
}

/** Runs transforms of one size. */
export class Transforms {
  readonly #kernels: Kernels;
  readonly #tables: TransformTables;
  readonly #log: number;
  readonly #element: number;
  /** Byte offsets of the layers' twiddle factors; index: log2 of twice the stride. */
  readonly #layer: readonly number[];

  constructor(kernels: Kernels, field: VectorField, tables: TransformTables, domain: number) {
    this.#kernels = kernels;
    this.#tables = tables;
    this.#log = Math.log2(domain);
    this.#element = 8 * field.limbs;
    const layer: number[] = [];
    let offset = 0;
    for (let l = this.#log; l >= 3; l--) {
      layer[l] = offset;
      offset += this.#element * 2 ** (l - 1);
    }
    this.#layer = layer;
  }

  /** From values at the domain to values at the odd coset, in place. */
  toCoset(address: number, checkpoint: () => void): void {
    const element = this.#element;
    const n = 2 ** this.#log;
    const stretchLog = Math.min(STRETCH_LOG, this.#log);
    const stretch = 2 ** stretchLog;
    for (let l = this.#log; l > stretchLog; l--) {
      this.#inverseLayer(address, n, l);
      checkpoint();
    }
    for (let start = 0; start < n; start += stretch) {
      const at = address + element * start;
      for (let l = stretchLog; l >= 3; l--) this.#inverseLayer(at, stretch, l);
      const { factors, inverseRoot, root } = this.#tables;
      this.#kernels.turn(at, factors + element * start, inverseRoot, root, stretch / 4);
      for (let l = 3; l <= stretchLog; l++) this.#forwardLayer(at, stretch, l);
      if ((start & (8 * stretch - 1)) === 0) checkpoint();
    }
    for (let l = stretchLog + 1; l <= this.#log; l++) {
      this.#forwardLayer(address, n, l);
      checkpoint();
    }
  }

  /** Sums grow by a bit in each layer; every second one is brought back. */
  #inverseLayer(address: number, length: number, l: number): void {
    const k = this.#kernels;
    const kernel = l % 2 === 1 ? k.inFrequencyReduced : k.inFrequency;
    this.#butterflies(kernel, this.#tables.inverse, address, length, l);
  }

  /** Every third layer, and the last one. */
  #forwardLayer(address: number, length: number, l: number): void {
    const k = this.#kernels;
    const kernel = l === this.#log || (l - 2) % 3 === 0 ? k.inTimeReduced : k.inTime;
    this.#butterflies(kernel, this.#tables.forward, address, length, l);
  }

  #butterflies(
    kernel: Kernels["inTime"],
    table: number,
    address: number,
    length: number,
    l: number,
  ): void {
    const twiddles = table + (this.#layer[l] as number);
    const stride = 2 ** (l - 1);
    const distance = this.#element * stride;
    for (let start = 0; start < length; start += 2 * stride) {
      kernel(address + this.#element * start, distance, twiddles, stride / 4);
    }
  }
}

/** One of the two matrices of a key, by its entries. */
export interface SparseMatrix {
  /** A multiple of 4; what was added multiplies wire 0 by 0. */
  readonly count: number;
  /** Wires and coefficients as indices, rows as numbers of accumulators: u32 each. */
  readonly wires: number;
  readonly coefficients: number;
  readonly rows: number;
  /** Accumulators beyond the domain's: parts of rows with very many entries, and their rows. */
  readonly extraRows: readonly number[];
}

export interface QuotientKey {
  readonly domain: number;
  readonly tables: TransformTables;
  /** Distinct coefficients, 32 B each: times 2^510, so that a product with a witness value is in
   * Montgomery form. */
  readonly coefficients: number;
  readonly matrices: readonly [SparseMatrix, SparseMatrix];
}

/** A proof's polynomials and the accumulators of the sparse products. */
export interface QuotientBuffers {
  readonly polynomials: readonly [number, number, number];
  readonly accumulators: readonly [number, number];
}

/** A thread's buffers for entries of a sparse product. */
export interface GatherBuffers {
  readonly wires: number;
  readonly coefficients: number;
}

const GATHER_QUADS = 1024;
/** Batches of entries between two looks whether to stop. */
const POLL_BATCHES = 16;

export function takeQuotientBuffers(
  region: Region,
  field: VectorField,
  { domain, matrices }: QuotientKey,
): QuotientBuffers {
  const extra = Math.max(...matrices.map(({ extraRows }) => extraRows.length));
  const take = () => region.take(8 * field.limbs * (domain + extra + 4));
  const [a, b, c] = [take(), take(), take()];
  // The third polynomial is not there yet when rows are summed.
  return { polynomials: [a, b, c], accumulators: [c, take()] };
}

export function takeGatherBuffers(region: Region, field: VectorField): GatherBuffers {
  const take = () => region.take(32 * field.limbs * GATHER_QUADS);
  return { wires: take(), coefficients: take() };
}

/** Computes quotients for one key in one thread's buffers. */
export class Quotient {
  readonly #kernels: Kernels;
  readonly #memory: WebAssembly.Memory;
  readonly #field: VectorField;
  readonly #key: QuotientKey;
  readonly #buffers: QuotientBuffers;
  readonly #gather: GatherBuffers;
  readonly #transforms: Transforms;

  constructor(
    kernels: Kernels,
    memory: WebAssembly.Memory,
    field: VectorField,
    key: QuotientKey,
    buffers: QuotientBuffers,
    gather: GatherBuffers,
  ) {
    this.#kernels = kernels;
    this.#memory = memory;
    this.#field = field;
    this.#key = key;
    this.#buffers = buffers;
    this.#gather = gather;
    this.#transforms = new Transforms(kernels, field, key.tables, key.domain);
  }

  /**
   * The values of one matrix' product: for both matrices, in any order, by any thread.
   *
   * @param witness  address of canonical integers
   */
  rows(matrix: 0 | 1, witness: number, poll: () => void): void {
    const { polynomials, accumulators } = this.#buffers;
    const at = [accumulators[matrix], polynomials[matrix]] as const;
    this.#rows(this.#key.matrices[matrix], witness, ...at, poll);
  }

  /** The products of the rows' values, when both are there and not transformed yet. */
  multiply(): void {
    const [a, b, c] = this.#buffers.polynomials;
    this.#kernels.multiplyR(c, a, b, this.#key.domain / 4);
  }

  /** To the coset: for all three, in any order. */
  transform(polynomial: 0 | 1 | 2, poll: () => void): void {
    this.#transforms.toCoset(this.#buffers.polynomials[polynomial], poll);
  }

  /** @param out  address of domain x 32 B: the quotient's values, canonical */
  finish(out: number): void {
    const [a, b, c] = this.#buffers.polynomials;
    const { domain } = this.#key;
    this.#kernels.quotient(a, a, b, c, domain / 4);
    this.#kernels.packR(out, a, domain);
  }

  #rows(matrix: SparseMatrix, witness: number, rows: number, dst: number, poll: () => void): void {
    const k = this.#kernels;
    const { domain, coefficients } = this.#key;
    const { wires: gathered, coefficients: products } = this.#gather;
    const { limbs, modulus } = this.#field;
    const accumulators = domain + matrix.extraRows.length;
    new BigUint64Array(this.#memory.buffer, rows, accumulators * limbs).fill(0n);
    for (let first = 0; first < matrix.count; first += 4 * GATHER_QUADS) {
      const quads = Math.min(GATHER_QUADS, (matrix.count - first) / 4);
      if ((first / (4 * GATHER_QUADS)) % POLL_BATCHES === 0) poll();
      k.gatherR(gathered, witness, matrix.wires + 4 * first, quads);
      k.gatherR(products, coefficients, matrix.coefficients + 4 * first, quads);
      k.multiplyR(products, products, gathered, quads);
      k.addToRows(products, matrix.rows + 4 * first, rows, quads);
    }
    k.finishRows(rows, dst, accumulators);
    const view = new BigUint64Array(this.#memory.buffer);
    const lane = (row: number) => (dst + 32 * limbs * (row >> 2) + 8 * (row & 3)) / 8;
    const read = (row: number) =>
      this.#field.valueOf(
        Array.from({ length: limbs }, (_, i) => view[lane(row) + 4 * i] as bigint),
      );
    matrix.extraRows.forEach((row, i) => {
      const sum = (read(row) + read(domain + i)) % modulus;
      this.#field.limbsOf(sum).forEach((limb, j) => {
        view[lane(row) + 4 * j] = limb;
      });
    });
  }
}
