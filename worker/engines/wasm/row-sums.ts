/**
 * Sums of lists of equal length, four lists in the four lanes of a block.
 *
 * Lists are sorted by length. Four of length m make a *column* of m blocks, block j with the j-th
 * entry of each; g columns of the same length make a *run* of m rows of g blocks. The first round
 * gathers pairs of entries, as everywhere. From then on a run is rows of blocks in memory, and a
 * round adds every second row to the one before it: no lists, no gathering, each byte read once.
 *
 * Runs are taken together until they fill a group, so that a round has one inversion for many.
 *
 * Lists that this does not suit are handed back: up to three left over of each length, those longer
 * than `MAX_LENGTH`, and those where equal points met after the first round or opposite ones at all
 * (`BatchAdditions` says which).
 */
import type { BatchAdditions, RowPair } from "./batch-additions.ts";
import type { Kernels } from "./kernels.ts";
import type { Region } from "./region.ts";

/** Entries of a list; longer lists are few. */
const MAX_LENGTH = 512;
/**
 * Entries whose tree is finished before the next ones begin, so that intermediate points stay in
 * the second and third cache.
 */
export const GROUP_ENTRIES = 32768;

/** Addresses of a call's lists and results: see `PointSums.sumSegments`. */
export interface Lists {
  readonly entries: number;
  readonly starts: number;
  readonly segments: number;
  readonly results: number;
}

/** Lists to be summed otherwise. */
export interface Rest {
  readonly entries: number;
  readonly starts: number;
  readonly count: number;
  /** Room for their results. */
  readonly results: number;
  /** Their numbers (u32). */
  readonly order: number;
}

/** Working memory that is shared with sums by entries. */
export interface Room {
  readonly lanes: number;
  readonly singles: number;
  readonly singleLanes: number;
}

interface Run {
  /** Entries of each list. */
  readonly length: number;
  /** Index of the first list in the order by length. */
  readonly first: number;
  /** Blocks in a row; four times as many lists. */
  readonly blocks: number;
  /** Addresses; the result is in the last one left. */
  rows: number[];
}

export class RowSums {
  readonly #kernels: Kernels;
  readonly #memory: WebAssembly.Memory;
  readonly #adder: BatchAdditions;
  readonly #room: Room;
  readonly #at: ReturnType<typeof layout>;
  #u32 = new Uint32Array();
  #bytes = new Uint8Array();
  /** The most entries handed back, and the most segments, since `wipe`. */
  #used = 0;
  #usedSegments = 0;

  constructor(
    kernels: Kernels,
    memory: WebAssembly.Memory,
    adder: BatchAdditions,
    maxSegments: number,
    maxEntries: number,
    room: Room,
    region: Region,
  ) {
    this.#kernels = kernels;
    this.#memory = memory;
    this.#adder = adder;
    this.#room = room;
    this.#at = layout(maxSegments, maxEntries, region);
  }

  prepare(): void {
    this.#u32 = new Uint32Array(this.#memory.buffer);
    this.#bytes = new Uint8Array(this.#memory.buffer);
  }

