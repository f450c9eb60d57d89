import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SCALAR_FIELD as R } from "../../../worker/field.ts";
import { FOLDED_BITS, windowBits, windowCount } from "../../../worker/kernels/entries.ts";
import { canonical, describeOnPaths, edges, VectorInstance } from "./vector-instance.ts";

const SIGN = 1n << 255n;
/** Bytes of a block of lanes, as 5 limbs and two coordinates have. */
const BLOCK = 320;

/** Scalars of all sizes, with those where folding and windows change. */
const scalar = fc.oneof(
  fc.constantFrom(
    ...edges(R),
    ...[1n, 2n, 3n, 255n, 2n ** 16n, 2n ** 64n].map((k) => R - k),
    // Each window's bits all ones, or a single one.
    ...[4n, 5n, 13n, 16n].flatMap((c) => [(1n << (15n * c)) - 1n, 1n << (14n * c - 1n)]),
  ),
  canonical(R),
  fc.bigInt({ min: 0n, max: 2n ** 64n }),
);

/** What `fold` makes of a scalar, as a number of either sign. */
function folded(s: bigint): bigint {
  return s > R >> 1n ? s - R : s;
}

describe("worker / kernels / windowBits", () => {
  it("cuts 253 bits and a 0 above into windows whose signed digits sum to the scalar", () => {
    for (let bits = 2; bits <= 17; bits++) {
      const windows = windowCount(bits);
      expect(windows * bits).toBeGreaterThan(FOLDED_BITS);
      expect((windows - 1) * bits).toBeLessThanOrEqual(FOLDED_BITS);
      for (const s of [0n, 1n, R >> 1n, (1n << 253n) - 1n, 1n << 252n, 0x5555n ** 15n]) {
        let sum = 0n;
        for (let w = 0; w < windows; w++) {
          const { byte, up, down, mask } = windowBits(w, bits);
          expect(byte).toBeLessThanOrEqual(24);
          const word = BigInt.asUintN(64, s >> BigInt(8 * byte));
          const read = Number(
            (BigInt.asUintN(64, word << BigInt(up)) >> BigInt(down)) & BigInt(mask),
          );
          const digit = ((read + 1) >> 1) - ((read >> bits) << bits);
          expect(Math.abs(digit)).toBeLessThanOrEqual(2 ** (bits - 1));
          sum += BigInt(digit) << BigInt(bits * w);
        }
        expect(sum, `${bits} bits of ${s}`).toBe(s);
      }
    }
  });
});

