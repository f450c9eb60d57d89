/**
 * Additions of points in batches with one inversion each, on the kernels of `kernels/curve.ts`:
 * pairs from lists of entries, or rows of blocks, lane above lane.
 *
 * What the kernels leave open is done here: pairs with equal x. They show as a product of 0; their
 * differences are replaced by 1, and then equal points are doubled, opposite ones reported.
 */
import { type Degree, type PointSizes, pointSizes } from "../../kernels/curve.ts";
import type { VectorField } from "../../kernels/vector-field.ts";
import type { Inversion } from "./inversion.ts";
import type { Kernels } from "./kernels.ts";
import type { Region } from "./region.ts";

/** Additions under one inversion: with their operands and products they fill half a megabyte. */
const BATCH_BYTES = 640 * 1024;
/** Quads whose points are touched ahead of their gathering. */
const TOUCH_QUADS = 64;
/** Bytes of the list that a quad of pairs takes. */
const LIST_BYTES = 32;

/** Doublings done at once. */
const SPECIAL_QUADS = 64;

/** Two rows of blocks whose points are added, lane above lane; the sums take the place of row a. */
export interface RowPair {
  readonly a: number;
  readonly b: number;
  /** Blocks in a row. */
  readonly blocks: number;
}

export class BatchAdditions {
  readonly sizes: PointSizes;
  /** Address for lists of pairs of entries (u32), up to `maxPairs`. */
  readonly list: number;
  /** Additions done, for the snapshot of costs. */
  additions = 0;
  /** Pairs of equal or opposite points met. */
  specialPairs = 0;
  readonly #kernels: Kernels;
  readonly #memory: WebAssembly.Memory;
  readonly #inversion: Inversion;
  readonly #degree: Degree;
  readonly #field: VectorField;
  readonly #batchQuads: number;
  readonly #at: ReturnType<typeof layout>;
  #isUsed = false;
  #u32 = new Uint32Array();
  #u64 = new BigUint64Array();

  constructor(
    kernels: Kernels,
    memory: WebAssembly.Memory,
    field: VectorField,
    inversion: Inversion,
    degree: Degree,
    maxPairs: number,
    region: Region,
  ) {
    this.#kernels = kernels;
    this.#memory = memory;
    this.#field = field;
    this.#inversion = inversion;
    this.#degree = degree;
    this.sizes = pointSizes(field, degree);
    this.#batchQuads = Math.floor(BATCH_BYTES / this.sizes.sums);
    this.list = region.take(8 * (maxPairs + 8));
    this.#at = layout(this.sizes, this.#batchQuads, region);
  }