  /** Zeroes the entries that were handed back, and which lists were how long. */
  wipe(): void {
    if (this.#usedSegments === 0) return;
    const { counts, order, restEntries, restStarts, restResults, restOrder } = this.#at;
    const zero = (address: number, count: number) =>
      this.#u32.fill(0, address / 4, address / 4 + count);
    zero(counts, MAX_LENGTH + 1);
    zero(restEntries, this.#used);
    for (const list of [order, restStarts, restResults, restOrder]) zero(list, this.#usedSegments);
    this.#used = 0;
    this.#usedSegments = 0;
  }

  /**
   * Sums lists that are alike; results of empty ones are 0, those of the rest are not written.
   *
   * @param free  lane from which sums are kept
   */
  sum(
    lists: Lists,
    free: number,
    isPacked: boolean,
    progress: (done: number) => void,
  ): { rest: Rest; free: number } {
    const { block } = this.#adder.sizes;
    this.#usedSegments = Math.max(this.#usedSegments, lists.segments + 1);
    const counts = this.#sortByLength(lists);
    const u32 = this.#u32;
    const rest: number[] = [];
    const total = (u32[lists.starts / 4 + lists.segments] as number) || 1;
    let kept = nextBlock(free, block);
    let runs: Run[] = [];
    let entries = 0;
    let done = 0;
    const flush = () => {
      if (runs.length > 0) kept = this.#sumRuns(runs, lists, kept, isPacked, rest);
      done += entries;
      progress(done / total);
      runs = [];
      entries = 0;
    };
    let first = counts[0] as number;
    for (let i = 0; i < first; i++) u32[lists.results / 4 + this.#segment(i)] = 0;
    for (let length = 1; length <= MAX_LENGTH; length++) {
      const count = counts[length] as number;
      const columns = length < MAX_LENGTH ? count >> 2 : 0;
      for (let taken = 0; taken < columns; ) {
        const room = Math.floor((GROUP_ENTRIES - entries) / (4 * length));
        const blocks = Math.min(columns - taken, room);
        if (blocks > 0) {
          runs.push({ length, first: first + 4 * taken, blocks, rows: [] });
          entries += 4 * length * blocks;
          taken += blocks;
        }
        if (taken < columns) flush();
      }
      for (let i = 4 * columns; i < count; i++) rest.push(this.#segment(first + i));
      first += count;
    }
    flush();
    return { rest: this.#listRest(rest, lists), free: kept };
  }

  /** The numbers of segments by length, and how many have each. */
  #sortByLength({ starts, segments }: Lists): Uint32Array {
    const { counts, order } = this.#at;
    const k = this.#kernels;
    const u32 = this.#u32;
    u32.fill(0, counts / 4, counts / 4 + MAX_LENGTH + 1);
    k.countSizes(starts, segments, counts, MAX_LENGTH);
    const sizes = u32.slice(counts / 4, counts / 4 + MAX_LENGTH + 1);
    let at = 0;
    sizes.forEach((count, length) => {
      u32[counts / 4 + length] = at;
      at += count;
    });
    k.placeSegments(starts, segments, counts, MAX_LENGTH, order);
    return sizes;
  }

  #segment(i: number): number {
    return this.#u32[this.#at.order / 4 + i] as number;
  }

  #sumRuns(
    runs: readonly Run[],
    lists: Lists,
    keep: number,
    isPacked: boolean,
    rest: number[],
  ): number {
    const { block } = this.#adder.sizes;
    const failed = this.#firstRound(runs, lists, isPacked);
    for (;;) {
      const pairs: RowPair[] = [];
      for (const run of runs) {
        const { rows, blocks } = run;
        for (let i = 0; i + 1 < rows.length; i += 2) {
          pairs.push({ a: rows[i] as number, b: rows[i + 1] as number, blocks });
        }
        run.rows = rows.filter((_, i) => i % 2 === 0);
      }
      if (pairs.length === 0) break;
      for (const lane of this.#adder.addRows(pairs)) failed.add(this.#segmentOf(lane, runs));
    }
    rest.push(...failed);
    let at = keep;
    for (const { rows, blocks, first } of runs) {
      const row = rows[0] as number;
      this.#bytes.copyWithin(at, row, row + block * blocks);
      for (let i = 0; i < 4 * blocks; i++) {
        const lane = at + block * (i >> 2) + 8 * (i & 3);
        this.#u32[lists.results / 4 + this.#segment(first + i)] = lane;
      }
      at += block * blocks;
    }
    return at;
  }

  /** Makes each run's rows; returns lists whose first round met opposite points. */
  #firstRound(runs: readonly Run[], { entries, starts }: Lists, isPacked: boolean): Set<number> {
    const { block } = this.#adder.sizes;
    const { lanes, singles, singleLanes } = this.#room;
    const k = this.#kernels;
    let pairQuads = 0;
    let singleQuads = 0;
    for (const run of runs) {
      const { length, first, blocks } = run;
      const order = this.#at.order + 4 * first;
      const list = this.#adder.list + 32 * pairQuads;
      k.rowPairs(order, starts, entries, blocks, length, list, singles + 16 * singleQuads);
      const pairs = length >> 1;
      for (let j = 0; j < pairs; j++) run.rows.push(lanes + block * (pairQuads + j * blocks));
      pairQuads += pairs * blocks;
      if (length % 2 === 1) {
        run.rows.push(singleLanes + block * singleQuads);
        singleQuads += blocks;
      }
    }
    if (isPacked) this.#adder.expand(singles, 4 * singleQuads, singleLanes);
    else this.#adder.regroup(singles, 4 * singleQuads, singleLanes);
    const vanished = this.#adder.addPairs(4 * pairQuads, lanes, isPacked);
    return new Set([...vanished].map((lane) => this.#segmentOf(lane, runs)));
  }

  /** Which list a lane in one of the runs' rows belongs to. */
  #segmentOf(lane: number, runs: readonly Run[]): number {
    const { block } = this.#adder.sizes;
    for (const { rows, blocks, first } of runs) {
      for (const row of rows) {
        if (lane < row || lane >= row + block * blocks) continue;
        const offset = lane - row;
        return this.#segment(first + 4 * Math.floor(offset / block) + ((offset % block) >> 3));
      }
    }
    throw new RangeError(`lane ${lane} is in no run`);
  }

  /** Copies the entries of some lists together. */
  #listRest(segments: readonly number[], { entries, starts }: Lists): Rest {
    const { restEntries, restStarts, restResults, restOrder } = this.#at;
    const u32 = this.#u32;
    let written = 0;
    segments.forEach((segment, i) => {
      const [begin, end] = [
        u32[starts / 4 + segment] as number,
        u32[starts / 4 + segment + 1] as number,
      ];
      u32.copyWithin(restEntries / 4 + written, entries / 4 + begin, entries / 4 + end);
      u32[restStarts / 4 + i] = written;
      u32[restOrder / 4 + i] = segment;
      written += end - begin;
    });
    u32[restStarts / 4 + segments.length] = written;
    this.#used = Math.max(this.#used, written);
    return {
      entries: restEntries,
      starts: restStarts,
      count: segments.length,
      results: restResults,
      order: restOrder,
    };
  }
}

/** The first lane of a block that is not used yet. */
function nextBlock(lane: number, block: number): number {
  const used = lane & 24;
  return used === 0 ? lane : lane - used + block;
}

function layout(maxSegments: number, maxEntries: number, region: Region) {
  const words = (count: number) => region.take(4 * count + 64);
  return {
    counts: words(MAX_LENGTH + 1),
    order: words(maxSegments),
    restEntries: words(maxEntries),
    restStarts: words(maxSegments + 1),
    restResults: words(maxSegments),
    restOrder: words(maxSegments),
  };
}
