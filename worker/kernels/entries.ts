/**
 * The integer side of a multi-scalar multiplication: digits of the scalars, points sorted by digit,
 * and lists of pairs to add.
 *
 * **Scalars** are 32 B, little-endian. `fold` replaces s > r/2 by r - s with the sign in bit 255, so
 * that a witness full of small negative numbers is as cheap as one full of small positive ones; the
 * absolute value has 253 bits.
 *
 * **Digits** are Booth's: window w of c bits reads the c bits from c w on and the one below, and
 *
 *     digit = (bits + lowest) - 2^c * highest,   -2^(c-1) <= digit <= 2^(c-1),
 *
 * (A. D. Booth, 1951), which sums to the scalar without a carry from window to window: any window can
 * be read on its own, by any thread. Zero digits are no work at all.
 *
 * **Sorting** is a counting sort by |digit|: `count`, `prefix`, `place`. A *segment* is the run of
 * entries of one bucket.
 */
import type { FunctionWriter } from "./emitter.ts";
import { type Expr, i32, i64, type Local, select } from "./instructions.ts";
import { type KernelWriter, LIMB_STRIDE } from "./vector-field.ts";

/** Bytes of a scalar. */
export const SCALAR_BYTES = 32;
/** Bits of an absolute value after `fold`: below r/2 < 2^253. */
export const FOLDED_BITS = 253;

/** Where `count` and `place` find a window's bits in a scalar. */
export interface WindowBits {
  /** Byte from which 8 bytes are read, at most 24. */
  readonly byte: number;
  /** Shift left before the shift right: 1 for the lowest window, whose bit below is 0. */
  readonly up: 0 | 1;
  readonly down: number;
  /** Keeps c + 1 bits, or those below bit 253. */
  readonly mask: number;
}

/** Windows of c bits that a folded scalar needs: its 253 bits and a 0 above them. */
export function windowCount(bits: number): number {
  return Math.ceil((FOLDED_BITS + 1) / bits);
}

export function windowBits(window: number, bits: number): WindowBits {
  const lowest = window * bits - 1;
  const byte = Math.min(Math.max(lowest, 0) >> 3, 24);
  const count = Math.min(bits + 1, FOLDED_BITS - lowest);
  return {
    byte,
    up: lowest < 0 ? 1 : 0,
    down: Math.max(lowest, 0) - 8 * byte,
    mask: 2 ** count - 1,
  };
}

