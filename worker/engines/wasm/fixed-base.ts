/**
 * Multiples of one known point, many at a time: what a set-up with a known trapdoor consists of.
 *
 * Fixed windows with Booth's digits (`kernels/entries.ts`): s = sum_w d_w 2^(c w), |d_w| <= 2^(c-1).
 * A table holds T_w[d] = d 2^(c w) P for d = 1 to 2^(c-1) in every window w, so that s P is a sum of
 * one table entry, or its negative, for each digit that is not 0: a list of packed points, and many
 * such lists are what `PointSums` sums. No doubling is left, and no scalar is multiplied.
 *
 * Tables are filled by the same sums: T_w[2^k] is a chain of doublings through all windows, and
 * T_w[2^k + d] = T_w[2^k] + T_w[d] for 0 < d < 2^k doubles what is there with one call for each k.
 */
import { ELEMENT_BYTES } from "../../field.ts";
import type { Degree } from "../../kernels/curve.ts";
import { FOLDED_BITS, windowCount } from "../../kernels/entries.ts";
import type { Tower } from "../../kernels/tower.ts";
import type { VectorField } from "../../kernels/vector-field.ts";
import { Inversion } from "./inversion.ts";
import type { Kernels } from "./kernels.ts";
import { PointSums } from "./point-sums.ts";
import type { Region } from "./region.ts";

/** A point's multiples in memory, filled once and read by any thread. Plain data. */
export interface FixedBaseTable {
  readonly degree: Degree;
  /** c */
  readonly bits: number;
  readonly windows: number;
  /** windows x 2^(c-1) packed points. */
  readonly address: number;
}

const MIN_BITS = 4;
/**
 * A table of 16 bits is twice as large as one of 15 and leaves the third cache: an addition less of
 * 16, and each 15 % slower (AMD Zen 4, 32 MiB).
 */
const MAX_BITS = 15;
/** Multiples that are summed at once; they fill the groups of `PointSums` several times over. */
export const MAX_POINTS = 4096;
/** Points that are brought into another form at once: 160 KiB in G2. */
const STAGE_POINTS = 1024;

/** Window bits for `count` multiples: the fewest additions, those of the table included. */
export function tableBits(count: number): number {
  const cost = (bits: number) => windowCount(bits) * (count + 2 ** (bits - 1));
  let best = MIN_BITS;
  for (let bits = MIN_BITS + 1; bits <= MAX_BITS; bits++) if (cost(bits) < cost(best)) best = bits;
  return best;
}

export function takeTable(region: Region, degree: Degree, bits: number): FixedBaseTable {
  const windows = windowCount(bits);
  const address = region.take(64 * degree * windows * 2 ** (bits - 1));
  return { degree, bits, windows, address };
}

/** One thread's means to multiply fixed points of one degree. */
export class FixedBase {
  readonly sums: PointSums;
  readonly #kernels: Kernels;
  readonly #memory: WebAssembly.Memory;
  readonly #field: VectorField;
  readonly #inversion: Inversion;
  readonly #degree: Degree;
  readonly #at: ReturnType<typeof layout>;
  #u32 = new Uint32Array();

