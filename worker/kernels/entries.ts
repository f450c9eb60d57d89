/**
 * The integer side of a multi-scalar multiplication: digits of the scalars, and points sorted by
 * digit. What becomes of the sorted points: `segments.ts`.
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
 * **Sorting** is a counting sort by |digit|: `count`, `prefix`, `place`. An *entry* is a point's
 * address with the sign in its lowest bit.
 */
import type { FunctionWriter } from "./emitter.ts";
import { type Expr, i32, i64, type Local } from "./instructions.ts";
import { writeSegmentKernels } from "./segments.ts";
import type { KernelWriter } from "./vector-field.ts";

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

/** Writes the kernels described above, and those of `segments.ts`. @param modulus  r */
export function writeEntryKernels(writer: KernelWriter, modulus: bigint): void {
  const { module } = writer;
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

  writeSegmentKernels(writer);
}

function wordOf(value: bigint, i: number): bigint {
  return BigInt.asUintN(64, value >> BigInt(64 * i));
}

function at<T>(items: readonly T[], i: number): T {
  return items[i] as T;
}
