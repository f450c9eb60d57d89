/**
 * Number-theoretic transforms over Fr of length n = 2^k, 8 <= n, on quads in place, and the products
 * around them in the quotient.
 *
 * The quotient takes values at the n-th roots of unity to values at the roots times a primitive root
 * of order 2n: an inverse transform, a multiplication of coefficient i by g^i / n, a transform. The
 * inverse decimates in frequency (natural order in, bit-reversed out), the other decimates in time
 * (bit-reversed in, natural out), so that no bit reversal is needed in between.
 *
 *     in frequency:  (a, b) -> (a + b, (a - b) w)       strides n/2 down to 1
 *     in time:       (a, b) -> (a + b w, a - b w)       strides 1 up to n/2
 *
 * Layers of stride 4 and more work on whole quads. The last two of the inverse, the multiplication
 * and the first two of the other stay within a quad and are one kernel, `turn`.
 *
 * **Why sums need not be reduced each time.** A multiplication returns limbs of 2^(b-1), b the limb
 * bits; sums may grow to 2^(b+1) before a product with a twiddle factor would overflow. In frequency
 * that is reducing every second layer, in time every third (there the product's operand is always
 * fresh). `reduces` decides.
 *
 * Values have no such bound in the narrower representation (`fma-field.ts`): a difference d of four
 * numbers times a factor below r gives at most 0.38 |d| + 0.5, which may be more than each of the four.
 * But the 0.5 is a digit as good as random, so that products scatter by 0.3 around 0; the 2.6 for
 * which the top digit has room would take all operands of several layers at their extremes.
 */
import type { FunctionWriter } from "./emitter.ts";
import { i32, v128 } from "./instructions.ts";
import {
  type Arithmetic,
  type Element,
  HALF_BYTES,
  type KernelWriter,
  LIMB_STRIDE,
  type VectorField,
} from "./vector-field.ts";

