/**
 * Sums of many lists of points at once: affine additions in batches with one inversion each
 * (`kernels/curve.ts`), organised as trees. A round adds the entries of every list two by two.
 *
 * Two things are not left to the kernels: pairs whose points are equal or opposite, which show as a
 * product of 0 and are taken out, doubled or dropped; and lists longer than a group, which are summed
 * piece by piece.
 */
import { type Degree, type PointSizes, pointSizes } from "../../kernels/curve.ts";
import type { VectorField } from "../../kernels/vector-field.ts";
import type { Inversion } from "./inversion.ts";
import type { Kernels } from "./kernels.ts";
import type { Region } from "./region.ts";

/** Additions under one inversion: with their operands and products they fill half a megabyte. */
const BATCH_BYTES = 640 * 1024;
/**
 * Entries whose tree is finished before the next ones begin, so that intermediate points stay in
 * the second and third cache.
 */
const GROUP_ENTRIES = 32768;
/** Quads whose points are touched ahead of their gathering. */
const TOUCH_QUADS = 64;
/** Bytes of the list that a quad of pairs takes. */
const LIST_BYTES = 32;
/** Rounds that a tree of GROUP_ENTRIES entries has at most; each may leave a quad half empty. */
const MAX_ROUNDS = 17;

/** Doublings done at once. */
const SPECIAL_QUADS = 64;

/** A thread's means to add points of one degree. */
export class PointSums {
  readonly sizes: PointSizes;
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
  #u32 = new Uint32Array();
  #u64 = new BigUint64Array();