  /** Call once the memory reaches the region's end. */
  prepare(): void {
    this.#u32 = new Uint32Array(this.#memory.buffer);
    this.#u64 = new BigUint64Array(this.#memory.buffer);
    const { dummyPacked, dummyLanes, one, rawOne } = this.#at;
    // Fill for quads that are not full: two points with different x, whatever they are.
    const { packed, quad, block } = this.sizes;
    this.#u64.fill(0n, dummyPacked / 8, (dummyPacked + 2 * packed) / 8);
    this.#u64[dummyPacked / 8] = 1n;
    this.#u64[(dummyPacked + packed) / 8] = 2n;
    const { radix, modulus } = this.#field;
    this.#u64.fill(0n, dummyLanes / 8, (dummyLanes + block) / 8);
    this.#field.limbsOf(radix % modulus).forEach((limb, i) => {
      this.#u64[(dummyLanes + 32 * i) / 8] = limb;
    });
    this.#u64.fill(0n, one / 8, (one + this.sizes.chain) / 8);
    for (let at = 0; at < this.sizes.chain; at += quad) this.#fillQuad(one + at, radix % modulus);
    this.#fillQuad(rawOne, 1n);
  }

  #fillQuad(address: number, value: bigint): void {
    this.#field.limbsOf(value).forEach((limb, i) => {
      this.#u64.fill(limb, (address + 32 * i) / 8, (address + 32 * i) / 8 + 4);
    });
  }

  /** Zeroes the list of pairs and all points. The next use needs `prepare` again. */
  wipe(): void {
    if (!this.#isUsed) return;
    new Uint8Array(this.#memory.buffer).fill(0, this.list, this.#at.end);
    this.#isUsed = false;
  }

  /** Packed points into lanes from `out` on. The list is filled up to whole quads. */
  expand(entries: number, count: number, out: number): void {
    if (count === 0) return;
    for (let i = count; i % 4 !== 0; i++) this.#u32[entries / 4 + i] = this.#at.dummyPacked;
    this.#kernels[`expand${this.#degree}`](entries, out, Math.ceil(count / 4));
  }

  /** Lanes from anywhere into lanes from `out` on. The list is filled up to whole quads. */
  regroup(entries: number, count: number, out: number): void {
    if (count === 0) return;
    for (let i = count; i % 4 !== 0; i++) this.#u32[entries / 4 + i] = this.#at.dummyLanes;
    this.#kernels[`regroup${this.#degree}`](entries, out, Math.ceil(count / 4));
  }

  /**
   * Adds the pairs of the list into lanes from `out` on.
   *
   * @returns lanes whose pair was of opposite points: their sum is no point.
   */
  addPairs(count: number, out: number, isPacked: boolean): Set<number> {
    const vanished = new Set<number>();
    if (count === 0) return vanished;
    this.#isUsed = true;
    const { list } = this;
    const { dummyPacked, dummyLanes, sums } = this.#at;
    const { block, packed } = this.sizes;
    const k = this.#kernels;
    const quads = Math.ceil(count / 4);
    for (let i = count; i < 4 * quads; i++) {
      this.#u32[list / 4 + 2 * i] = isPacked ? dummyPacked : dummyLanes;
      this.#u32[list / 4 + 2 * i + 1] = isPacked ? dummyPacked + packed : dummyLanes + 8;
    }
    const gather = k[`${isPacked ? "gatherPacked" : "gatherLanes"}${this.#degree}`];
    for (let first = 0; first < quads; first += this.#batchQuads) {
      const batch = Math.min(this.#batchQuads, quads - first);
      const pairList = list + LIST_BYTES * first;
      if (isPacked) this.#touchAndGather(pairList, batch);
      else gather(pairList, sums, batch);
      this.#addBatch(batch, out + block * first, pairList, 4 * first, count, isPacked, vanished);
    }
    this.additions += count;
    return vanished;
  }

  /** In stretches: a kernel that only misses, then one that gathers what is in the cache by now. */
  #touchAndGather(pairList: number, quads: number): void {
    const k = this.#kernels;
    for (let i = 0; i < quads; i += TOUCH_QUADS) {
      const some = Math.min(TOUCH_QUADS, quads - i);
      k[`touch${this.#degree}`](pairList + LIST_BYTES * i, some);
      const sums = this.#at.sums + this.sizes.sums * i;
      k[`gatherPacked${this.#degree}`](pairList + LIST_BYTES * i, sums, some);
    }
  }

  #addBatch(
    quads: number,
    out: number,
    pairList: number,
    firstPair: number,
    pairs: number,
    isPacked: boolean,
    vanished: Set<number>,
  ): void {
    const { sums } = this.#at;
    const { sums: stride, quad } = this.sizes;
    const d = sums + 2 * quad;
    let special: number[] = [];
    if (!this.#multiplyUp(d, stride, quads)) {
      special = this.#replaceZeros(d, stride, quads);
      if (!this.#multiplyUp(d, stride, quads)) throw new Error("a difference of 0 was not found");
    }
    this.#unwind(d, stride, quads);
    this.#finishSums(out, quads);
    special = special.filter((i) => firstPair + i < pairs);
    if (special.length > 0) this.#addSpecial(special, out, pairList, isPacked, vanished);
  }

  /**
   * Running products of differences, and the inverse of the last ones.
   *
   * @returns false if one of the differences is 0
   */
  #multiplyUp(differences: number, stride: number, quads: number): boolean {
    const { chain, one, products } = this.#at;
    this.#u64.copyWithin(chain / 8, one / 8, (one + this.sizes.chain) / 8);
    this.#kernels[`forward${this.#degree}`](differences, stride, products, chain, quads);
    return this.#inversion.invert(chain);
  }

  /** The inverses of the differences, in the place of the running products. */
  #unwind(differences: number, stride: number, quads: number): void {
    const { chain, products } = this.#at;
    const ends = [
      differences + stride * quads,
      stride,
      products + this.sizes.quad * quads,
    ] as const;
    this.#kernels[`unwind${this.#degree}`](...ends, chain, quads);
  }

  /** Blocks of additions into blocks of points. */
  #finishSums(out: number, quads: number): void {
    const { sums, products } = this.#at;
    const { quad, sums: stride } = this.sizes;
    const finish = this.#kernels[`finish${this.#degree}`];
    finish(sums, sums + 3 * quad, stride, sums + 2 * quad, stride, products, out, quads);
  }

  /** Puts 1 in the place of each difference that is 0; returns which those are. */
  #replaceZeros(differences: number, stride: number, quads: number): number[] {
    const { suspects } = this.#at;
    const find = this.#kernels[`findZeros${this.#degree}`];
    const count = find(differences, stride, quads, suspects);
    const found: number[] = [];
    for (let s = 0; s < count; s++) {
      const i = this.#u32[suspects / 4 + s] as number;
      const difference = differences + stride * (i >> 2) + 8 * (i & 3);
      if (!this.#isZero(difference)) continue;
      found.push(i);
      this.#setOne(difference);
    }
    this.specialPairs += found.length;
    return found;
  }

  /** Whether the coordinate in a lane is 0 mod p. */
  #isZero(lane: number): boolean {
    return this.#coordinate(lane).every((value) => value % this.#field.modulus === 0n);
  }

  #isEqual(lane: number, other: number): boolean {
    const values = this.#coordinate(other);
    return this.#coordinate(lane).every(
      (value, c) => (value - (values[c] as bigint)) % this.#field.modulus === 0n,
    );
  }

  /** The components of the coordinate in a lane, not reduced. */
  #coordinate(lane: number): bigint[] {
    const { limbs } = this.#field;
    return Array.from({ length: this.#degree }, (_, c) =>
      this.#field.valueOf(
        Array.from(
          { length: limbs },
          (_, i) => this.#u64[(lane + 32 * (c * limbs + i)) / 8] as bigint,
        ),
      ),
    );
  }

  /** Pairs with equal x: equal points are doubled, opposite ones vanish. */
  #addSpecial(
    special: readonly number[],
    out: number,
    pairList: number,
    isPacked: boolean,
    vanished: Set<number>,
  ): void {
    const { sums, specialList, specialLanes, dummyPacked, dummyLanes } = this.#at;
    const sizes = this.sizes;
    const d = this.#degree;
    const k = this.#kernels;
    const laneOf = (base: number, i: number) => base + sizes.block * (i >> 2) + 8 * (i & 3);
    for (let first = 0; first < special.length; first += SPECIAL_QUADS * 4) {
      const some = special.slice(first, first + SPECIAL_QUADS * 4);
      const quads = Math.ceil(some.length / 4);
      for (let i = 0; i < 4 * quads; i++) {
        const pair = some[i];
        const dummy = isPacked ? dummyPacked + sizes.packed : dummyLanes;
        for (const side of [0, 1]) {
          this.#u32[specialList / 4 + 2 * i + side] =
            pair === undefined ? dummy : (this.#u32[pairList / 4 + 2 * pair + side] as number);
        }
      }
      // The additions' blocks beyond the special ones are not needed any more.
      k[`${isPacked ? "gatherPacked" : "gatherLanes"}${d}`](specialList, sums, quads);
      const laneOfSums = (i: number, q: number) =>
        sums + sizes.sums * (i >> 2) + q * sizes.quad + 8 * (i & 3);
      const isOpposite = some.map((_, i) => !this.#isEqual(laneOfSums(i, 1), laneOfSums(i, 3)));
      k[`tangent${d}`](sums, quads);
      for (let i = some.length; i < 4 * quads; i++) this.#setOne(laneOfSums(i, 2));
      const differences = sums + 2 * sizes.quad;
      if (!this.#multiplyUp(differences, sizes.sums, quads)) throw new Error("a point of order 2");
      this.#unwind(differences, sizes.sums, quads);
      for (let q = 0; q < quads; q++) {
        const from = differences + sizes.sums * q;
        this.#u64.fill(0n, from / 8, (from + sizes.quad) / 8);
      }
      this.#finishSums(specialLanes, quads);
      some.forEach((pair, i) => {
        if (isOpposite[i]) vanished.add(laneOf(out, pair));
        else this.#copyLane(laneOf(out, pair), laneOf(specialLanes, i));
      });
    }
  }

  #setOne(lane: number): void {
    const { one } = this.#at;
    for (let limb = 0; limb < this.sizes.quad / 32; limb++) {
      this.#u64[(lane + 32 * limb) / 8] = this.#u64[(one + 32 * limb) / 8] as bigint;
    }
  }

  #copyLane(to: number, from: number): void {
    for (let i = 0; i < this.sizes.block / 32; i++) {
      this.#u64[(to + 32 * i) / 8] = this.#u64[(from + 32 * i) / 8] as bigint;
    }
  }

  /**
   * Adds rows to rows.
   *
   * @returns lanes (in rows a) whose pair had the same x: what they hold is no point.
   */
  addRows(pairs: readonly RowPair[]): number[] {
    const failed: number[] = [];
    let batch: RowPair[] = [];
    let quads = 0;
    const flush = () => {
      if (quads > 0) this.#addRowBatch(batch, quads, failed);
      batch = [];
      quads = 0;
    };
    for (const { a, b, blocks } of pairs) {
      for (let done = 0; done < blocks; ) {
        const some = Math.min(blocks - done, this.#batchQuads - quads);
        const offset = this.sizes.block * done;
        batch.push({ a: a + offset, b: b + offset, blocks: some });
        quads += some;
        done += some;
        if (quads === this.#batchQuads) flush();
      }
    }
    flush();
    return failed;
  }

  #addRowBatch(batch: readonly RowPair[], quads: number, failed: number[]): void {
    const { sums, products } = this.#at;
    const { quad, block } = this.sizes;
    const k = this.#kernels;
    // The batch's differences lie where pairs from lists have their blocks.
    let at = 0;
    for (const { a, b, blocks } of batch) {
      k[`differences${this.#degree}`](a, b, sums + at, blocks);
      at += quad * blocks;
    }
    if (!this.#multiplyUp(sums, quad, quads)) {
      for (const i of this.#replaceZeros(sums, quad, quads)) failed.push(laneOf(batch, i, block));
      if (!this.#multiplyUp(sums, quad, quads)) throw new Error("a difference of 0 was not found");
    }
    this.#unwind(sums, quad, quads);
    at = 0;
    for (const { a, b, blocks } of batch) {
      const finish = k[`finish${this.#degree}`];
      finish(a, b + quad, block, sums + at, quad, products + at, a, blocks);
      at += quad * blocks;
    }
    this.additions += 4 * quads;
  }

  /**
   * Writes points as canonical integers out of Montgomery form, 64 B (G2: 128 B) each; zeros for
   * lane 0, which stands for infinity.
   */
  store(lanes: Uint32Array, out: number): void {
    const { chain, rawOne } = this.#at;
    const k = this.#kernels;
    const bytes = 64 * this.#degree;
    const componentQuad = this.sizes.quad / this.#degree;
    lanes.forEach((lane, p) => {
      const to = out + bytes * p;
      if (lane === 0) {
        this.#u64.fill(0n, to / 8, (to + bytes) / 8);
        return;
      }
      for (let c = 0; c < 2 * this.#degree; c++) {
        for (let i = 0; i < this.#field.limbs; i++) {
          const limb = this.#u64[(lane + c * componentQuad + 32 * i) / 8] as bigint;
          this.#u64.fill(limb, (chain + 32 * i) / 8, (chain + 32 * i) / 8 + 4);
        }
        k.multiplyQ(chain, chain, rawOne, 1);
        k.packQ(to + 32 * c, chain, 1);
      }
    });
  }
}

/** The lane, in rows a, of a batch's i-th addition. */
function laneOf(batch: readonly RowPair[], i: number, block: number): number {
  let quad = i >> 2;
  for (const { a, blocks } of batch) {
    if (quad < blocks) return a + block * quad + 8 * (i & 3);
    quad -= blocks;
  }
  throw new RangeError(`addition ${i} is not in the batch`);
}

function layout(
  { packed, quad, block, sums, chain }: PointSizes,
  batchQuads: number,
  region: Region,
) {
  const words = (count: number) => region.take(4 * count + 64);
  const addresses = {
    sums: region.take(sums * batchQuads),
    products: region.take(quad * batchQuads),
    suspects: words(4 * batchQuads),
    specialList: words(8 * SPECIAL_QUADS),
    specialLanes: region.take(block * (SPECIAL_QUADS + 1)),
    chain: region.take(Math.max(chain, quad)),
    one: region.take(chain),
    rawOne: region.take(quad),
    dummyPacked: region.take(2 * packed),
    dummyLanes: region.take(block),
  };
  return { ...addresses, end: region.end };
}
