/**
 * Additions of points on y^2 = x^3 + b, many at a time, in affine coordinates with one shared
 * inversion (Montgomery's trick), over Fq (degree 1: G1) or Fq2 = Fq[u]/(u^2 + 1) (degree 2: G2).
 *
 *     lambda = (y2 - y1) / (x2 - x1),  x3 = lambda^2 - x1 - x2,  y3 = lambda (x1 - x3) - y1
 *
 * An addition costs one squaring and five multiplications, three of them for its share of the
 * inversion; projective formulas need eleven. The steps are loops of their own: each is short enough
 * for the processor to keep its decoded instructions, and has independent products to compute side by
 * side, where whole additions, one after the other, would wait for their own results.
 *
 *     gather    points from their records into blocks of four additions {x1, y1, D, y2}, with
 *               D = x2 - x1 (`gather.ts`); or `differences` of points that lie in two rows
 *     forward   running products of the D, a chain for each lane
 *     (inverse) of the chains' ends: elsewhere
 *     unwind    from the last D to the first: 1/D in the place of the running product
 *     finish    lambda in the place of 1/D; x3; y3
 *
 * A point comes in two forms. **Packed**: x, y (for G2 x0, x1, y0, y1) as 4 x 64 bits each,
 * little-endian, Montgomery form in the field's radix, below p: one cache line in G1, two in G2; this
 * is how a key is kept. **Lane**: one of the four lanes of a *block* {x, y} of quads, which is how
 * `finish` leaves its results and how the next round of additions finds them. A lane's address is
 * the block's plus 8 * lane, so that limb i of a coordinate is 32 i bytes on.
 *
 * An *entry* of a list is a packed point's address with the sign in bit 0 (addresses are multiples of
 * 64), or a lane's address.
 *
 * In G1 two quads are handled at once, with a chain for each of their eight lanes; in Fq2, where a
 * product is two already, one. Any number of quads will do: an odd one goes by itself, before the
 * pairs on the way up and after them on the way down, so that each quad meets the same chain twice.
 *
 * No kernel here looks whether D is 0: the driver sees it in the inverse (`batch-additions.ts`).
 *
 * **Bounds** of values, in units of q, by the narrower of the two representations (`fma-field.ts`: a
 * product is at most 0.38 |a| |b| + 0.5, and may be 2.6). In Fq, |D| <= 1.5 (a packed x and a lane's)
 * gives running products of 1.17 and inverses of 1.02, so that with |N| <= 2 lambda is at most 1.28
 * and x3 3.2 before it is reduced. In Fq2 the sizes are those of complex numbers, a product at most
 * 0.38 |a| |b| + 0.71 and each of its parts 0.38 |a| |b| + 0.5: |D| <= 0.71 (reduced, without which
 * this would not close) gives 0.97 and 1.07, with |N| <= 2.83 lambda 1.85, its square's parts 1.8,
 * and x3's 4.3.
 */
import type { FunctionWriter } from "./emitter.ts";
import { type CoordinateVariable, Extension } from "./extension.ts";
import { type Expr, i32, i64, type Local } from "./instructions.ts";
import { type KernelWriter, LIMB_STRIDE, type VectorField } from "./vector-field.ts";

export type Degree = 1 | 2;

/** Sizes in bytes that follow from a field and a degree. */
export interface PointSizes {
  /** A packed point. */
  readonly packed: number;
  /** A quad of coordinates: limbs x 32 B for each component. */
  readonly quad: number;
  /** A block of four points {x, y}. */
  readonly block: number;
  /** A block of four additions {x1, y1, D, y2}. */
  readonly sums: number;
  /** The chains' running products. */
  readonly chain: number;
}

export function pointSizes(field: VectorField, degree: Degree): PointSizes {
  const quad = degree * field.limbs * LIMB_STRIDE;
  return {
    packed: 64 * degree,
    quad,
    block: 2 * quad,
    sums: 4 * quad,
    chain: quadsAtOnce(degree) * quad,
  };
}

/** Quads that a round of a loop handles. */
function quadsAtOnce(degree: Degree): number {
  return degree === 1 ? 2 : 1;
}

/** Lanes in a quad. */
const LANES = 4;