  /**
   * Takes its working memory from a region; call `prepare` when the memory reaches that far.
   *
   * @param maxEntries   points in all lists of one call
   * @param maxSegments  lists of one call
   */
  constructor(
    kernels: Kernels,
    memory: WebAssembly.Memory,
    field: VectorField,
    inversion: Inversion,
    degree: Degree,
    maxEntries: number,
    maxSegments: number,
    region: Region,
  ) {
    this.#kernels = kernels;
    this.#memory = memory;
    this.#field = field;
    this.#inversion = inversion;
    this.#degree = degree;
    this.sizes = pointSizes(field, degree);
    this.#batchQuads = Math.floor(BATCH_BYTES / this.sizes.sums);
    this.#at = layout(maxEntries, maxSegments, this.sizes, this.#batchQuads, region);
  }

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
    this.#u64.fill(0n, one / 8, (one + quad) / 8);
    this.#fillQuad(one, radix % modulus);
    this.#fillQuad(rawOne, 1n);
  }

  #fillQuad(address: number, value: bigint): void {
    this.#field.limbsOf(value).forEach((limb, i) => {
      this.#u64.fill(limb, (address + 32 * i) / 8, (address + 32 * i) / 8 + 4);
    });
  }

  /** Where results are kept, if the caller has no other lane. */
  get keep(): number {
    return this.#at.keep;
  }

  /**
   * Sums every segment; results[i] is the lane of segment i's sum, 0 for an empty one.
   *
   * @param free  lane from which sums are kept.
   * @returns the next free lane.
   */
  sumSegments(
    entries: number,
    starts: number,
    segments: number,
    results: number,
    free: number,
    isPacked: boolean,
    progress: (done: number) => void,
  ): number {
    const u32 = this.#u32;
    const base = starts / 4;
    const total = (u32[base + segments] as number) || 1;
    let lane = free;
    for (let first = 0; first < segments; ) {
      const limit = (u32[base + first] as number) + GROUP_ENTRIES;
      if ((u32[base + first + 1] as number) > limit) {
        lane = this.#sumLongSegment(
          entries,
          starts + 4 * first,
          results + 4 * first,
          lane,
          isPacked,
        );
        first += 1;
        continue;
      }
      let last = first + 1;
      while (last < segments && (u32[base + last + 1] as number) <= limit) last++;
      lane = this.#sumGroup(
        entries,
        starts + 4 * first,
        last - first,
        results + 4 * first,
        lane,
        isPacked,
      );
      progress((u32[base + last] as number) / total);
      first = last;
    }
    return lane;
  }

  /** A segment with more entries than a group takes: piece by piece, then the pieces' sums. */
  #sumLongSegment(
    entries: number,
    start: number,
    result: number,
    free: number,
    isPacked: boolean,
  ): number {
    const u32 = this.#u32;
    const { pieceStarts, pieceResults, pieceEntries } = this.#at;
    const [begin, end] = [u32[start / 4] as number, u32[start / 4 + 1] as number];
    let lane = free;
    let pieces = 0;
    for (let at = begin; at < end; at += GROUP_ENTRIES) {
      u32[pieceStarts / 4] = at;
      u32[pieceStarts / 4 + 1] = Math.min(at + GROUP_ENTRIES, end);
      lane = this.#sumGroup(entries, pieceStarts, 1, pieceResults, lane, isPacked);
      const piece = u32[pieceResults / 4] as number;
      if (piece !== 0) u32[pieceEntries / 4 + pieces++] = piece;
    }
    u32[pieceStarts / 4] = 0;
    u32[pieceStarts / 4 + 1] = pieces;
    return this.#sumGroup(pieceEntries, pieceStarts, 1, result, lane, false);
  }

  #sumGroup(
    entries: number,
    starts: number,
    segments: number,
    results: number,
    free: number,
    isPacked: boolean,
  ): number {
    const { list, singles, singleLanes, next, nextStarts, lanes } = this.#at;
    const { block } = this.sizes;
    const k = this.#kernels;
    const u32 = this.#u32;
    let from = entries;
    let fromStarts = starts;
    let turn = 0;
    let lane = lanes;
    let isFirst = isPacked;
    for (;;) {
      const to = next[turn] as number;
      const toStarts = nextStarts[turn] as number;
      const common = [from, fromStarts, segments, list, to, toStarts, lane, block] as const;
      const pairs = isFirst ? k.firstPairs(...common, singles, singleLanes) : k.pairs(...common);
      if (isFirst) {
        const left = (u32[toStarts / 4 + segments] as number) - pairs;
        this.#expandSingles(left);
      } else if (pairs === 0) {
        break;
      }
      const vanished = this.#addPairs(pairs, lane, isFirst);
      if (vanished.size > 0) this.#dropEntries(to, toStarts, segments, vanished);
      lane += block * Math.ceil(pairs / 4);
      from = to;
      fromStarts = toStarts;
      turn ^= 1;
      isFirst = false;
    }
    const limbs = 2 * this.#degree * this.#field.limbs;
    return k.collect(from, fromStarts, segments, results, free, block, limbs) >>> 0;
  }

  #expandSingles(count: number): void {
    if (count === 0) return;
    const { singles, singleLanes, dummyPacked } = this.#at;
    for (let i = count; i % 4 !== 0; i++) this.#u32[singles / 4 + i] = dummyPacked;
    this.#kernels[`expand${this.#degree}`](singles, singleLanes, Math.ceil(count / 4));
  }

  /**
   * Adds the pairs of the list into lanes from `out` on.
   *
   * @returns lanes whose pair was of opposite points: their sum is no point.
   */
  #addPairs(count: number, out: number, isPacked: boolean): Set<number> {
    const vanished = new Set<number>();
    if (count === 0) return vanished;
    const { list, dummyPacked, dummyLanes, sums } = this.#at;
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
    const { sums, products, chain } = this.#at;
    const sizes = this.sizes;
    const k = this.#kernels;
    const d = this.#degree;
    this.#startChain();
    k[`forward${d}`](sums, products, chain, quads);
    let special: number[] = [];
    if (!this.#inversion.invert(chain)) {
      special = this.#replaceZeros(quads);
      this.#startChain();
      k[`forward${d}`](sums, products, chain, quads);
      if (!this.#inversion.invert(chain)) throw new Error("a difference of 0 was not found");
    }
    k[`backward${d}`](
      sums + sizes.sums * quads,
      products + sizes.quad * quads,
      chain,
      out + sizes.block * quads,
      quads,
    );
    special = special.filter((i) => firstPair + i < pairs);
    if (special.length > 0) this.#addSpecial(special, out, pairList, isPacked, vanished);
  }

  #startChain(): void {
    const { chain, one } = this.#at;
    this.#u64.copyWithin(chain / 8, one / 8, (one + this.sizes.quad) / 8);
  }

  /** Puts 1 in the place of each D that is 0; returns which additions those are. */
  #replaceZeros(quads: number): number[] {
    const { sums, suspects } = this.#at;
    const { quad, sums: stride } = this.sizes;
    const count = this.#kernels[`findZeros${this.#degree}`](sums, quads, suspects);
    const found: number[] = [];
    for (let s = 0; s < count; s++) {
      const i = this.#u32[suspects / 4 + s] as number;
      const difference = sums + stride * (i >> 2) + 2 * quad + 8 * (i & 3);
      if (!this.#isZero(difference)) continue;
      found.push(i);
      const { one } = this.#at;
      for (let limb = 0; limb < quad / 32; limb++) {
        this.#u64[(difference + 32 * limb) / 8] = this.#u64[(one + 32 * limb) / 8] as bigint;
      }
    }
    this.specialPairs += found.length;
    return found;
  }

  /** Whether the coordinate in a lane is 0 mod p. */
  #isZero(lane: number): boolean {
    const { limbs, modulus } = this.#field;
    for (let c = 0; c < this.#degree; c++) {
      const bits = Array.from(
        { length: limbs },
        (_, i) => this.#u64[(lane + 32 * (c * limbs + i)) / 8] as bigint,
      );
      if (this.#field.valueOf(bits) % modulus !== 0n) return false;
    }
    return true;
  }

  /** Pairs with equal x: equal points are doubled, opposite ones vanish. */
  #addSpecial(
    special: readonly number[],
    out: number,
    pairList: number,
    isPacked: boolean,
    vanished: Set<number>,
  ): void {
    const { sums, products, chain, specialList, specialLanes, dummyPacked, dummyLanes } = this.#at;
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
      const isOpposite = some.map(
        (_, i) => !this.#isZero(sums + sizes.sums * (i >> 2) + 3 * sizes.quad + 8 * (i & 3)),
      );
      k[`tangent${d}`](sums, quads);
      for (let i = some.length; i < 4 * quads; i++)
        this.#setOne(sums + sizes.sums * (i >> 2) + 2 * sizes.quad + 8 * (i & 3));
      this.#startChain();
      k[`forward${d}`](sums, products, chain, quads);
      if (!this.#inversion.invert(chain)) throw new Error("a point of order 2");
      k[`backwardDouble${d}`](
        sums + sizes.sums * quads,
        products + sizes.quad * quads,
        chain,
        specialLanes + sizes.block * quads,
        quads,
      );
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

  #dropEntries(
    entries: number,
    starts: number,
    segments: number,
    vanished: ReadonlySet<number>,
  ): void {
    const u32 = this.#u32;
    let written = 0;
    let begin = u32[starts / 4] as number;
    for (let s = 0; s < segments; s++) {
      const end = u32[starts / 4 + s + 1] as number;
      u32[starts / 4 + s] = written;
      for (let i = begin; i < end; i++) {
        const entry = u32[entries / 4 + i] as number;
        if (!vanished.has(entry)) u32[entries / 4 + written++] = entry;
      }
      begin = end;
    }
    u32[starts / 4 + segments] = written;
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

function layout(
  maxEntries: number,
  maxSegments: number,
  { packed, quad, block, sums }: PointSizes,
  batchQuads: number,
  region: Region,
) {
  const words = (count: number) => region.take(4 * count + 64);
  const blocks = (points: number) => region.take(block * Math.ceil(points / 4 + 1));
  const group = Math.min(GROUP_ENTRIES, maxEntries) + 8;
  const pieces = Math.ceil(maxEntries / GROUP_ENTRIES) + 1;
  return {
    keep: blocks(2 * maxSegments + 4096 + pieces),
    next: [words(group), words(group)],
    nextStarts: [words(maxSegments + 1), words(maxSegments + 1)],
    list: words(group),
    singles: words(group),
    singleLanes: blocks(group),
    lanes: blocks(group + 4 * MAX_ROUNDS),
    pieceStarts: words(2),
    pieceResults: words(1),
    pieceEntries: words(pieces),
    sums: region.take(sums * batchQuads),
    products: region.take(quad * batchQuads),
    suspects: words(4 * batchQuads),
    specialList: words(8 * SPECIAL_QUADS),
    specialLanes: blocks(4 * SPECIAL_QUADS),
    chain: region.take(2 * quad),
    one: region.take(quad),
    rawOne: region.take(quad),
    dummyPacked: region.take(2 * packed),
    dummyLanes: region.take(block),
  };
}
