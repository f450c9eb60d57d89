/**
 * Number-theoretic transforms over Fr of length n = 2^k, in place, several of them side by side; w is
 * a primitive n-th root of unity.
 *
 *     in frequency:  (a, b) -> (a + b, (a - b) / w^i)   strides n/2 down to 1, natural order in
 *     in time:       (a, b) -> (a + b w^i, a - b w^i)   strides 1 up to n/2, natural order out
 *
 * The other order is bit-reversed, so that the inverse transform (but for its factor 1/n), a
 * multiplication of coefficients and a transform need no reversal in between, as in
 * `worker/kernels/transform.ts`. One table has the powers for both: 1 / w^i is -w^(n/2 - i).
 *
 * One dispatch is a pass of several layers: a workgroup takes a tile of 2^rows rows by 2^columns
 * neighbouring elements, with 2^low elements from row to row, into its shared memory, does the layers
 * of strides 2^low to 2^(low + rows - 1) there, and writes it back. `passesOf` says which passes make
 * a transform. The last pass in frequency and the first one in time have the same tiles: "turn" does
 * both, with the multiplication in between, while the tile is in shared memory.
 *
 * Untuned, as nobody has run it on a GPU yet. What is known: a layer costs half a multiplication an
 * element, some 140 wide products, and moves 64 B through shared memory and 16 B from the table, so
 * that arithmetic should be the bound by far on an H200 (2^20 elements: 10 M products in 20 layers, and
 * with tiles of 2^9 three passes of 64 MB each). An invocation holds two elements and a factor, about
 * 60 registers with a product under way. A tile of 2^9 takes 16 KiB: up to eight workgroups of 256 find
 * room on a multiprocessor of an H200 as far as shared memory goes, registers allow four or more. A
 * tile of 2^10 would save a pass only from 2^20 on. In strides below 32 two invocations of a subgroup
 * meet in each bank.
 *
 * J. W. Cooley, J. W. Tukey (1965); W. M. Gentleman, G. Sande (1966); tiles as in D. H. Bailey, "FFTs
 * in external or hierarchical memory", Journal of Supercomputing 4 (1990).
 */

import { SCALAR_FIELD } from "../../field.ts";
import type { KernelCode, Size3 } from "../../gpu/device.ts";
import type { Code } from "./code.ts";
import { type Element, LIMBS, load, PrimeField, store } from "./field.ts";
import { gridOf, groupNumber } from "./grid.ts";
import { KernelWriter } from "./module.ts";
import type { Shared, U32 } from "./values.ts";

/**
 * Elements of a tile, log2: 16 KiB of shared memory, which every device has. Invocations are half as
 * many, one for each butterfly of a layer. Untuned.
 */
export const TILE_LOG2 = 9;
/** Neighbouring elements that a tile takes at least, log2: 128 bytes, what a GPU loads at a time. */
const LEAST_COLUMNS_LOG2 = 2;

export type TransformOrder = "inFrequency" | "inTime";
/** "turn": the last pass in frequency, factors, the first pass in time. */
export type TransformName = TransformOrder | "turn";

/** One dispatch; all are log2. */
export interface Pass {
  readonly rows: number;
  readonly columns: number;
  readonly low: number;
}

/** The passes of a transform of 2^k elements, in their order. */
export function passesOf(order: TransformOrder, k: number, tileLog2 = TILE_LOG2): Pass[] {
  const last = Math.min(k, tileLog2);
  const most = Math.max(1, tileLog2 - LEAST_COLUMNS_LOG2);
  const passes: Pass[] = [];
  let low = k;
  for (let left = Math.ceil((k - last) / most); left > 0; left--) {
    const rows = Math.ceil((low - last) / left);
    low -= rows;
    passes.push({ rows, columns: tileLog2 - rows, low });
  }
  passes.push({ rows: last, columns: 0, low: 0 });
  return order === "inFrequency" ? passes : passes.reverse();
}

/** The workgroups of a pass over so many vectors of 2^k elements: a power of two, so no row is short. */
export function gridOfPass(k: number, { rows, columns }: Pass, vectors: number): Size3 {
  return gridOf(2 ** (k - rows - columns), vectors);
}

/**
 * One pass over vectors of 2^k elements, which follow one another.
 *
 * Buffers: the vectors; the powers of w from the 0th to the (n/2)th; for "turn" n factors. 32 B for
 * each element, Montgomery form, canonical; the vectors may be in any form. Push constants: k, rows,
 * columns, low; for "turn" those of the pass with low = 0.
 */
