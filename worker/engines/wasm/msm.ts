/**
 * Multi-scalar multiplication: sum s_i P_i over points that lie packed in memory.
 *
 * Pippenger's method with signed digits: the points of one *window* of c bits are sorted by digit
 * into 2^(c-1) buckets, each bucket is summed, and the window's value is sum_v v B_v. All additions,
 * those of the buckets and those after, are affine ones in batches with one inversion each
 * (`kernels/curve.ts`), organised as trees: a round adds the entries of every segment two by two.
 *
 * sum_v v B_v, v = 2^h u + l: the sums of rows R_u = sum_l B_(u,l) and of columns C_l = sum_u B_(u,l)
 * give 2^h sum_u u R_u + sum_l l C_l, and by the bits of u and l that is sum_k 2^k T_k with T_k the
 * sum of the rows or columns whose number has bit k set. So a window ends as c points, one for each
 * bit position; positions of all windows are summed by Horner's rule at the end, with 254 doublings.
 *
 * Windows do not depend on each other: any thread may do any of them.
 */
import type { Checkpoint } from "../../engine.ts";
import type { Degree } from "../../kernels/curve.ts";
import { windowBits, windowCount } from "../../kernels/entries.ts";
import type { VectorField } from "../../kernels/vector-field.ts";
import type { Inversion } from "./inversion.ts";
import type { Kernels } from "./kernels.ts";
import { PointSums } from "./point-sums.ts";
import type { Region } from "./region.ts";

/** Points and the scalars that they are multiplied with. */
export interface Terms {
  /** Address of packed points. */
  readonly points: number;
  readonly count: number;
  /** Address of `count` indices into the scalars (u32). */
  readonly map: number;
  /** Address of folded scalars (`kernels/entries.ts`). */
  readonly scalars: number;
}

/** Entries that one piece of work sorts at most, unless a single window has more. */
const PIECE_ENTRIES = 2 ** 18;
const MIN_WINDOW_BITS = 4;
const MAX_WINDOW_BITS = 17;

/** How a sum is cut into windows, and windows into pieces of work. */
export interface Plan {
  /** Bits of a window. */
  readonly bits: number;
  readonly windows: number;
  /** Windows that one piece of work does together. */
  readonly together: number;
}

/**
 * The window that takes the fewest additions for n dense scalars: one for each scalar in each
 * window, and two for each bucket, less one that only starts it. Windows of small sums are done
 * together, so that there is something to share an inversion.
 *
 * @param count  n >= 1
 */
export function planOf(count: number): Plan {
  const cost = (bits: number) => windowCount(bits) * (count + 1.2 * 2 ** (bits - 1));
  let bits = MIN_WINDOW_BITS;
  for (let more = bits + 1; more <= MAX_WINDOW_BITS; more++) {
    if (cost(more) < cost(bits)) bits = more;
  }
  const windows = windowCount(bits);
  const together = Math.floor(PIECE_ENTRIES / (count + 2 ** bits));
  return { bits, windows, together: Math.min(Math.max(together, 1), windows) };
}

/** Sizes of one thread's working memory for sums of up to `count` terms. */
function limitsOf(count: number) {
  const { bits } = planOf(Math.max(count, 1));
  const maxWindows = windowCount(MIN_WINDOW_BITS);
  return {
    maxBuckets: 2 ** (bits - 1),
    // After the buckets, rows and columns take two entries for each bucket.
    maxEntries: Math.max(
      count,
      Math.min(PIECE_ENTRIES, maxWindows * Math.max(16, count)),
      2 ** bits,
    ),
    // A piece of several windows has at most half as many buckets as PIECE_ENTRIES; few terms have
    // fewer, because a window of more than 4 bits is taken only for at least as many terms.
    maxSegments: Math.max(
      2 ** (bits - 1),
      Math.min(PIECE_ENTRIES / 2, maxWindows * Math.max(2 ** (MIN_WINDOW_BITS - 1), count)),
    ),
  };
}

