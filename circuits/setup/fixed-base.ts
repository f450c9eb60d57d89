/**
 * Multiples of the two generators of BN254, many at a time: the whole work of a dev set-up.
 *
 * Method: fixed windows with signed digits. A scalar is sum d_j 2^(w j) with |d_j| <= 2^(w-1); the
 * table holds k 2^(w j) G for every window j and k = 1 to 2^(w-1), so that a multiple costs one
 * mixed addition or subtraction for each window and no doubling.
 *
 * The curve arithmetic is wasmcurves' BN254 module, the one inside ffjavascript. Its points are
 * little-endian in Montgomery form, as in a `.zkey`; (0, 0) is the affine point at infinity.
 */
import { createRequire } from "node:module";

export type Group = "g1" | "g2";

/** Bytes of an affine point. */
export const POINT_BYTES = { g1: 64, g2: 128 } as const;

export const SCALAR_BYTES = 32;

/** Points that share one inversion when they are brought into affine form. */
const BATCH = 512;

/** r < 2^254, and a signed digit can carry into one bit more. */
const SCALAR_BITS = 255;

const PAGE_BYTES = 65_536;

/**
 * Room for the module's own scratch space behind every reservation. The largest need is the table's
 * batchToAffine: a few Fq2 elements for each of 2^14 points.
 */
const SCRATCH_BYTES = 8 << 20;

/** wasmcurves' generated file: the module in base64, and addresses of constants in it. */
interface Bn128 {
  readonly code: string;
  readonly pG1gen: number;
  readonly pG2gen: number;
}

type Exports = Record<string, (...pointers: number[]) => void>;

/** The part of the WebAssembly API that is used here; Node's types do not have it. */
interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

interface WebAssemblyApi {
  Memory: new (limits: { initial: number }) => Memory;
  Module: new (code: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: object };
}

/** One group's table, ready to multiply. Lives in one thread. */
export class FixedBase {
  readonly #memory: Memory;
  readonly #calls: ReturnType<typeof groupCalls>;
  readonly #windowBits: number;
  readonly #windows: number;
  readonly #affineBytes: number;
  readonly #jacobianBytes: number;
  readonly #table: number;
  readonly #sums: number;
  readonly #results: number;

  /** @param windowBits  w, 2 to 16: the table has 255/w * 2^(w-1) points. See `windowBitsFor`. */
  constructor(group: Group, windowBits: number) {
    this.#windowBits = windowBits;
    this.#windows = Math.ceil(SCALAR_BITS / windowBits);
    this.#affineBytes = POINT_BYTES[group];
    this.#jacobianBytes = (this.#affineBytes / 2) * 3;
    const half = 2 ** (windowBits - 1);

    const { bn128, exports, memory } = instantiate();
    this.#memory = memory;
    this.#calls = groupCalls(exports, group);
    const reserve = allocator(memory);
    this.#table = reserve(this.#windows * half * this.#affineBytes);
    this.#sums = reserve(Math.max(BATCH, half) * this.#jacobianBytes);
    this.#results = reserve(BATCH * this.#affineBytes);
    this.#fillTable(group === "g1" ? bn128.pG1gen : bn128.pG2gen, reserve);
  }