  /** Takes its working memory from a region; call `prepare` when the memory reaches that far. */
  constructor(
    kernels: Kernels,
    memory: WebAssembly.Memory,
    field: VectorField,
    tower: Tower,
    degree: Degree,
    region: Region,
  ) {
    this.#kernels = kernels;
    this.#memory = memory;
    this.#field = field;
    this.#degree = degree;
    const maxEntries = MAX_POINTS * windowCount(MIN_BITS);
    const common = [kernels, memory, field] as const;
    this.#inversion = new Inversion(...common, tower, degree, region);
    const args = [...common, this.#inversion, degree] as const;
    this.sums = new PointSums(...args, maxEntries, MAX_POINTS, region);
    this.#at = layout(region, maxEntries, this.sums.sizes.quad, field);
  }

  prepare(): void {
    this.#u32 = new Uint32Array(this.#memory.buffer);
    this.#inversion.prepare();
    this.sums.prepare();
    const { radix } = this.#field;
    this.#fillFactor(this.#at.toRadix, radix);
    this.#fillFactor(this.#at.toFile, 2n ** 256n);
  }

  #fillFactor(address: number, factor: bigint): void {
    const { modulus } = this.#field;
    const view = new BigUint64Array(this.#memory.buffer, address);
    this.#field.limbsOf(factor % modulus).forEach((limb, i) => {
      view.fill(limb, 4 * i, 4 * i + 4);
    });
  }

  /**
   * Fills a table.
   *
   * @param coordinates  of the point: x, y (in G2 x0, x1, y0, y1), canonical. Of order r.
   */
  writeTable(table: FixedBaseTable, coordinates: readonly bigint[]): void {
    const { bits, windows, address } = table;
    const { entries, starts } = this.#at;
    const { packed } = this.sums.sizes;
    const half = 2 ** (bits - 1);
    const entry = (window: number, d: number) => address + packed * (half * window + d - 1);
    const u32 = this.#u32;
    const u64 = new BigUint64Array(this.#memory.buffer);
    const { radix, modulus } = this.#field;
    coordinates.forEach((coordinate, c) => {
      const value = (coordinate * radix) % modulus;
      for (let w = 0; w < 4; w++) {
        u64[(address + ELEMENT_BYTES * c) / 8 + w] = BigInt.asUintN(64, value >> BigInt(64 * w));
      }
    });
    u32[starts / 4] = 0;
    let previous = address;
    for (let bit = 1; bit < windows * bits; bit++) {
      u32[entries / 4] = previous;
      u32[entries / 4 + 1] = previous;
      u32[starts / 4 + 1] = 2;
      previous = entry(Math.floor(bit / bits), 2 ** (bit % bits));
      this.#sum(1, previous, this.#at.toRadix);
    }
    for (let k = 1; k < bits - 1; k++) {
      const top = 2 ** k;
      for (let window = 0; window < windows; window++) {
        for (let first = 1; first < top; first += MAX_POINTS) {
          const count = Math.min(MAX_POINTS, top - first);
          for (let i = 0; i < count; i++) {
            u32[starts / 4 + i + 1] = 2 * i + 2;
            u32[entries / 4 + 2 * i] = entry(window, top);
            u32[entries / 4 + 2 * i + 1] = entry(window, first + i);
          }
          this.#sum(count, entry(window, top + first), this.#at.toRadix);
        }
      }
    }
  }

  /**
   * Multiples of a table's point.
   *
   * @param scalars  address of `count` folded scalars (`kernels/entries.ts`).
   * @param out      address for `count` points in a `.zkey`'s form: affine, Montgomery form with
   *   2^256, 64 B (G2: 128 B) each, zeros for infinity.
   */
  multiply(table: FixedBaseTable, scalars: number, count: number, out: number): void {
    const { packed } = this.sums.sizes;
    for (let first = 0; first < count; first += MAX_POINTS) {
      const some = Math.min(MAX_POINTS, count - first);
      this.#listDigits(table, scalars + ELEMENT_BYTES * first, some);
      this.#sum(some, out + packed * first, this.#at.toFile);
    }
  }

  /** For each scalar the list of table entries that add up to its multiple. */
  #listDigits({ bits, windows, address }: FixedBaseTable, scalars: number, count: number): void {
    const u32 = this.#u32;
    const { packed } = this.sums.sizes;
    const starts = this.#at.starts / 4;
    const entries = this.#at.entries / 4;
    const tableBytes = packed * 2 ** (bits - 1);
    const mask = 2 ** (bits + 1) - 1;
    let written = 0;
    for (let i = 0; i < count; i++) {
      u32[starts + i] = written;
      const scalar = scalars / 4 + 8 * i;
      const negated = (u32[scalar + 7] as number) >>> 31;
      // Bit -1 is 0.
      let read = ((u32[scalar] as number) << 1) & mask;
      let table = address - packed;
      for (let w = 0; ; ) {
        const highest = read >>> bits;
        const digit = ((read + 1) >>> 1) - (highest << bits);
        if (digit !== 0) {
          const size = highest === 1 ? -digit : digit;
          u32[entries + written++] = (table + packed * size) | (highest ^ negated);
        }
        w++;
        if (w === windows) break;
        table += tableBytes;
        const lowest = w * bits - 1;
        const word = scalar + (lowest >>> 5);
        const shift = lowest & 31;
        // Twice by less than 32: a shift by 32 would be one by 0.
        read =
          ((u32[word] as number) >>> shift) | (((u32[word + 1] as number) << 1) << (31 - shift));
        read &= w === windows - 1 ? 2 ** (FOLDED_BITS - lowest) - 1 : mask;
      }
    }
    u32[starts + count] = written;
  }

  /** Sums the first lists and writes the sums, in the form that a factor gives. */
  #sum(count: number, out: number, factor: number): void {
    const { entries, starts, results, stage, integers } = this.#at;
    const { keep, sizes } = this.sums;
    const { packed, block } = sizes;
    const coordinates = 2 * this.#degree;
    const none = () => undefined;
    const end = this.sums.sumSegments(entries, starts, count, results, keep, true, none);
    const lanes = this.#u32.subarray(results / 4, results / 4 + count);
    lanes.forEach((lane, i) => {
      if (lane === 0) this.#u32.fill(0, (out + packed * i) / 4, (out + packed * (i + 1)) / 4);
    });
    const partBytes = block * (STAGE_POINTS / 4);
    for (let part = keep; part < end; part += partBytes) {
      const next = Math.min(part + partBytes, end);
      const quads = coordinates * Math.ceil((next - part) / block);
      this.#kernels.scaleQ(stage, part, factor, quads);
      this.#kernels.packQ(integers, stage, 4 * quads);
      // Lists of one length are summed together, so that their sums lie in some other order.
      for (let i = 0; i < count; i++) {
        const lane = lanes[i] as number;
        if (lane >= part && lane < next) this.#takePoint(lane - part, out + packed * i);
      }
    }
  }

  /** Copies the point of a lane from among the packed integers: those of each block by coordinate. */
  #takePoint(lane: number, out: number): void {
    const u32 = this.#u32;
    const { packed, block } = this.sums.sizes;
    const from = (this.#at.integers + 4 * packed * Math.floor(lane / block)) / 4 + (lane & 24);
    for (let c = 0; c < 2 * this.#degree; c++) {
      for (let w = 0; w < 8; w++) u32[out / 4 + 8 * c + w] = u32[from + 32 * c + w] as number;
    }
  }
}

function layout(region: Region, maxEntries: number, quad: number, { limbs }: VectorField) {
  const words = (count: number) => region.take(4 * count + 64);
  return {
    entries: words(maxEntries),
    starts: words(MAX_POINTS + 1),
    results: words(MAX_POINTS),
    stage: region.take((quad / 2) * STAGE_POINTS),
    integers: region.take(4 * ELEMENT_BYTES * STAGE_POINTS),
    toRadix: region.take(32 * limbs),
    toFile: region.take(32 * limbs),
  };
}
