/**
 * Sums of many lists of points at once, as trees: a round adds the entries of every list two by two.
 *
 * Lists of equal length go four by four in *rows* (`row-sums.ts`), which need no moving around after
 * the first round. What is left over, and lists too long for that, go by entries: each round makes a
 * list of pairs and gathers their points.
 */
import type { Degree, PointSizes } from "../../kernels/curve.ts";
import type { VectorField } from "../../kernels/vector-field.ts";
import { BatchAdditions } from "./batch-additions.ts";
import type { Inversion } from "./inversion.ts";
import type { Kernels } from "./kernels.ts";
import type { Region } from "./region.ts";
import { GROUP_ENTRIES, RowSums } from "./row-sums.ts";

/** Rounds that a tree of GROUP_ENTRIES entries has at most; each may leave a quad half empty. */
const MAX_ROUNDS = 17;
/** Fewer lists than this are not worth sorting by length. */
const MIN_LISTS_FOR_ROWS = 64;

/** A thread's means to sum points of one degree. */
export class PointSums {
  readonly adder: BatchAdditions;
  readonly #kernels: Kernels;
  readonly #memory: WebAssembly.Memory;
  readonly #degree: Degree;
  readonly #limbs: number;
  readonly #rows: RowSums;
  readonly #at: ReturnType<typeof layout>;
  #u32 = new Uint32Array();
  /** The most that a call used since `wipe`: entries of a group, segments, and the last lane kept. */
  #used = { entries: 0, segments: 0, end: 0 };

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
    this.#degree = degree;
    this.#limbs = field.limbs;
    const group = Math.min(GROUP_ENTRIES, maxEntries) + 8;
    const args = [kernels, memory, field, inversion, degree] as const;
    this.adder = new BatchAdditions(...args, group / 2 + 4, region);
    this.#at = layout(maxEntries, maxSegments, this.adder.sizes, region);
    const { lanes, singles, singleLanes } = this.#at;
    const room = { lanes, singles, singleLanes };
    this.#rows = new RowSums(kernels, memory, this.adder, maxSegments, maxEntries, room, region);
  }

  prepare(): void {
    this.#u32 = new Uint32Array(this.#memory.buffer);
    this.adder.prepare();
    this.#rows.prepare();
  }

  /**
   * Zeroes lists of entries and all points: which of them were added to which tells the digits. The
   * next use needs `prepare` again.
   */
  wipe(): void {
    const { entries, segments, end } = this.#used;
    if (entries > 0) {
      const { keep, next, nextStarts, singles, singleLanes, lanes, pieceEntries, pieces } =
        this.#at;
      const bytes = new Uint8Array(this.#memory.buffer);
      const zero = (address: number, count: number) => bytes.fill(0, address, address + count);
      const blocks = this.sizes.block * (Math.ceil(entries / 4) + MAX_ROUNDS + 1);
      zero(keep, Math.max(end - keep, 0));
      for (const list of [...next, singles]) zero(list, 4 * (entries + 8));
      for (const starts of nextStarts) zero(starts, 4 * (segments + 1));
      for (const points of [singleLanes, lanes]) zero(points, blocks);
      zero(pieceEntries, 4 * pieces);
    }
    this.#used = { entries: 0, segments: 0, end: 0 };
    this.adder.wipe();
    this.#rows.wipe();
  }

  get sizes(): PointSizes {
    return this.adder.sizes;
  }

  get additions(): number {
    return this.adder.additions;
  }

  get specialPairs(): number {
    return this.adder.specialPairs;
  }

  /** Where results are kept, if the caller has no other lane. */
  get keep(): number {
    return this.#at.keep;
  }

  /** `BatchAdditions.store` */
  store(lanes: Uint32Array, out: number): void {
    this.adder.store(lanes, out);
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
    const total = this.#u32[starts / 4 + segments] as number;
    const used = this.#used;
    used.entries = Math.max(used.entries, Math.min(total, GROUP_ENTRIES));
    used.segments = Math.max(used.segments, segments);
    const end = this.#sum(entries, starts, segments, results, free, isPacked, progress);
    // The lane's block, whose lanes may all be written.
    used.end = Math.max(used.end, end + this.sizes.block);
    return end;
  }

  #sum(
    entries: number,
    starts: number,
    segments: number,
    results: number,
    free: number,
    isPacked: boolean,
    progress: (done: number) => void,
  ): number {
    if (segments < MIN_LISTS_FOR_ROWS) {
      return this.#sumByEntries(entries, starts, segments, results, free, isPacked, progress);
    }
    const lists = { entries, starts, segments, results };
    const { rest, free: after } = this.#rows.sum(lists, free, isPacked, progress);
    if (rest.count === 0) return after;
    const next = this.#sumByEntries(
      rest.entries,
      rest.starts,
      rest.count,
      rest.results,
      after,
      isPacked,
      progress,
    );
    const u32 = this.#u32;
    for (let i = 0; i < rest.count; i++) {
      const segment = u32[rest.order / 4 + i] as number;
      u32[results / 4 + segment] = u32[rest.results / 4 + i] as number;
    }
    return next;
  }

  #sumByEntries(
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
    const { singles, singleLanes, next, nextStarts, lanes } = this.#at;
    const { list } = this.adder;
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
        this.adder.expand(singles, left, singleLanes);
      } else if (pairs === 0) {
        break;
      }
      const vanished = this.adder.addPairs(pairs, lane, isFirst);
      if (vanished.size > 0) this.#dropEntries(to, toStarts, segments, vanished);
      lane += block * Math.ceil(pairs / 4);
      from = to;
      fromStarts = toStarts;
      turn ^= 1;
      isFirst = false;
    }
    const limbs = 2 * this.#degree * this.#limbs;
    return k.collect(from, fromStarts, segments, results, free, block, limbs) >>> 0;
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
}

function layout(maxEntries: number, maxSegments: number, { block }: PointSizes, region: Region) {
  const words = (count: number) => region.take(4 * count + 64);
  const blocks = (points: number) => region.take(block * Math.ceil(points / 4 + 1));
  const group = Math.min(GROUP_ENTRIES, maxEntries) + 8;
  const pieces = Math.ceil(maxEntries / GROUP_ENTRIES) + 1;
  return {
    keep: blocks(2 * maxSegments + 4096 + pieces),
    next: [words(group), words(group)],
    nextStarts: [words(maxSegments + 1), words(maxSegments + 1)],
    singles: words(group),
    singleLanes: blocks(group + 4 * MAX_ROUNDS),
    lanes: blocks(group + 4 * MAX_ROUNDS),
    pieces,
    pieceStarts: words(2),
    pieceResults: words(1),
    pieceEntries: words(pieces),
  };
}