export function writeEntryKernels({ module }: KernelWriter, modulus: bigint): void {
  /** fold(scalars, n): in place. @param n >= 1 */
  module.define("fold", ["i32", "i32"], [], (f, scalars, n) => {
    const words = f.locals("i64", 4);
    const rest = f.locals("i64", 4);
    const borrow = f.local("i64");
    const half = modulus >> 1n;
    f.loop(
      () => {
        words.forEach((word, i) => {
          f.set(word, i64.load(scalars, 8 * i));
        });
        // s > (r - 1) / 2, compared from the top word down; most words differ at once.
        const top = wordOf(half, 3);
        f.if(i64.geU(at(words, 3), i64.const(top)), () => {
          // borrow = ((r - 1) / 2 < s): subtract and look at the last borrow
          f.set(borrow, i64.const(0n));
          words.forEach((word, i) => {
            const h = i64.const(wordOf(half, i));
            const isLess = i32.or(i64.ltU(h, word), i32.and(i64.eq(h, word), i32.wrap(borrow)));
            f.set(borrow, i64.extendU(isLess));
          });
          f.if(i32.wrap(borrow), () => {
            f.set(borrow, i64.const(0n));
            words.forEach((word, i) => {
              const r = i64.const(wordOf(modulus, i));
              f.set(at(rest, i), i64.sub(i64.sub(r, word), borrow));
              const isLess = i32.or(i64.ltU(r, word), i32.and(i64.eq(r, word), i32.wrap(borrow)));
              f.set(borrow, i64.extendU(isLess));
            });
            rest.forEach((word, i) => {
              const value = i === 3 ? i64.or(word, i64.const(1n << 63n)) : word;
              f.do(i64.store(scalars, value, 8 * i));
            });
          });
        });
        f.advance(scalars, SCALAR_BYTES);
        f.advance(n, -1);
      },
      () => n,
    );
  });

  /** |digit| and its sign for the scalar of a point. */
  const digit = (
    f: FunctionWriter,
    scalars: Expr<"i32">,
    map: Expr<"i32">,
    [byte, up, down, mask, c]: readonly Local<"i32">[],
  ) => {
    const scalar = f.local("i32");
    const bits = f.local("i32");
    const sign = f.local("i32");
    return {
      bits,
      /** 0 or -1 */
      sign,
      scalar,
      read: () => {
        f.set(scalar, i32.add(scalars, i32.shl(i32.load(map), i32.const(5))));
        const word = i64.load(i32.add(scalar, byte as Local<"i32">));
        const shifted = i64.shrU(
          i64.shl(word, i64.extendU(up as Local<"i32">)),
          i64.extendU(down as Local<"i32">),
        );
        f.set(bits, i32.and(i32.wrap(shifted), mask as Local<"i32">));
        const highest = i32.shrU(bits, c as Local<"i32">);
        f.set(sign, i32.sub(i32.const(0), highest));
        // digit = ((bits + 1) >> 1) - (highest << c), and |digit| by its sign
        const value = i32.sub(
          i32.shrU(i32.add(bits, i32.const(1)), i32.const(1)),
          i32.shl(highest, c as Local<"i32">),
        );
        f.set(bits, i32.sub(i32.xor(value, sign), sign));
      },
    };
  };

  /** count(scalars, map, n, counts, byte, up, down, mask, c): counts[|digit|]++ (u32). n >= 1 */
  const window = ["i32", "i32", "i32", "i32", "i32"] as const;
  module.define(
    "count",
    ["i32", "i32", "i32", "i32", ...window],
    [],
    (f, scalars, map, n, counts, ...bits) => {
      const d = digit(f, scalars, map, bits);
      f.loop(
        () => {
          d.read();
          f.set(d.scalar, i32.add(counts, i32.shl(d.bits, i32.const(2))));
          f.do(i32.store(d.scalar, i32.add(i32.load(d.scalar), i32.const(1))));
          f.advance(map, 4);
          f.advance(n, -1);
        },
        () => n,
      );
    },
  );

  /**
   * prefix(counts, starts, buckets, at) -> end. For b = 1 .. buckets: counts[b] becomes the index of
   * the first entry of bucket b, and so does starts[b - 1].
   */
  module.define(
    "prefix",
    ["i32", "i32", "i32", "i32"],
    ["i32"],
    (f, counts, starts, buckets, position) => {
      const size = f.local("i32");
      f.loop(
        () => {
          f.advance(counts, 4);
          f.set(size, i32.load(counts));
          f.do(i32.store(counts, position), i32.store(starts, position));
          f.set(position, i32.add(position, size));
          f.advance(starts, 4);
          f.advance(buckets, -1);
        },
        () => buckets,
      );
      f.result(position);
    },
  );

  /**
   * place(scalars, map, n, counts, byte, up, down, mask, c, entries, points, pointBytes): writes each
   * point's entry to the place that `counts` says, which moves on.
   */
  module.define(
    "place",
    ["i32", "i32", "i32", "i32", ...window, "i32", "i32", "i32"],
    [],
    (f, scalars, map, n, counts, byte, up, down, mask, c, entries, points, pointBytes) => {
      const d = digit(f, scalars, map, [byte, up, down, mask, c]);
      const position = f.local("i32");
      f.loop(
        () => {
          d.read();
          f.if(d.bits, () => {
            // The entry's sign is that of the digit times that of the scalar (its top bit).
            f.set(
              d.sign,
              i32.xor(
                i32.and(d.sign, i32.const(1)),
                i32.shrU(i32.load8U(d.scalar, SCALAR_BYTES - 1), i32.const(7)),
              ),
            );
            f.set(d.bits, i32.add(counts, i32.shl(d.bits, i32.const(2))));
            f.set(position, i32.load(d.bits));
            f.do(
              i32.store(i32.add(entries, i32.shl(position, i32.const(2))), i32.or(points, d.sign)),
            );
            f.do(i32.store(d.bits, i32.add(position, i32.const(1))));
          });
          f.set(points, i32.add(points, pointBytes));
          f.advance(map, 4);
          f.advance(n, -1);
        },
        () => n,
      );
    },
  );

  /**
   * pairs(entries, starts, segments, list, nextEntries, nextStarts, lanes, block) -> pairs.
   *
   * Takes the entries of each segment two by two: pairs go to `list`; the lane where the pair's sum
   * will be (lanes are counted from the block at `lanes`), or the entry left over, goes to
   * `nextEntries`, and where segments start there to `nextStarts`. `starts` has segments + 1 values,
   * as has `nextStarts`.
   *
   * firstPairs(..., singles, singleLanes) is the same for packed entries: an entry left over must
   * become a lane, too, so it goes to the list `singles`, and its lane (counted from the block at
   * `singleLanes`) to `nextEntries`. nextStarts' last value minus the pairs is their number.
   */
  const commonParameters = ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"] as const;
  const writePairs = (
    f: FunctionWriter,
    common: readonly Local<"i32">[],
    leaveOver: (entry: Expr<"i32">) => Expr<"i32">,
  ) => {
    const [entries, starts, segments, list, next, nextStarts, lanes, block] = common as Eight;
    const entry = f.local("i32");
    const end = f.local("i32");
    const nextBase = f.local("i32");
    const listBase = f.local("i32");
    f.set(nextBase, next);
    f.set(listBase, list);
    const word = (index: Expr<"i32">) => i32.add(entries, i32.shl(index, i32.const(2)));
    const written = () => i32.shrU(i32.sub(next, nextBase), i32.const(2));
    f.loop(
      () => {
        f.do(i32.store(nextStarts, written()));
        f.set(entry, word(i32.load(starts)));
        f.set(end, word(i32.load(starts, 4)));
        f.while(
          () => i32.ltU(i32.add(entry, i32.const(4)), end),
          () => {
            f.do(i64.store(list, i64.load(entry)), i32.store(next, lanes));
            advanceLane(f, lanes, block);
            f.advance(list, 8);
            f.advance(next, 4);
            f.advance(entry, 8);
          },
        );
        f.if(i32.ltU(entry, end), () => {
          f.do(i32.store(next, leaveOver(i32.load(entry))));
          f.advance(next, 4);
        });
        f.advance(starts, 4);
        f.advance(nextStarts, 4);
        f.advance(segments, -1);
      },
      () => segments,
    );
    f.do(i32.store(nextStarts, written()));
    f.result(i32.shrU(i32.sub(list, listBase), i32.const(3)));
  };
  module.define("pairs", commonParameters, ["i32"], (f, ...common) => {
    writePairs(f, common, (entry) => entry);
  });
  module.define(
    "firstPairs",
    [...commonParameters, "i32", "i32"],
    ["i32"],
    (f, a, b, c, d, e, g, h, block, singles, singleLanes) => {
      const lane = f.local("i32");
      writePairs(f, [a, b, c, d, e, g, h, block], (entry) => {
        f.do(i32.store(singles, entry));
        f.advance(singles, 4);
        f.set(lane, singleLanes);
        advanceLane(f, singleLanes, block);
        return lane;
      });
    },
  );

  /** countSizes(starts, segments, counts, most): counts[min(entries of a segment, most)]++ (u32). */
  module.define(
    "countSizes",
    ["i32", "i32", "i32", "i32"],
    [],
    (f, starts, segments, counts, most) => {
      const size = f.local("i32");
      f.loop(
        () => {
          f.set(size, i32.sub(i32.load(starts, 4), i32.load(starts)));
          f.set(size, select(i32.ltU(size, most), size, most));
          f.set(size, i32.add(counts, i32.shl(size, i32.const(2))));
          f.do(i32.store(size, i32.add(i32.load(size), i32.const(1))));
          f.advance(starts, 4);
          f.advance(segments, -1);
        },
        () => segments,
      );
    },
  );

  /** placeSegments(starts, segments, counts, most, order): numbers of segments, sorted by size. */
  module.define(
    "placeSegments",
    ["i32", "i32", "i32", "i32", "i32"],
    [],
    (f, starts, segments, counts, most, order) => {
      const size = f.local("i32");
      const at = f.local("i32");
      const segment = f.local("i32");
      f.loop(
        () => {
          f.set(size, i32.sub(i32.load(starts, 4), i32.load(starts)));
          f.set(size, select(i32.ltU(size, most), size, most));
          f.set(size, i32.add(counts, i32.shl(size, i32.const(2))));
          f.set(at, i32.load(size));
          f.do(i32.store(size, i32.add(at, i32.const(1))));
          f.do(i32.store(i32.add(order, i32.shl(at, i32.const(2))), segment));
          f.advance(segment, 1);
          f.advance(starts, 4);
          f.advance(segments, -1);
        },
        () => segments,
      );
    },
  );

  /**
   * rowPairs(order, starts, entries, quads, size, list, singles): for 4 * quads segments of `size`
   * entries each, the pairs of entries 2 j and 2 j + 1 of all segments, then those of j + 1; lane by
   * lane the segments in their order. The last entry of an odd size goes to `singles`.
   */
  module.define(
    "rowPairs",
    ["i32", "i32", "i32", "i32", "i32", "i32", "i32"],
    [],
    (f, order, starts, entries, quads, size, list, singles) => {
      const left = f.local("i32");
      const entry = f.local("i32");
      const to = f.local("i32");
      const pairs = f.local("i32");
      const stride = f.local("i32");
      f.set(left, i32.shl(quads, i32.const(2)));
      f.set(stride, i32.shl(quads, i32.const(5)));
      f.loop(
        () => {
          const start = i32.load(i32.add(starts, i32.shl(i32.load(order), i32.const(2))));
          f.set(entry, i32.add(entries, i32.shl(start, i32.const(2))));
          f.set(to, list);
          f.set(pairs, i32.shrU(size, i32.const(1)));
          f.while(
            () => pairs,
            () => {
              f.do(i64.store(to, i64.load(entry)));
              f.set(to, i32.add(to, stride));
              f.advance(entry, 8);
              f.advance(pairs, -1);
            },
          );
          f.if(i32.and(size, i32.const(1)), () => {
            f.do(i32.store(singles, i32.load(entry)));
            f.advance(singles, 4);
          });
          f.advance(order, 4);
          f.advance(list, 8);
          f.advance(left, -1);
        },
        () => left,
      );
    },
  );

  /**
   * collect(entries, starts, segments, results, lanes, block, limbs) -> the next free lane. For each
   * segment: results[i] = 0 if it is empty, else the lane to which the point of its only entry was
   * copied. A point is `limbs` x 8 bytes, 32 bytes apart.
   */
  module.define(
    "collect",
    ["i32", "i32", "i32", "i32", "i32", "i32", "i32"],
    ["i32"],
    (f, entries, starts, segments, results, lanes, block, limbs) => {
      const from = f.local("i32");
      const to = f.local("i32");
      const left = f.local("i32");
      f.loop(
        () => {
          f.set(to, i32.const(0));
          f.if(i32.ltU(i32.load(starts), i32.load(starts, 4)), () => {
            f.set(from, i32.load(i32.add(entries, i32.shl(i32.load(starts), i32.const(2)))));
            f.set(to, lanes);
            f.set(left, limbs);
            f.loop(
              () => {
                f.do(i64.store(to, i64.load(from)));
                f.advance(to, LIMB_STRIDE);
                f.advance(from, LIMB_STRIDE);
                f.advance(left, -1);
              },
              () => left,
            );
            f.set(to, lanes);
            advanceLane(f, lanes, block);
          });
          f.do(i32.store(results, to));
          f.advance(results, 4);
          f.advance(starts, 4);
          f.advance(segments, -1);
        },
        () => segments,
      );
      f.result(lanes);
    },
  );
}

type Eight = readonly [
  Local<"i32">,
  Local<"i32">,
  Local<"i32">,
  Local<"i32">,
  Local<"i32">,
  Local<"i32">,
  Local<"i32">,
  Local<"i32">,
];

/**
 * The next lane: 8 bytes on, and after four of them in the next block. Blocks are multiples of 64 B
 * and start at multiples of 64, so that bits 3 and 4 of an address are the lane's number.
 */
function advanceLane(f: FunctionWriter, lane: Local<"i32">, block: Local<"i32">): void {
  const isLast = i32.eq(i32.and(lane, i32.const(24)), i32.const(24));
  f.set(lane, i32.add(lane, select(isLast, i32.sub(block, i32.const(24)), i32.const(8))));
}

function wordOf(value: bigint, i: number): bigint {
  return BigInt.asUintN(64, value >> BigInt(64 * i));
}

function at<T>(items: readonly T[], i: number): T {
  return items[i] as T;
}