/** Writes the kernels of one group into a module; their names end in the degree. */
export function writeCurveKernels(writer: KernelWriter, field: VectorField, degree: Degree): void {
  const { quad, block, sums } = pointSizes(field, degree);
  const { module } = writer;
  const componentBytes = field.limbs * LIMB_STRIDE;
  const atOnce = quadsAtOnce(degree);
  const halvesOf = (f: FunctionWriter): readonly [Extension, Extension] => {
    const [low, high] = writer.halves(f, field);
    return [
      new Extension(low, degree, componentBytes),
      new Extension(high, degree, componentBytes),
    ];
  };
  /** Variables of two halves, for each of the quads that are handled at once. */
  const roomFor = <Name extends string>(f: FunctionWriter, ...names: readonly Name[]) =>
    pairOf(halvesOf(f), (x) => ({
      x,
      quads: Array.from({ length: atOnce }, (_, index) => ({
        index,
        ...(Object.fromEntries(names.map((name) => [name, x.variable()])) as Record<
          Name,
          CoordinateVariable
        >),
      })),
    }));
  /** Writes one round of a loop for the first `count` of these quads. */
  const round = <Q>(
    f: FunctionWriter,
    halves: Pair<{ readonly x: Extension; readonly quads: readonly Q[] }>,
    count: number,
    write: (x: Extension, quads: readonly Q[]) => void,
  ) => {
    const isLong = degree === 2;
    writer.forHalves(f, halves, ({ x, quads }) => write(x, quads.slice(0, count)), { isLong });
  };
  /** A loop upwards over quads; pointers and what they advance by with each quad. */
  const upwards = (
    f: FunctionWriter,
    quads: Local<"i32">,
    pointers: readonly (readonly [Local<"i32">, Stride])[],
    write: (count: number) => void,
  ) => {
    const left = f.local("i32");
    const step = (count: number) => {
      write(count);
      for (const [pointer, stride] of pointers)
        f.set(pointer, i32.add(pointer, times(stride, count)));
      f.advance(left, -count);
    };
    f.set(left, quads);
    if (atOnce === 2) f.if(i32.and(left, i32.const(1)), () => step(1));
    f.while(
      () => left,
      () => step(atOnce),
    );
  };
  /** The same downwards, from the ends; rounds are those of `upwards`, the other way round. */
  const downwards = (
    f: FunctionWriter,
    quads: Local<"i32">,
    pointers: readonly (readonly [Local<"i32">, Stride])[],
    write: (count: number) => void,
  ) => {
    const left = f.local("i32");
    const step = (count: number) => {
      for (const [pointer, stride] of pointers)
        f.set(pointer, i32.sub(pointer, times(stride, count)));
      write(count);
      f.advance(left, -count);
    };
    f.set(left, quads);
    f.while(
      () => (atOnce === 2 ? i32.gtU(left, i32.const(1)) : left),
      () => step(atOnce),
    );
    if (atOnce === 2) f.if(left, () => step(1));
  };

  /** differences(a, b, d, quads): D = x_b - x_a of blocks in two rows, lane above lane. */
  module.define(`differences${degree}`, ["i32", "i32", "i32", "i32"], [], (f, a, b, d, quads) => {
    const parts = pairOf(halvesOf(f), (x) => ({ x, difference: x.variable() }));
    f.loop(
      () => {
        writer.forHalves(f, parts, ({ x, difference }) => {
          x.set(difference, x.load(b, 0));
          x.set(difference, x.sub(difference, x.load(a, 0)));
          x.store(d, 0, difference);
        });
        for (const pointer of [a, b]) f.advance(pointer, block);
        f.advance(d, quad);
        f.advance(quads, -1);
      },
      () => quads,
    );
  });

  /**
   * forward(d, stride, products, chain, quads): products[i] = D_0 ... D_(i-1) times what `chain`
   * held, lane by lane; chain = the whole product. The quads D_i are `stride` bytes apart.
   *
   * In Fq2 a difference is reduced first and written back: there a product of two unreduced values
   * would add up to more than the bounds allow over a chain.
   */
  module.define(
    `forward${degree}`,
    ["i32", "i32", "i32", "i32", "i32"],
    [],
    (f, d, stride, products, chain, quads) => {
      const parts = roomFor(f, "running", "difference", "next");
      const pointers = [[d, stride] as const, [products, quad] as const];
      upwards(f, quads, pointers, (count) => {
        const ds = addresses(f, d, stride, count);
        round(f, parts, count, (x, all) => {
          for (const { index, running, difference } of all) {
            x.set(running, x.load(chain, quad * index));
            if (degree === 1) continue;
            x.set(difference, x.load(at(ds, index), 0));
            x.reduce(difference);
          }
          x.together(
            all.map(({ index, running, difference, next }) => ({
              dst: next,
              a: degree === 1 ? x.load(at(ds, index), 0) : difference,
              b: running,
            })),
          );
          for (const { index, running, difference, next } of all) {
            if (degree === 2) x.store(at(ds, index), 0, difference);
            x.store(products, quad * index, running);
            x.store(chain, quad * index, next);
          }
        });
      });
    },
  );

  /**
   * unwind(d, stride, products, chain, quads): pointers to the ends; goes down to the starts. `chain`
   * holds the inverse of what `forward` left there. products[i] = 1 / D_i.
   */
  module.define(
    `unwind${degree}`,
    ["i32", "i32", "i32", "i32", "i32"],
    [],
    (f, d, stride, products, chain, quads) => {
      const parts = roomFor(f, "running", "inverse", "next");
      const pointers = [[d, stride] as const, [products, quad] as const];
      downwards(f, quads, pointers, (count) => {
        const ds = addresses(f, d, stride, count);
        round(f, parts, count, (x, all) => {
          for (const { index, running } of all) x.set(running, x.load(chain, quad * index));
          x.together([
            ...all.map(({ index, running, inverse }) => ({
              dst: inverse,
              a: x.load(products, quad * index),
              b: running,
            })),
            ...all.map(({ index, running, next }) => ({
              dst: next,
              a: x.load(at(ds, index), 0),
              b: running,
            })),
          ]);
          for (const { index, inverse, next } of all) {
            x.store(products, quad * index, inverse);
            x.store(chain, quad * index, next);
          }
        });
      });
    },
  );

  /**
   * finish(first, y2, stride, d, dStride, inverses, out, quads): the sums {x3, y3}, in blocks.
   *
   * @param first     the points {x1, y1}, `stride` bytes apart. `out` may be the same, with a block's
   *   stride.
   * @param y2        of the second points, also `stride` bytes apart
   * @param d         the differences, `dStride` bytes apart; 0 for doublings, whose x2 is x1. Lost.
   * @param inverses  1 / D, a quad's size apart. Lost.
   */
  module.define(
    `finish${degree}`,
    ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"],
    [],
    (f, first, y2, stride, d, dStride, inverses, out, quads) => {
      const parts = roomFor(f, "one", "other");
      const starts = [first, d, inverses, out].map((pointer) => [pointer, f.local("i32")] as const);
      for (const [pointer, start] of starts) f.set(start, pointer);
      const rewind = () => {
        for (const [pointer, start] of starts) f.set(pointer, start);
      };

      // lambda = (y2 - y1) / D
      const points = [[first, stride] as const, [inverses, quad] as const];
      upwards(f, quads, [...points, [y2, stride]], (count) => {
        const firsts = addresses(f, first, stride, count);
        const seconds = addresses(f, y2, stride, count);
        round(f, parts, count, (x, all) => {
          for (const { index, one } of all) {
            x.set(one, x.load(at(seconds, index), 0));
            x.set(one, x.sub(one, x.load(at(firsts, index), quad)));
          }
          x.together(
            all.map(({ index, one, other }) => ({
              dst: other,
              a: one,
              b: x.load(inverses, quad * index),
            })),
          );
          for (const { index, other } of all) x.store(inverses, quad * index, other);
        });
      });

      // x3 = lambda^2 - 2 x1 - D, and x1 - x3 in the place of D
      rewind();
      upwards(f, quads, [...points, [d, dStride], [out, block]], (count) => {
        const firsts = addresses(f, first, stride, count);
        const ds = addresses(f, d, dStride, count);
        round(f, parts, count, (x, all) => {
          for (const { index, one } of all) x.set(one, x.load(inverses, quad * index));
          x.together(all.map(({ one, other }) => ({ dst: other, square: one })));
          for (const { index, other } of all) {
            const x1 = x.load(at(firsts, index), 0);
            x.set(other, x.sub(x.sub(other, x.add(x1, x1)), x.load(at(ds, index), 0)));
          }
          x.reduce(...all.map(({ other }) => other));
          for (const { index, one, other } of all) {
            x.set(one, x.sub(x.load(at(firsts, index), 0), other));
          }
          for (const { index, one, other } of all) {
            x.store(at(ds, index), 0, one);
            x.store(out, block * index, other);
          }
        });
      });

      // y3 = lambda (x1 - x3) - y1
      rewind();
      upwards(f, quads, [...points, [d, dStride], [out, block]], (count) => {
        const firsts = addresses(f, first, stride, count);
        const ds = addresses(f, d, dStride, count);
        round(f, parts, count, (x, all) => {
          for (const { index, one } of all) x.set(one, x.load(inverses, quad * index));
          x.together(
            all.map(({ index, one, other }) => ({
              dst: other,
              a: x.load(at(ds, index), 0),
              b: one,
            })),
          );
          for (const { index, other } of all) {
            x.set(other, x.sub(other, x.load(at(firsts, index), quad)));
          }
          x.reduce(...all.map(({ other }) => other));
          for (const { index, other } of all) x.store(out, block * index + quad, other);
        });
      });
    },
  );

  /**
   * findZeros(d, stride, quads, list) -> count. Which of 4 * quads differences, in quads `stride`
   * bytes apart, may be 0 mod p, as indices (u32): those whose top limbs are within 4 of a multiple
   * -2 .. 2 of p's. All others are certainly not 0.
   */
  module.define(
    `findZeros${degree}`,
    ["i32", "i32", "i32", "i32"],
    ["i32"],
    (f, d, stride, quads, list) => {
      const index = f.local("i32");
      const listBase = f.local("i32");
      const top = f.local("i64");
      const near = f.local("i32");
      f.set(listBase, list);
      const modulusTop = field.modulus >> BigInt(field.limbBits * (field.limbs - 1));
      f.loop(
        () => {
          for (let lane = 0; lane < LANES; lane++) {
            for (let c = 0; c < degree; c++) {
              const offset = c * componentBytes + LIMB_STRIDE * (field.limbs - 1);
              f.set(top, field.loadLimb(d, offset + 8 * lane));
              const isNear = [-2n, -1n, 0n, 1n, 2n]
                .map((k) => i64.ltU(i64.sub(top, i64.const(k * modulusTop - 4n)), i64.const(9n)))
                .reduce((one, other) => i32.or(one, other));
              f.set(near, c === 0 ? isNear : i32.and(near, isNear));
            }
            f.if(near, () => {
              f.do(i32.store(list, i32.add(index, i32.const(lane))));
              f.advance(list, 4);
            });
          }
          f.advance(index, LANES);
          f.set(d, i32.add(d, stride));
          f.advance(quads, -1);
        },
        () => quads,
      );
      f.result(i32.shrU(i32.sub(list, listBase), i32.const(2)));
    },
  );

  if (degree === 2) {
    /** norm2(dst, a): dst = a0^2 + a1^2, one quad. */
    module.define("norm2", ["i32", "i32"], [], (f, dst, a) => {
      const parts = pairOf(writer.halves(f, field), (fq) => ({ fq, r: fq.variable() }));
      writer.forHalves(f, parts, ({ fq, r }) => {
        const [a0, a1] = [fq.load(a, 0), fq.load(a, componentBytes)];
        fq.mulSum(r, a0, a0, a1, a1);
        fq.store(dst, 0, r);
      });
    });

    /** conjugate2(a, factor): a = (a0 factor, -a1 factor), one quad: the inverse, from 1 / norm. */
    module.define("conjugate2", ["i32", "i32"], [], (f, a, factor) => {
      const parts = pairOf(writer.halves(f, field), (fq) => ({
        fq,
        r: fq.variable(),
        s: fq.variable(),
      }));
      writer.forHalves(f, parts, ({ fq, r, s }) => {
        fq.mul(r, fq.load(a, 0), fq.load(factor, 0));
        fq.mul(s, fq.load(a, componentBytes), fq.load(factor, 0));
        fq.set(s, fq.neg(s));
        fq.store(a, 0, r);
        fq.store(a, componentBytes, s);
      });
    });
  }

  /**
   * tangent(sums, quads): makes blocks of pairs of equal points into doublings: D = 2 y1, and a second
   * y that is 3 x1^2 more than y1 (a = 0 in both curves). y1 is not 0: the groups have odd order.
   */
  module.define(`tangent${degree}`, ["i32", "i32"], [], (f, buffer, quads) => {
    const parts = pairOf(halvesOf(f), (x) => ({ x, s: x.variable(), d: x.variable() }));
    f.loop(
      () => {
        writer.forHalves(
          f,
          parts,
          ({ x, s, d }) => {
            x.set(d, x.load(buffer, 0));
            x.reduce(d);
            x.square(s, d);
            x.set(d, x.add(s, x.add(s, s)));
            x.reduce(d);
            x.set(d, x.add(d, x.load(buffer, quad)));
            x.set(s, x.load(buffer, quad));
            x.set(s, x.add(s, s));
            x.reduce(s);
            x.store(buffer, 2 * quad, s);
            x.store(buffer, 3 * quad, d);
          },
          { isLong: degree === 2 },
        );
        f.advance(buffer, sums);
        f.advance(quads, -1);
      },
      () => quads,
    );
  });
}

/** Bytes from one quad to the next: known here, or by a parameter. */
type Stride = number | Local<"i32">;

function times(stride: Stride, count: number): Expr<"i32"> {
  if (typeof stride === "number") return i32.const(stride * count);
  return count === 1 ? stride : i32.add(stride, stride);
}

/** The pointer, and what lies one stride on, in locals. */
function addresses(
  f: FunctionWriter,
  pointer: Local<"i32">,
  stride: Local<"i32">,
  count: number,
): readonly Local<"i32">[] {
  if (count === 1) return [pointer];
  const next = f.local("i32");
  f.set(next, i32.add(pointer, stride));
  return [pointer, next];
}

function at<T>(items: readonly T[], i: number): T {
  return items[i] as T;
}

type Pair<T> = readonly [T, T];

function pairOf<A, B>([low, high]: Pair<A>, make: (half: A) => B): Pair<B> {
  return [make(low), make(high)];
}
