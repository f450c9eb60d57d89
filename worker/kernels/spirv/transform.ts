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
 * Untuned: nobody has run this on a GPU yet, and what follows is reckoned, for an H200 with some 30 G
 * products a second and 4.8 TB/s. A transform of 2^20 elements makes 10 M products, 0.35 ms, and moves
 * its 64 MB three times, 0.04 ms, so that arithmetic is the bound; its factors come from the caches,
 * 32 B a product. In a layer an invocation makes one product (136 wide multiplications of words), two
 * additions and 32 accesses to shared memory, of which those in strides below 32 meet a second one in
 * their bank. A tile of 2^9 takes 16 KiB and 256 invocations with some 64 registers: four workgroups or
 * more are resident on a multiprocessor, which hides the barriers of each other. Tiles of 2^10 would
 * save one pass of three at 2^17, 2^18 and beyond 2^23; two layers between barriers, with four elements
 * an invocation, would halve the traffic of shared memory. Both are to be tried on hardware first.
 *
 * J. W. Cooley, J. W. Tukey (1965); W. M. Gentleman, G. Sande (1966); tiles as in D. H. Bailey, "FFTs
 * in external or hierarchical memory", Journal of Supercomputing 4 (1990).
 */

import { SCALAR_FIELD } from "../../field.ts";
import type { KernelCode, Size3 } from "../../gpu/device.ts";
import type { Code } from "./code.ts";
import { type Element, get, LIMBS, load, PrimeField, set, store, variable } from "./field.ts";
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

    const layers = (order: TransformOrder) => {
      const isInverse = order === "inFrequency";
      f.for(f.u32(0), rows, one, (i) => {
        f.barrier();
        f.if(isBusy, () => {
          const layer = isInverse ? f.sub(f.sub(rows, one), i) : i;
          const stride = f.add(layer, columns);
          const above = f.shl(f.shr(local, stride), f.add(stride, one));
          const a = f.add(above, f.and(local, maskOf(stride)));
          const b = f.add(a, f.shl(one, stride));
          const [x, y] = [tile.get(f, a), tile.get(f, b)];
          // The layer's root of unity is w to the power of n / (2 * stride in the vector).
          const strideLog2 = f.add(layer, low);
          const halfLog2 = f.sub(k, one);
          const power = f.shl(f.and(placeOf(a), maskOf(strideLog2)), f.sub(halfLog2, strideLog2));
          const scaled = variable(f, isInverse ? field.sub(f, x, y) : y);
          // In the layer of stride 1 all factors are 1.
          f.if(f.ne(strideLog2, f.u32(0)), () => {
            const [factor, value] = isInverse
              ? [f.sub(f.shl(one, halfLog2), power), field.sub(f, y, x)]
              : [power, y];
            set(f, scaled, field.mul(f, value, load(f, twiddles, factor)));
          });
          const z = get(f, scaled);
          tile.set(f, a, field.add(f, x, isInverse ? y : z));
          tile.set(f, b, isInverse ? z : field.sub(f, x, z));
        });
      });
    };

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