export function transform(name: TransformName, tileLog2 = TILE_LOG2): KernelCode {
  const half = 2 ** (tileLog2 - 1);
  const kernel = new KernelWriter(name, {
    workgroupSize: [half, 1, 1],
    push: ["k", "rows", "columns", "low"],
  });
  const field = new PrimeField(kernel, SCALAR_FIELD);
  const [data, twiddles] = [kernel.buffer("u32x4"), kernel.buffer("u32x4", "read")];
  const factors = name === "turn" ? kernel.buffer("u32x4", "read") : undefined;
  const tile = new Tile(kernel.shared(2 * half * LIMBS), 2 * half);
  return kernel.main((f) => {
    const [k, rows, columns, low] = [f.push("k"), f.push("rows"), f.push("columns"), f.push("low")];
    const one = f.u32(1);
    const local = f.localId(0);
    const group = groupNumber(f);
    const vector = f.shl(f.groupId(1), k);
    const maskOf = (bits: U32) => f.sub(f.shl(one, bits), one);
    // Tiles first go along a row, then to the next rows.
    const along = f.sub(low, columns);
    const first = f.add(
      f.shl(f.shr(group, along), f.add(low, rows)),
      f.shl(f.and(group, maskOf(along)), columns),
    );
    /** Where an element of the tile is in its vector. */
    const placeOf = (e: U32) =>
      f.add(first, f.add(f.shl(f.shr(e, columns), low), f.and(e, maskOf(columns))));
    const butterflies = f.shr(f.shl(one, f.add(rows, columns)), 1);
    const isBusy = f.lt(local, butterflies);
    const mine = [local, f.add(local, butterflies)];

    const layers = (order: TransformOrder) =>
      f.for(f.u32(0), rows, one, (i) => {
        f.barrier();
        f.if(isBusy, () => {
          const layer = order === "inFrequency" ? f.sub(f.sub(rows, one), i) : i;
          const stride = f.add(layer, columns);
          const above = f.shl(f.shr(local, stride), f.add(stride, one));
          const a = f.add(above, f.and(local, maskOf(stride)));
          const b = f.add(a, f.shl(one, stride));
          // The layer's root of unity is the table's to the power of n / (2 * stride in the vector).
          const power = f.and(placeOf(a), maskOf(f.add(layer, low)));
          const lastPower = f.sub(k, one);
          const exponent = f.shl(power, f.sub(lastPower, f.add(layer, low)));
          const [x, y] = [tile.get(f, a), tile.get(f, b)];
          if (order === "inFrequency") {
            const w = load(f, twiddles, f.sub(f.shl(one, lastPower), exponent));
            tile.set(f, a, field.add(f, x, y));
            tile.set(f, b, field.mul(f, field.sub(f, y, x), w));
          } else {
            const product = field.mul(f, y, load(f, twiddles, exponent));
            tile.set(f, a, field.add(f, x, product));
            tile.set(f, b, field.sub(f, x, product));
          }
        });
      });

    f.if(isBusy, () => {
      for (const e of mine) tile.set(f, e, load(f, data, f.add(vector, placeOf(e))));
    });
    layers(name === "inTime" ? "inTime" : "inFrequency");
    f.barrier();
    if (factors !== undefined) {
      f.if(isBusy, () => {
        for (const e of mine) {
          tile.set(f, e, field.mul(f, tile.get(f, e), load(f, factors, placeOf(e))));
        }
      });
      layers("inTime");
      f.barrier();
    }
    f.if(isBusy, () => {
      for (const e of mine) store(f, data, f.add(vector, placeOf(e)), tile.get(f, e));
    });
  });
}

/** Elements in shared memory, limb by limb: neighbours then use different banks of it. */
class Tile {
  readonly #words: Shared;
  readonly #count: number;

  constructor(words: Shared, count: number) {
    this.#words = words;
    this.#count = count;
  }

  get(f: Code, index: U32): Element {
    return Array.from({ length: LIMBS }, (_, limb) =>
      f.loadShared(this.#words, f.add(index, f.u32(limb * this.#count))),
    );
  }

  set(f: Code, index: U32, value: Element): void {
    value.forEach((word, limb) => {
      f.storeShared(this.#words, f.add(index, f.u32(limb * this.#count)), word);
    });
  }
}