export class Msm {
  readonly sums: PointSums;
  readonly #kernels: Kernels;
  readonly #memory: WebAssembly.Memory;
  readonly #degree: Degree;
  readonly #limits: ReturnType<typeof limitsOf>;
  readonly #at: ReturnType<typeof layout>;
  #u32 = new Uint32Array();
  /** The most entries and segments that a piece of work had since `wipe`. */
  #used = 0;
  #usedSegments = 0;

  /** @param maxTerms  of one sum */
  constructor(
    kernels: Kernels,
    memory: WebAssembly.Memory,
    field: VectorField,
    inversion: Inversion,
    degree: Degree,
    maxTerms: number,
    region: Region,
  ) {
    this.#kernels = kernels;
    this.#memory = memory;
    this.#degree = degree;
    this.#limits = limitsOf(maxTerms);
    this.#at = layout(this.#limits, region);
    const { maxEntries, maxSegments } = this.#limits;
    const args = [kernels, memory, field, inversion, degree] as const;
    this.sums = new PointSums(...args, maxEntries, maxSegments, region);
  }

  /** Call once the memory reaches the region's end. */
  prepare(): void {
    this.#u32 = new Uint32Array(this.#memory.buffer);
    this.sums.prepare();
  }

  /** Zeroes all that tells the scalars' digits. The next use needs `prepare` again. */
  wipe(): void {
    const { entries, counts, starts, results, results2, buckets } = this.#at;
    const zero = (address: number, count: number) =>
      this.#u32.fill(0, address / 4, address / 4 + count);
    if (this.#used > 0) {
      zero(entries, this.#used);
      zero(counts, buckets + 1);
      for (const list of [starts, results, results2]) zero(list, this.#usedSegments + 1);
    }
    this.#used = 0;
    this.#usedSegments = 0;
    this.sums.wipe();
  }

  /**
   * Windows [from, to) of a sum; leaves at `positions` + 64 * degree * (c * w + k) the canonical
   * affine point of bit position c w + k, zeros for infinity.
   *
   * @param bits  c
   * @throws RangeError if that is more than the constructor's `maxTerms` has room for.
   */
  windows(
    terms: readonly Terms[],
    bits: number,
    from: number,
    to: number,
    positions: number,
    checkpoint: Checkpoint,
  ): void {
    const buckets = 2 ** (bits - 1);
    const segments = (to - from) * buckets;
    const count = (to - from) * terms.reduce((sum, term) => sum + term.count, 0);
    const { maxEntries, maxSegments } = this.#limits;
    // Rows and columns take up to two entries for each bucket that is not empty.
    const most = Math.max(count, 2 * Math.min(count, segments));
    if (most > maxEntries || segments > maxSegments) {
      throw new RangeError(
        `got ${most} entries in ${segments} buckets, the working memory has room for ${maxEntries} in ${maxSegments}`,
      );
    }
    this.#sort(terms, bits, from, to);
    checkpoint(0.1);
    const { entries, starts, results } = this.#at;
    const { sums } = this;
    let free = sums.sumSegments(entries, starts, segments, results, sums.keep, true, (done) =>
      checkpoint(0.1 + 0.75 * done),
    );
    const rows = this.#listRowsAndColumns(bits, to - from);
    free = sums.sumSegments(
      entries,
      starts,
      rows.segments,
      this.#at.results2,
      free,
      false,
      (done) => checkpoint(0.85 + 0.15 * done),
    );
    this.#listBits(rows, bits, to - from);
    free = sums.sumSegments(entries, starts, bits * (to - from), results, free, false, () => {});
    const lanes = this.#u32.slice(results / 4, results / 4 + bits * (to - from));
    sums.store(lanes, positions + 64 * this.#degree * bits * from);
  }

  #sort(terms: readonly Terms[], bits: number, from: number, to: number): void {
    const { counts, starts, entries } = this.#at;
    const k = this.#kernels;
    const buckets = 2 ** (bits - 1);
    let end = 0;
    for (let w = from; w < to; w++) {
      const { byte, up, down, mask } = windowBits(w, bits);
      this.#u32.fill(0, counts / 4, counts / 4 + buckets + 1);
      for (const { map, scalars, count } of terms) {
        if (count > 0) k.count(scalars, map, count, counts, byte, up, down, mask, bits);
      }
      end = k.prefix(counts, starts + 4 * (w - from) * buckets, buckets, end) >>> 0;
      for (const { map, scalars, count, points } of terms) {
        if (count === 0) continue;
        const args = [byte, up, down, mask, bits] as const;
        k.place(scalars, map, count, counts, ...args, entries, points, this.sums.sizes.packed);
      }
    }
    this.#u32[starts / 4 + (to - from) * buckets] = end;
    // After the buckets, rows and columns take up to two entries for each of them.
    const segments = (to - from) * buckets;
    this.#used = Math.max(this.#used, end, Math.min(2 * segments, this.#limits.maxEntries));
    this.#usedSegments = Math.max(this.#usedSegments, segments);
  }

  /** Bucket v = 2^h u + l (1 <= v <= 2^(c-1)) belongs to row u and to column l; not those of number 0. */
  #listRowsAndColumns(bits: number, windows: number): RowsAndColumns {
    const { entries, starts, results } = this.#at;
    const u32 = this.#u32;
    const buckets = 2 ** (bits - 1);
    const low = bits >> 1;
    const columns = 2 ** low;
    const rows = (buckets >> low) + 1;
    let written = 0;
    let segments = 0;
    for (let w = 0; w < windows; w++) {
      const bucket = results / 4 + w * buckets - 1;
      for (let u = 1; u < rows; u++) {
        u32[starts / 4 + segments++] = written;
        const end = Math.min((u + 1) * columns, buckets + 1);
        for (let v = u * columns; v < end; v++) {
          const lane = u32[bucket + v] as number;
          if (lane !== 0) u32[entries / 4 + written++] = lane;
        }
      }
      for (let l = 1; l < columns; l++) {
        u32[starts / 4 + segments++] = written;
        for (let v = l; v <= buckets; v += columns) {
          const lane = u32[bucket + v] as number;
          if (lane !== 0) u32[entries / 4 + written++] = lane;
        }
      }
    }
    u32[starts / 4 + segments] = written;
    return { low, rows, columns, segments };
  }

  #listBits({ low, rows, columns }: RowsAndColumns, bits: number, windows: number): void {
    const { entries, starts, results2 } = this.#at;
    const u32 = this.#u32;
    const perWindow = rows - 1 + columns - 1;
    let written = 0;
    for (let w = 0; w < windows; w++) {
      const row = results2 / 4 + w * perWindow - 1;
      const column = row + rows - 1;
      for (let bit = 0; bit < bits; bit++) {
        u32[starts / 4 + w * bits + bit] = written;
        const [base, shift, count] = bit < low ? [column, bit, columns] : [row, bit - low, rows];
        for (let i = 1; i < count; i++) {
          if (((i >> shift) & 1) === 0) continue;
          const lane = u32[base + i] as number;
          if (lane !== 0) u32[entries / 4 + written++] = lane;
        }
      }
    }
    u32[starts / 4 + windows * bits] = written;
  }
}

interface RowsAndColumns {
  readonly low: number;
  /** 2^(c-1-h) + 1 with row 0, which is not summed. */
  readonly rows: number;
  /** 2^h with column 0, which is not summed. */
  readonly columns: number;
  readonly segments: number;
}

function layout(
  { maxEntries, maxSegments, maxBuckets }: ReturnType<typeof limitsOf>,
  region: Region,
) {
  const words = (count: number) => region.take(4 * count + 64);
  return {
    counts: words(maxBuckets + 1),
    starts: words(maxSegments + 1),
    entries: words(maxEntries),
    results: words(maxSegments),
    results2: words(maxSegments + 64),
    buckets: maxBuckets,
  };
}
