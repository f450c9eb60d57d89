/**
 * Arithmetic on long arrays of scalars with the engine's kernels (`worker/kernels/integers.ts`).
 *
 * An array has an address and a count; it is rounded up to whole quads of four elements, and what is
 * in the rest of the last quad means nothing. Elements are in Montgomery form unless a function says
 * otherwise; *plain* ones stand for themselves.
 */
import type { Kernels } from "../../worker/engines/wasm/kernels.ts";
import type { Region } from "../../worker/engines/wasm/region.ts";
import { ELEMENT_BYTES, invert, power, readViewLE, SCALAR_FIELD } from "../../worker/field.ts";
import type { VectorField } from "../../worker/kernels/vector-field.ts";

const LANES = 4;
/** Elements that are worked on while they are in the first cache. */
const CHUNK = 1024;

export class ScalarArrays {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  readonly field: VectorField;
  /** Bytes of four elements. */
  readonly quad: number;
  readonly #region: Region;
  readonly #factor: number;
  readonly #squares: number;
  readonly #spare: number;
  readonly #integers: number;

  /** @param field  of scalars, in the kernels' representation. */
  constructor(kernels: Kernels, memory: WebAssembly.Memory, field: VectorField, region: Region) {
    this.kernels = kernels;
    this.memory = memory;
    this.field = field;
    this.quad = 32 * field.limbs;
    this.#region = region;
    this.#factor = region.take(this.quad);
    this.#squares = this.take(CHUNK);
    this.#spare = this.take(CHUNK);
    this.#integers = region.take(LANES * ELEMENT_BYTES);
  }

  /** Reserves an array; usable once the memory reaches the region's end. */
  take(count: number): number {
    return this.#region.take(this.quad * quadsOf(count));
  }

  /** values_i = first * ratio^i: the part that is there times its length's power is the next one. */
  writePowers(values: number, count: number, first: bigint, ratio: bigint): void {
    let value = first;
    this.#writeQuad(
      values,
      Array.from({ length: LANES }, () => {
        const now = value;
        value = (value * ratio) % SCALAR_FIELD;
        return now;
      }),
    );
    for (let have = LANES; have < count; have *= 2) {
      const step = power(ratio, BigInt(have), SCALAR_FIELD);
      const some = Math.min(have, count - have);
      this.scale(values + (this.quad * have) / LANES, values, some, step);
    }
  }

  /** to_i = factor * from_i; plain elements stay plain. */
  scale(to: number, from: number, count: number, factor: bigint): void {
    this.#writeQuad(this.#factor, new Array<bigint>(LANES).fill(factor));
    this.kernels.scaleR(to, from, this.#factor, quadsOf(count));
  }

  /**
   * values_i -= 1. With S = R^2 in every place, `quotient` gives (v R * S / R - S) / R = (v - 1) R.
   */
  subtractOne(values: number, count: number): void {
    this.#writeQuad(this.#squares, new Array<bigint>(LANES).fill(this.field.radix));
    const bytes = new Uint8Array(this.memory.buffer, this.#squares, (this.quad * CHUNK) / LANES);
    for (let have = this.quad; have < bytes.length; have *= 2) bytes.copyWithin(have, 0, have);
    for (let first = 0; first < count; first += CHUNK) {
      const some = quadsOf(Math.min(CHUNK, count - first));
      const at = values + (this.quad * first) / LANES;
      this.kernels.quotient(at, at, this.#squares, this.#squares, some);
    }
  }

  /**
   * values_i = scale / values_i, plain. Products of pairs, of pairs of pairs, ... down to one quad,
   * which bigints invert; then back: the inverse of one factor is that of the product times the other.
   *
   * @param values    none may be 0. Its count is a power of two.
   * @param products  as many elements to work in.
   */
  invertEach(values: number, products: number, count: number, scale: bigint): void {
    const levels: { readonly at: number; readonly half: number }[] = [];
    let at = values;
    let next = products;
    for (let half = count / 2; half >= LANES; half /= 2) {
      levels.push({ at, half });
      this.kernels.multiplyR(next, at, at + (this.quad * half) / LANES, half / LANES);
      at = next;
      next += (this.quad * half) / LANES;
    }
    this.#invertQuad(at, scale);
    for (const level of levels.reverse()) {
      this.#divide(level.at, level.half, at);
      at = level.at;
    }
  }

  /** Both halves of an array become the other one times `inverses`. */
  #divide(values: number, half: number, inverses: number): void {
    const bytes = new Uint8Array(this.memory.buffer);
    const k = this.kernels;
    for (let first = 0; first < half; first += CHUNK) {
      const quads = quadsOf(Math.min(CHUNK, half - first));
      const low = values + (this.quad * first) / LANES;
      const high = low + (this.quad * half) / LANES;
      const inverse = inverses + (this.quad * first) / LANES;
      k.multiplyR(this.#spare, inverse, low, quads);
      k.multiplyR(low, inverse, high, quads);
      bytes.copyWithin(high, this.#spare, this.#spare + this.quad * quads);
    }
  }

  /** v R becomes scale / v: packed it is v R, and `#writeQuad` brings in the other R. */
  #invertQuad(address: number, scale: bigint): void {
    this.pack(this.#integers, address, LANES);
    const view = new DataView(this.memory.buffer, this.#integers);
    const inverses = Array.from({ length: LANES }, (_, lane) => {
      const value = readViewLE(view, ELEMENT_BYTES * lane);
      return scale * invert(value, SCALAR_FIELD);
    });
    this.#writeQuad(address, inverses);
  }

  /** Canonical integers, 32 B each, of plain elements; or of v R for elements in Montgomery form. */
  pack(integers: number, values: number, count: number): void {
    this.kernels.packR(integers, values, count);
  }

  /** Four values, in Montgomery form. */
  #writeQuad(address: number, values: readonly bigint[]): void {
    const { limbs, radix, modulus } = this.field;
    const view = new BigUint64Array(this.memory.buffer, address, LANES * limbs);
    values.forEach((value, lane) => {
      this.field.limbsOf((value * radix) % modulus).forEach((limb, i) => {
        view[LANES * i + lane] = limb;
      });
    });
  }
}

function quadsOf(count: number): number {
  return Math.ceil(count / LANES);
}