export function writeTransformKernels(writer: KernelWriter, field: VectorField): void {
  const { module } = writer;
  const quad = field.limbs * LIMB_STRIDE;

  for (const reduces of [false, true]) {
    /** inFrequency(a, distance, twiddles, quads): one run of butterflies (a_i, a_(i + distance)). */
    module.define(
      reduces ? "inFrequencyReduced" : "inFrequency",
      ["i32", "i32", "i32", "i32"],
      [],
      (f, a, distance, twiddles, quads) => {
        const parts = halvesOf(writer, f, field);
        const b = f.local("i32");
        f.set(b, i32.add(a, distance));
        f.loop(
          () => {
            writer.forHalves(f, parts, ({ fr, x, y, t }) => {
              // One load a statement: both limbs first, then sum and difference.
              fr.load(a, 0).forEach((limb, i) => {
                f.set(at(x, i), limb);
                f.set(at(y, i), at(fr.load(b, 0), i));
                const [sum] = fr.add([at(x, i)], [at(y, i)]) as [Element[number]];
                f.set(t, sum);
                const [difference] = fr.sub([at(x, i)], [at(y, i)]) as [Element[number]];
                f.set(at(y, i), difference);
                f.set(at(x, i), t);
              });
              if (reduces) fr.reduce(x);
              fr.mul(y, y, fr.load(twiddles, 0));
              fr.store(a, 0, x);
              fr.store(b, 0, y);
            });
            for (const pointer of [a, b, twiddles]) f.advance(pointer, quad);
            f.advance(quads, -1);
          },
          () => quads,
        );
      },
    );

    /** inTime(a, distance, twiddles, quads) */
    module.define(
      reduces ? "inTimeReduced" : "inTime",
      ["i32", "i32", "i32", "i32"],
      [],
      (f, a, distance, twiddles, quads) => {
        const parts = halvesOf(writer, f, field);
        const b = f.local("i32");
        f.set(b, i32.add(a, distance));
        f.loop(
          () => {
            writer.forHalves(f, parts, ({ fr, x, y, z }) => {
              fr.mul(z, fr.load(b, 0), fr.load(twiddles, 0));
              fr.load(a, 0).forEach((limb, i) => {
                f.set(at(x, i), at(fr.add([limb], [at(z, i)]), 0));
                f.set(at(y, i), at(fr.sub([limb], [at(z, i)]), 0));
              });
              if (reduces) {
                fr.reduce(x);
                fr.reduce(y);
              }
              fr.store(a, 0, x);
              fr.store(b, 0, y);
            });
            for (const pointer of [a, b, twiddles]) f.advance(pointer, quad);
            f.advance(quads, -1);
          },
          () => quads,
        );
      },
    );
  }

  /**
   * turn(a, factors, inverseRoot, root, quads): within each quad the inverse's layers of strides 2
   * and 1, times the factors (in the same order), the other transform's layers of strides 1 and 2.
   * `inverseRoot` and `root` are quads whose lanes 0 and 1 are 1 and the fourth root of unity.
   */
  module.define(
    "turn",
    ["i32", "i32", "i32", "i32", "i32"],
    [],
    (f, a, factors, inverseRoot, root, quads) => {
      const [fr] = writer.halves(f, field);
      const [fr2] = [writer.halves(f, field)[1]];
      const [s, d, t] = [fr.variable(), fr.variable(), fr.variable()];
      const loadHalf = (half: Arithmetic) => half.load(a, 0);
      f.loop(
        () => {
          // strides 2, then 1
          fr.set(s, fr.add(loadHalf(fr), loadHalf(fr2)));
          fr.set(d, fr.sub(loadHalf(fr), loadHalf(fr2)));
          fr.mul(d, d, fr.load(inverseRoot, 0));
          fr.set(t, fr.butterfly(s));
          fr.reduce(t);
          fr.mul(s, t, fr.load(factors, 0));
          fr.set(t, fr.butterfly(d));
          fr.reduce(t);
          fr.mul(d, t, fr2.load(factors, 0));
          // strides 1, then 2
          fr.set(t, fr.butterfly(d));
          fr.mul(d, t, fr.load(root, 0));
          fr.set(t, fr.butterfly(s));
          fr.set(s, fr.add(t, d));
          fr.set(t, fr.sub(t, d));
          fr.reduce(s);
          fr.reduce(t);
          fr.store(a, 0, s);
          t.forEach((limb, i) => {
            f.do(v128.store(a, limb, HALF_BYTES + LIMB_STRIDE * i));
          });
          f.advance(a, quad);
          f.advance(factors, quad);
          f.advance(quads, -1);
        },
        () => quads,
      );
    },
  );

  /** quotient(dst, a, b, c, quads): dst = (a b - c) out of Montgomery form: x R becomes x. */
  module.define("quotient", ["i32", "i32", "i32", "i32", "i32"], [], (f, dst, a, b, c, quads) => {
    const parts = halvesOf(writer, f, field);
    const one = field.limbsOf(1n);
    f.loop(
      () => {
        writer.forHalves(f, parts, ({ fr, x, y }) => {
          fr.mul(x, fr.load(a, 0), fr.load(b, 0));
          fr.set(y, fr.sub(x, fr.load(c, 0)));
          fr.mul(
            x,
            y,
            one.map((bits) => writer.constants.vector(bits, fr.half)),
          );
          fr.store(dst, 0, x);
        });
        for (const pointer of [dst, a, b, c]) f.advance(pointer, quad);
        f.advance(quads, -1);
      },
      () => quads,
    );
  });

  /** evens(dst, source, quads): dst_i = source_(2 i), for tables of twiddle factors. */
  module.define("evens", ["i32", "i32", "i32"], [], (f, dst, source, quads) => {
    f.loop(
      () => {
        for (let i = 0; i < field.limbs; i++) {
          for (const half of [0, 1]) {
            const from = quad * half + LIMB_STRIDE * i;
            const pair = v128.shuffle64(
              v128.load(source, from),
              v128.load(source, from + HALF_BYTES),
              0,
              2,
            );
            f.do(v128.store(dst, pair, LIMB_STRIDE * i + HALF_BYTES * half));
          }
        }
        f.advance(dst, quad);
        f.advance(source, 2 * quad);
        f.advance(quads, -1);
      },
      () => quads,
    );
  });
}

function halvesOf(writer: KernelWriter, f: FunctionWriter, field: VectorField) {
  const [low, high] = writer.halves(f, field);
  const part = (fr: Arithmetic) => ({
    fr,
    x: fr.variable(),
    y: fr.variable(),
    z: fr.variable(),
    t: f.local("v128"),
  });
  return [part(low), part(high)] as const;
}

function at<T>(items: readonly T[], i: number): T {
  return items[i] as T;
}