  /**
   * @param scalars  n × 32 B, little-endian, each < r.
   * @param points   receives n affine points.
   */
  multiply(scalars: Uint8Array, points: Uint8Array): void {
    const count = scalars.length / SCALAR_BYTES;
    if (!Number.isInteger(count) || points.length !== count * this.#affineBytes) {
      throw new RangeError(
        `got ${scalars.length} bytes of scalars and ${points.length} of points, ` +
          `expected n × ${SCALAR_BYTES} and n × ${this.#affineBytes}`,
      );
    }
    // Longer than the scalars, so that the last digit can be read as 32 bits.
    const padded = new Uint8Array(scalars.length + 4);
    padded.set(scalars);
    const view = new DataView(padded.buffer);
    for (let first = 0; first < count; first += BATCH) {
      const size = Math.min(BATCH, count - first);
      for (let i = 0; i < size; i++) {
        this.#sumDigits(view, (first + i) * SCALAR_BYTES, this.#sums + i * this.#jacobianBytes);
      }
      this.#calls.batchToAffine(this.#sums, size, this.#results);
      const result = new Uint8Array(this.#memory.buffer, this.#results, size * this.#affineBytes);
      points.set(result, first * this.#affineBytes);
    }
  }

  #sumDigits(scalars: DataView, at: number, sum: number): void {
    const { zero, addMixed, subMixed } = this.#calls;
    const half = 2 ** (this.#windowBits - 1);
    const mask = 2 * half - 1;
    zero(sum);
    let carry = 0;
    for (let j = 0; j < this.#windows; j++) {
      const bit = j * this.#windowBits;
      const byte = bit >> 3;
      // Bits past the scalar's own 256 belong to the next one; r has none above 254.
      const word = byte < SCALAR_BYTES ? scalars.getUint32(at + byte, true) : 0;
      const room = 256 - bit;
      const digitMask = room < this.#windowBits ? 2 ** Math.max(room, 0) - 1 : mask;
      let digit = ((word >>> (bit & 7)) & digitMask) + carry;
      carry = digit > half ? 1 : 0;
      digit -= carry * 2 * half;
      if (digit > 0) addMixed(sum, this.#entry(j, digit), sum);
      else if (digit < 0) subMixed(sum, this.#entry(j, -digit), sum);
    }
  }

  /** Where the table holds k 2^(w j) G. */
  #entry(j: number, k: number): number {
    return this.#table + (j * 2 ** (this.#windowBits - 1) + k - 1) * this.#affineBytes;
  }

  #fillTable(generator: number, reserve: (size: number) => number): void {
    const { copy, double, toAffine, zero, addMixed, batchToAffine } = this.#calls;
    const half = 2 ** (this.#windowBits - 1);
    const base = reserve(this.#jacobianBytes);
    const baseAffine = reserve(this.#affineBytes);
    copy(generator, base);
    for (let j = 0; j < this.#windows; j++) {
      toAffine(base, baseAffine);
      let previous = this.#sums;
      zero(previous);
      for (let k = 0; k < half; k++) {
        const multiple = this.#sums + k * this.#jacobianBytes;
        addMixed(previous, baseAffine, multiple);
        previous = multiple;
      }
      batchToAffine(this.#sums, half, this.#entry(j, 1));
      for (let bit = 0; bit < this.#windowBits; bit++) double(base, base);
    }
  }
}

/** The window that makes `count` multiples and the table together cheapest, in additions. */
export function windowBitsFor(count: number): number {
  let best = 4;
  const cost = (w: number): number => Math.ceil(SCALAR_BITS / w) * (count + 1.5 * 2 ** (w - 1));
  for (let w = 5; w <= 15; w++) if (cost(w) < cost(best)) best = w;
  return best;
}

function instantiate(): { bn128: Bn128; exports: Exports; memory: Memory } {
  const { Memory, Module, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyApi })
    .WebAssembly;
  // Found through ffjavascript, whose dependency it is, wherever npm has put it.
  const require = createRequire(import.meta.resolve("ffjavascript"));
  const bn128: Bn128 = require("wasmcurves/build/bn128_wasm.js");
  const memory = new Memory({ initial: 64 });
  const instance = new Instance(new Module(Buffer.from(bn128.code, "base64")), { env: { memory } });
  return { bn128, exports: instance.exports as Exports, memory };
}

/** wasmcurves' functions of one group, by their names in it. */
function groupCalls(exports: Exports, group: Group) {
  const call = (name: string): ((...pointers: number[]) => void) => {
    const found = exports[`${group}m_${name}`];
    if (found === undefined) throw new TypeError(`wasmcurves has no ${group}m_${name}`);
    return found;
  };
  return {
    zero: call("zero"),
    copy: call("copy"),
    double: call("double"),
    addMixed: call("addMixed"),
    subMixed: call("subMixed"),
    toAffine: call("toAffine"),
    batchToAffine: call("batchToAffine"),
  };
}

/**
 * Reserves memory as wasmcurves does: it keeps the end of what is in use at address 0 and takes its
 * own scratch space from there, so every reservation must move that mark.
 */
function allocator(memory: Memory): (size: number) => number {
  return (size) => {
    const start = new DataView(memory.buffer).getUint32(0, true);
    const end = Math.ceil((start + size) / 8) * 8;
    const missing = end + SCRATCH_BYTES - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
    new DataView(memory.buffer).setUint32(0, end, true);
    return start;
  };
}
