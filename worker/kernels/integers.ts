/**
 * Between integers in memory (32 B, little-endian, canonical) and quads of limbs, and arithmetic on
 * arrays of quads. One set of kernels for each field; their names end in the field's letter.
 */
import { type Expr, i32, i64, type Local, select, v128 } from "./instructions.ts";
import { type KernelWriter, LIMB_STRIDE, type VectorField } from "./vector-field.ts";

/** Bytes of an integer. */
export const INTEGER_BYTES = 32;
const WORDS = 4;

export function writeIntegerKernels(
  writer: KernelWriter,
  field: VectorField,
  letter: string,
): void {
  const { module } = writer;
  const quad = field.limbs * LIMB_STRIDE;

  /** multiply(dst, a, b, quads): dst_i = a_i b_i / R. `dst` may be an operand. */
  module.define(`multiply${letter}`, ["i32", "i32", "i32", "i32"], [], (f, dst, a, b, quads) => {
    const parts = writer.halves(f, field).map((fq) => ({ fq, r: fq.variable() }));
    f.loop(
      () => {
        writer.forHalves(f, pair(parts), ({ fq, r }) => {
          fq.mul(r, fq.load(a, 0), fq.load(b, 0));
          fq.store(dst, 0, r);
        });
        for (const pointer of [dst, a, b]) f.advance(pointer, quad);
        f.advance(quads, -1);
      },
      () => quads,
    );
  });

  /** scale(dst, a, factor, quads): dst_i = a_i factor / R with one quad for all. */
  module.define(`scale${letter}`, ["i32", "i32", "i32", "i32"], [], (f, dst, a, factor, quads) => {
    const parts = writer.halves(f, field).map((fq) => ({ fq, r: fq.variable() }));
    f.loop(
      () => {
        writer.forHalves(f, pair(parts), ({ fq, r }) => {
          fq.mul(r, fq.load(a, 0), fq.load(factor, 0));
          fq.store(dst, 0, r);
        });
        f.advance(dst, quad);
        f.advance(a, quad);
        f.advance(quads, -1);
      },
      () => quads,
    );
  });

  /** unpack(dst, integers, quads): 4 * quads consecutive integers become limbs in bounds. */
  module.define(`unpack${letter}`, ["i32", "i32", "i32"], [], (f, dst, source, quads) => {
    const halves = writer.halves(f, field);
    const parts = halves.map((fq) => ({ fq, x: fq.variable(), words: f.locals("v128", WORDS) }));
    f.loop(
      () => {
        for (const { fq, x, words } of parts) {
          words.forEach((word, w) => {
            const offset = 2 * INTEGER_BYTES * fq.half + 8 * w;
            f.set(word, twoIntegers(source, source, offset, offset + INTEGER_BYTES));
          });
          fq.unpack(x, words);
          fq.reduce(x);
          fq.store(dst, 0, x);
        }
        f.advance(dst, quad);
        f.advance(source, 4 * INTEGER_BYTES);
        f.advance(quads, -1);
      },
      () => quads,
    );
  });

  /**
   * gather(dst, integers, indices, quads): limbs of integers[indices[i]] (u32), i < 4 * quads, as
   * unpacking gives them: good for one product.
   */
  module.define(
    `gather${letter}`,
    ["i32", "i32", "i32", "i32"],
    [],
    (f, dst, source, list, quads) => {
      const halves = writer.halves(f, field);
      const low = f.local("i32");
      const high = f.local("i32");
      const parts = halves.map((fq) => ({ fq, x: fq.variable(), words: f.locals("v128", WORDS) }));
      const address = (offset: number) =>
        i32.add(source, i32.shl(i32.load(list, offset), i32.const(5)));
      f.loop(
        () => {
          for (const { fq, x, words } of parts) {
            f.set(low, address(8 * fq.half));
            f.set(high, address(8 * fq.half + 4));
            words.forEach((word, w) => {
              f.set(word, twoIntegers(low, high, 8 * w, 8 * w));
            });
            fq.unpack(x, words);
            fq.store(dst, 0, x);
          }
          f.advance(dst, quad);
          f.advance(list, 16);
          f.advance(quads, -1);
        },
        () => quads,
      );
    },
  );

  /**
   * pack(integers, quads, n): the canonical integers of n numbers in consecutive lanes.
   * Values below 2 p in size: 2 p is added, then p subtracted up to three times.
   */
  module.define(`pack${letter}`, ["i32", "i32", "i32"], [], (f, dst, source, n) => {
    const { limbs, limbBits, modulus } = field;
    const bits = BigInt(limbBits);
    const limb = f.locals("i64", limbs);
    const less = f.locals("i64", limbs);
    const mask = i64.const((1n << bits) - 1n);
    const unsignedLimbs = Array.from({ length: limbs }, (_, i) =>
      i < limbs - 1
        ? BigInt.asUintN(limbBits, modulus >> (bits * BigInt(i)))
        : modulus >> (bits * BigInt(i)),
    );
    const propagate = (x: readonly Local<"i64">[]) => {
      for (let i = 0; i < limbs - 1; i++) {
        f.set(at(x, i + 1), i64.add(at(x, i + 1), i64.shrS(at(x, i), i64.const(bits))));
        f.set(at(x, i), i64.and(at(x, i), mask));
      }
    };
    f.loop(
      () => {
        limb.forEach((x, i) => {
          const twice = i64.const(2n * at(unsignedLimbs, i));
          f.set(x, i64.add(field.loadLimb(source, LIMB_STRIDE * i), twice));
        });
        propagate(limb);
        for (let round = 0; round < 3; round++) {
          less.forEach((x, i) => {
            f.set(x, i64.sub(at(limb, i), i64.const(at(unsignedLimbs, i))));
          });
          propagate(less);
          const isSmaller = i64.ltS(at(less, limbs - 1), i64.const(0n));
          f.if(i32.eqz(isSmaller), () => {
            limb.forEach((x, i) => {
              f.set(x, at(less, i));
            });
          });
        }
        for (let w = 0; w < WORDS; w++) f.do(i64.store(dst, wordOf(limb, limbBits, w), 8 * w));
        f.advance(dst, INTEGER_BYTES);
        const isLast = i32.eq(i32.and(source, i32.const(24)), i32.const(24));
        f.set(source, i32.add(source, select(isLast, i32.const(quad - 24), i32.const(8))));
        f.advance(n, -1);
      },
      () => n,
    );
  });
}

/** Bits 64 w to 64 w + 63 of normalised limbs. */
function wordOf(limbs: readonly Local<"i64">[], limbBits: number, w: number): Expr<"i64"> {
  let word: Expr<"i64"> | undefined;
  limbs.forEach((limb, i) => {
    const shift = limbBits * i - 64 * w;
    if (shift >= 64 || shift + limbBits <= 0) return;
    const part =
      shift >= 0
        ? i64.shl(limb, i64.const(BigInt(shift)))
        : i64.shrU(limb, i64.const(BigInt(-shift)));
    word = word === undefined ? part : i64.or(word, part);
  });
  return word as Expr<"i64">;
}

function twoIntegers(
  low: Expr<"i32">,
  high: Expr<"i32">,
  lowOffset: number,
  highOffset: number,
): Expr<"v128"> {
  return v128.load64Lane(high, v128.load64Zero(low, lowOffset), 1, highOffset);
}

function pair<T>(parts: readonly T[]): readonly [T, T] {
  return [parts[0] as T, parts[1] as T];
}

function at<T>(items: readonly T[], i: number): T {
  return items[i] as T;
}