describeOnPaths("worker / kernels / entries", (path) => {
  const bench = new VectorInstance(path, 8);
  const k = bench.kernels;

  it("folds scalars to half the field, with the sign in the top bit", () => {
    fc.assert(
      fc.property(fc.array(scalar, { minLength: 1, maxLength: 9 }), (scalars) => {
        bench.clear();
        const at = bench.integers(scalars);
        const behind = bench.integers([7n]);
        k.fold(at, scalars.length);
        scalars.forEach((s, i) => {
          const signed = folded(s);
          expect(bench.integer(at + 32 * i)).toBe(signed < 0n ? -signed | SIGN : signed);
        });
        expect(bench.integer(behind)).toBe(7n);
      }),
      { numRuns: 300 },
    );
  });

  it("sorts the points of each window by digit, so that they sum to the scalars", () => {
    const shape = fc.record({
      scalars: fc.array(scalar, { minLength: 1, maxLength: 40 }),
      bits: fc.oneof(fc.integer({ min: 2, max: 12 }), fc.constantFrom(13, 16, 17)),
      /** Some points of the section are left out, as those at infinity are. */
      kept: fc.infiniteStream(fc.boolean()),
    });
    fc.assert(
      fc.property(shape, ({ scalars, bits, kept }) => {
        bench.clear();
        const at = bench.integers(scalars);
        k.fold(at, scalars.length);
        const chosen = [...scalars.keys()].filter((i) => i === 0 || kept.next().value);
        const map = bench.list(chosen);
        const buckets = 2 ** (bits - 1);
        const counts = bench.take(4 * (buckets + 1));
        const starts = bench.take(4 * (buckets + 1));
        const entries = bench.take(4 * chosen.length + 64);
        const points = 1 << 20;
        const packed = 64;
        const sums = chosen.map(() => 0n);
        for (let w = 0; w < windowCount(bits); w++) {
          bench.bytes.fill(0, counts, counts + 4 * (buckets + 1));
          const { byte, up, down, mask } = windowBits(w, bits);
          k.count(at, map, chosen.length, counts, byte, up, down, mask, bits);
          const sizes = bench.words(counts, buckets + 1);
          expect(sizes.reduce((a, b) => a + b)).toBe(chosen.length);
          const end = k.prefix(counts, starts, buckets, 0);
          expect(end).toBe(chosen.length - (sizes[0] as number));
          const first = bench.words(starts, buckets);
          const ends = [...first.slice(1), end];
          expect(ends.every((last, b) => last - (first[b] as number) === sizes[b + 1])).toBe(true);
          const args = [byte, up, down, mask, bits, entries, points, packed];
          k.place(at, map, chosen.length, counts, ...args);
          const placed = bench.words(entries, end);
          for (let b = 0; b < buckets; b++) {
            for (const entry of placed.slice(first[b], ends[b])) {
              const point = Math.floor((entry - points) / packed);
              const digit = BigInt(b + 1) << BigInt(bits * w);
              sums[point] = (sums[point] as bigint) + (entry & 1 ? -digit : digit);
            }
          }
        }
        expect(sums).toEqual(chosen.map((i) => folded(scalars[i] as bigint)));
      }),
      { numRuns: 25 },
    );
  });

  it("goes on counting from where the windows before have ended", () => {
    bench.clear();
    const counts = bench.list([9, 2, 0, 3]);
    const starts = bench.take(64);
    expect(k.prefix(counts, starts, 3, 100)).toBe(105);
    expect(bench.words(counts, 4)).toEqual([9, 100, 102, 102]);
    expect(bench.words(starts, 3)).toEqual([100, 102, 102]);
  });

  /** Entries of segments, empty ones among them. */
  const segments = fc.array(fc.array(fc.nat({ max: 2 ** 31 }), { maxLength: 9 }), {
    minLength: 1,
    maxLength: 12,
  });
  /** Lays segments out one after the other. */
  function layOut(all: readonly (readonly number[])[]) {
    bench.clear();
    const starts = [0];
    for (const segment of all) starts.push((starts.at(-1) as number) + segment.length);
    const total = starts.at(-1) as number;
    return {
      entries: bench.list(all.flat()),
      starts: bench.list(starts),
      list: bench.take(4 * total + 64),
      next: bench.take(4 * total + 64),
      nextStarts: bench.take(4 * all.length + 64),
      singles: bench.take(4 * total + 64),
    };
  }
  const laneAt = (lanes: number, i: number) => lanes + BLOCK * Math.floor(i / 4) + 8 * (i % 4);

  it("takes entries two by two, and leaves over the last of an odd segment", () => {
    fc.assert(
      fc.property(segments, (all) => {
        const { entries, starts, list, next, nextStarts } = layOut(all);
        const lanes = 1 << 22;
        const count = k.pairs(entries, starts, all.length, list, next, nextStarts, lanes, BLOCK);
        const pairs: number[] = [];
        const expected = all.map((segment) => {
          const following: number[] = [];
          for (let i = 0; i + 1 < segment.length; i += 2) {
            following.push(laneAt(lanes, pairs.length / 2));
            pairs.push(segment[i] as number, segment[i + 1] as number);
          }
          return segment.length % 2 === 1 ? [...following, segment.at(-1) as number] : following;
        });
        expect(count).toBe(pairs.length / 2);
        expect(bench.words(list, 2 * count)).toEqual(pairs);
        const ends = bench.words(nextStarts, all.length + 1);
        expected.forEach((following, s) => {
          const [from, to] = [ends[s] as number, ends[s + 1] as number];
          expect(bench.words(next + 4 * from, to - from)).toEqual(following);
        });
      }),
      { numRuns: 150 },
    );
  });

  it("gives packed entries that are left over lanes of their own", () => {
    fc.assert(
      fc.property(segments, (all) => {
        const { entries, starts, list, next, nextStarts, singles } = layOut(all);
        const [lanes, singleLanes] = [1 << 22, 1 << 23];
        const common = [entries, starts, all.length, list, next, nextStarts, lanes, BLOCK];
        const count = k.firstPairs(...(common as Eight), singles, singleLanes);
        const ends = bench.words(nextStarts, all.length + 1);
        const pairs: number[] = [];
        const alone: number[] = [];
        all.forEach((segment, s) => {
          const following: number[] = [];
          for (let i = 0; i + 1 < segment.length; i += 2) {
            following.push(laneAt(lanes, pairs.length / 2));
            pairs.push(segment[i] as number, segment[i + 1] as number);
          }
          if (segment.length % 2 === 1) {
            following.push(laneAt(singleLanes, alone.length));
            alone.push(segment.at(-1) as number);
          }
          const [from, to] = [ends[s] as number, ends[s + 1] as number];
          expect(bench.words(next + 4 * from, to - from)).toEqual(following);
        });
        expect(count).toBe(pairs.length / 2);
        expect((ends.at(-1) as number) - count).toBe(alone.length);
        expect(bench.words(list, 2 * count)).toEqual(pairs);
        expect(bench.words(singles, alone.length)).toEqual(alone);
      }),
      { numRuns: 150 },
    );
  });

  it("sorts segments by their size, longer ones than counted as one size", () => {
    const most = 5;
    fc.assert(
      fc.property(segments, (all) => {
        const { starts } = layOut(all);
        const counts = bench.take(4 * (most + 1));
        const order = bench.take(4 * all.length + 64);
        k.countSizes(starts, all.length, counts, most);
        const sizes = all.map((segment) => Math.min(segment.length, most));
        const expected = Array.from(
          { length: most + 1 },
          (_, size) => sizes.filter((other) => other === size).length,
        );
        expect(bench.words(counts, most + 1)).toEqual(expected);
        let position = 0;
        expected.forEach((count, size) => {
          bench.u32[counts / 4 + size] = position;
          position += count;
        });
        k.placeSegments(starts, all.length, counts, most, order);
        // The order of equal ones stays.
        const sorted = [...all.keys()].sort((a, b) => (sizes[a] as number) - (sizes[b] as number));
        expect(bench.words(order, all.length)).toEqual(sorted);
      }),
      { numRuns: 100 },
    );
  });

  it("lays the pairs of segments of one size out in rows", () => {
    const shape = fc
      .tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 7 }))
      .chain(([quads, size]) => {
        const segment = fc.array(fc.nat({ max: 2 ** 31 }), { minLength: size, maxLength: size });
        const used = fc.array(segment, { minLength: 4 * quads, maxLength: 4 * quads });
        return fc.tuple(fc.constant(size), used, fc.array(segment, { maxLength: 3 }));
      });
    fc.assert(
      fc.property(shape, ([size, used, others]) => {
        // In memory those not used come first, and the order is backward.
        const all = [...others, ...used];
        const order = used.map((_, i) => all.length - 1 - i);
        const { entries, starts, list, singles } = layOut(all);
        const quads = used.length / 4;
        k.rowPairs(bench.list(order), starts, entries, quads, size, list, singles);
        const rows = Array.from({ length: size >> 1 }, (_, j) =>
          order.flatMap((s) => (all[s] as number[]).slice(2 * j, 2 * j + 2)),
        );
        expect(bench.words(list, used.length * 2 * (size >> 1))).toEqual(rows.flat());
        const left = size % 2 === 1 ? order.map((s) => (all[s] as number[]).at(-1)) : [];
        expect(bench.words(singles, left.length)).toEqual(left);
      }),
      { numRuns: 100 },
    );
  });

  it("collects the only points of segments in lanes side by side", () => {
    const present = fc.array(fc.boolean(), { minLength: 1, maxLength: 11 });
    fc.assert(
      fc.property(present, fc.integer({ min: 0, max: 3 }), (isThere, firstLane) => {
        bench.clear();
        const limbs = BLOCK / 32;
        const source = bench.take(BLOCK * 4);
        const kept = bench.take(BLOCK * 4);
        for (let i = 0; i < 16; i++) {
          for (let l = 0; l < limbs; l++) {
            bench.u64[(laneAt(source, i) + 32 * l) / 8] = BigInt(100 * i + l);
          }
        }
        const points = isThere.flatMap((is, i) => (is ? [laneAt(source, i)] : []));
        const starts = [0];
        for (const is of isThere) starts.push((starts.at(-1) as number) + (is ? 1 : 0));
        const results = bench.take(64);
        const end = k.collect(
          bench.list(points),
          bench.list(starts),
          isThere.length,
          results,
          laneAt(kept, firstLane),
          BLOCK,
          limbs,
        );
        expect(end).toBe(laneAt(kept, firstLane + points.length));
        let used = firstLane;
        isThere.forEach((is, i) => {
          const lane = bench.words(results, isThere.length)[i] as number;
          expect(lane).toBe(is ? laneAt(kept, used++) : 0);
          if (!is) return;
          for (let l = 0; l < limbs; l++) {
            expect(bench.u64[(lane + 32 * l) / 8]).toBe(BigInt(100 * i + l));
          }
        });
      }),
      { numRuns: 60 },
    );
  });
});

type Eight = [number, number, number, number, number, number, number, number];
