/**
 * Additions of points on y^2 = x^3 + b, many at a time, in affine coordinates with one shared
 * inversion (Montgomery's trick), over Fq (degree 1: G1) or Fq2 = Fq[u]/(u^2 + 1) (degree 2: G2).
 *
 *     lambda = (y2 - y1) / (x2 - x1),  x3 = lambda^2 - x1 - x2,  y3 = lambda (x1 - x3) - y1
 *
 * An addition costs one squaring and five multiplications, three of them for its share of the
 * inversion; projective formulas need eleven. The steps are kernels of their own, because moving
 * points around and computing with them ask for opposite kinds of code:
 *
 *     gather    points from their records into blocks of four additions: {x1, y1, D, N}
 *               with D = x2 - x1, N = y2 - y1 (`gather.ts`)
 *     forward   running products of the D, one chain for each of the four lanes
 *     (inverse) of the four products: elsewhere
 *     backward  from the last block to the first: 1/D, lambda, x3, y3
 *
 * A point comes in two forms. **Packed**: x, y (for G2 x0, x1, y0, y1) as 4 x 64 bits each,
 * little-endian, Montgomery form in the field's radix, below p: one cache line in G1, two in G2; this
 * is how a key is kept. **Lane**: one of the four lanes of a *block* {x, y} of quads, which is how
 * `backward` leaves its results and how the next round of additions finds them. A lane's address is
 * the block's plus 8 * lane, so that limb i of a coordinate is 32 i bytes on.
 *
 * An *entry* of a list is a packed point's address with the sign in bit 0 (addresses are multiples of
 * 64), or a lane's address.
 *
 * No kernel here looks whether D is 0: the driver sees it in the inverse (`msm.ts`).
 *
 * **Bounds** of values, in units of q, by the narrower of the two representations (`fma-field.ts`: a
 * product is at most 0.38 |a| |b| + 0.5, and may be 2.6). In Fq, |D| <= 1.5 (a packed x and a lane's)
 * gives running products of 1.17 and inverses of 1.02, so that with |N| <= 2 lambda is at most 1.28
 * and x3 3.2 before it is reduced. In Fq2 the sizes are those of complex numbers, a product at most
 * 0.38 |a| |b| + 0.71 and each of its parts 0.38 |a| |b| + 0.5: |D| <= 0.71 (reduced, without which
 * this would not close) gives 0.97 and 1.07, with |N| <= 2.83 lambda 1.85, its square's parts 1.8,
 * and x3's 4.3.
 */
import { type FunctionWriter, i32, i64 } from "./emitter.ts";
import { Extension } from "./extension.ts";
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
  /** A block of four additions {x1, y1, D, N}. */
  readonly sums: number;
}

export function pointSizes(field: VectorField, degree: Degree): PointSizes {
  const quad = degree * field.limbs * LIMB_STRIDE;
  return { packed: 64 * degree, quad, block: 2 * quad, sums: 4 * quad };
}

/** Lanes in a quad. */
const LANES = 4;

/**
 * Writes the kernels of one group into a module; their names end in the degree.
 *
 * @param long  The field for kernels of many products, if another (`calledField`) suits them better.
 */
export function writeCurveKernels(
  writer: KernelWriter,
  field: VectorField,
  degree: Degree,
  long = field,
): void {
  const { quad, block, sums } = pointSizes(field, degree);
  const { module } = writer;
  const componentBytes = field.limbs * LIMB_STRIDE;
  const halvesOf = (f: FunctionWriter, over = field): readonly [Extension, Extension] => {
    const [low, high] = writer.halves(f, over);
    return [
      new Extension(low, degree, componentBytes),
      new Extension(high, degree, componentBytes),
    ];
  };

  /**
   * products(d, products, chain, quads): the running products of `forward` over quads alone; in Fq2
   * reduced ones, as `forward` leaves them.
   */
  module.define(
    `products${degree}`,
    ["i32", "i32", "i32", "i32"],
    [],
    (f, d, products, chain, quads) => {
      const parts = pairOf(halvesOf(f), (x) => ({ x, running: x.variable(), next: x.variable() }));
      f.loop(
        () => {
          writer.forHalves(f, parts, ({ x, running, next }) => {
            x.set(running, x.load(chain, 0));
            x.mul(next, x.load(d, 0), running);
            x.store(products, 0, running);
            x.store(chain, 0, next);
          });
          for (const pointer of [d, products]) f.advance(pointer, quad);
          f.advance(quads, -1);
        },
        () => quads,
      );
    },
  );

  /**
   * forward(sums, products, chain, quads): products[i] = D_0 ... D_(i-1) times what `chain` (a
   * coordinate quad) held, lane by lane; chain = the whole product.
   *
   * In Fq2 a difference is reduced first and written back: there a product of two unreduced values
   * would add up to more than the bounds allow over a chain.
   */
  module.define(
    `forward${degree}`,
    ["i32", "i32", "i32", "i32"],
    [],
    (f, buffer, products, chain, quads) => {
      const parts = pairOf(halvesOf(f), (x) => ({
        x,
        running: x.variable(),
        d: x.variable(),
        next: x.variable(),
      }));
      f.loop(
        () => {
          writer.forHalves(f, parts, ({ x, running, d, next }) => {
            x.set(running, x.load(chain, 0));
            const inMemory = x.load(buffer, 2 * quad);
            if (degree === 2) {
              x.set(d, inMemory);
              x.reduce(d);
            }
            x.mul(next, degree === 2 ? d : inMemory, running);
            if (degree === 2) x.store(buffer, 2 * quad, d);
            x.store(products, 0, running);
            x.store(chain, 0, next);
          });
          f.advance(buffer, sums);
          f.advance(products, quad);
          f.advance(quads, -1);
        },
        () => quads,
      );
    },
  );

  /**
   * backward(sums, products, chain, blocks, quads): pointers to the ends; goes down to the starts.
   * `chain` holds the inverse of the whole product. Blocks receive the sums {x3, y3}.
   *
   * `backwardDouble` is the same for blocks that `tangent` made: there x2 = x1.
   *
   * (Touching the next batch's points in here was tried, to hide their misses behind arithmetic: it
   * is 10 % slower, because a load that waits keeps what follows it from retiring.)
   */
  for (const isDouble of [false, true]) {
    module.define(
      `${isDouble ? "backwardDouble" : "backward"}${degree}`,
      ["i32", "i32", "i32", "i32", "i32"],
      [],
      (f, buffer, products, chain, out, quads) => {
        const parts = pairOf(halvesOf(f, long), (x) => ({
          x,
          running: x.variable(),
          inverse: x.variable(),
          lambda: x.variable(),
          x3: x.variable(),
          next: x.variable(),
          y3: x.variable(),
        }));
        f.loop(
          () => {
            f.advance(buffer, -sums);
            f.advance(products, -quad);
            f.advance(out, -block);
            writer.forHalves(
              f,
              parts,
              ({ x, running, inverse, lambda, x3, next, y3 }) => {
                const x1 = x.load(buffer, 0);
                const d = x.load(buffer, 2 * quad);
                x.set(running, x.load(chain, 0));
                x.mul(inverse, x.load(products, 0), running);
                x.mul(next, d, running);
                x.mul(lambda, x.load(buffer, 3 * quad), inverse);
                x.square(x3, lambda);
                const rest = x.sub(x3, x.add(x1, x1));
                x.set(x3, isDouble ? rest : x.sub(rest, d));
                x.reduce(x3);
                x.set(running, x.sub(x1, x3));
                x.mul(y3, running, lambda);
                x.set(y3, x.sub(y3, x.load(buffer, quad)));
                x.reduce(y3);
                x.store(chain, 0, next);
                x.store(out, 0, x3);
                x.store(out, quad, y3);
              },
              { isLong: degree === 2 },
            );
            f.advance(quads, -1);
          },
          () => quads,
        );
      },
    );
  }

  /**
   * forwardRows(a, b, d, products, chain, quads): `forward` for blocks of points that lie in two rows,
   * lane above lane: D = x_b - x_a, which is kept in the quads at `d`.
   */
  module.define(
    `forwardRows${degree}`,
    ["i32", "i32", "i32", "i32", "i32", "i32"],
    [],
    (f, a, b, d, products, chain, quads) => {
      const parts = pairOf(halvesOf(f), (x) => ({
        x,
        running: x.variable(),
        difference: x.variable(),
        next: x.variable(),
      }));
      f.loop(
        () => {
          writer.forHalves(f, parts, ({ x, running, difference, next }) => {
            x.set(running, x.load(chain, 0));
            x.set(difference, x.load(b, 0));
            x.set(difference, x.sub(difference, x.load(a, 0)));
            if (degree === 2) x.reduce(difference);
            x.mul(next, difference, running);
            x.store(d, 0, difference);
            x.store(products, 0, running);
            x.store(chain, 0, next);
          });
          for (const pointer of [a, b]) f.advance(pointer, block);
          for (const pointer of [d, products]) f.advance(pointer, quad);
          f.advance(quads, -1);
        },
        () => quads,
      );
    },
  );

  /**
   * backwardRows(a, b, d, products, chain, quads): pointers to the ends; goes down to the starts. The
   * sums take the place of the points in row a.
   */
  module.define(
    `backwardRows${degree}`,
    ["i32", "i32", "i32", "i32", "i32", "i32"],
    [],
    (f, a, b, d, products, chain, quads) => {
      const parts = pairOf(halvesOf(f, long), (x) => ({
        x,
        running: x.variable(),
        inverse: x.variable(),
        lambda: x.variable(),
        x3: x.variable(),
        next: x.variable(),
        y3: x.variable(),
      }));
      f.loop(
        () => {
          for (const pointer of [a, b]) f.advance(pointer, -block);
          for (const pointer of [d, products]) f.advance(pointer, -quad);
          writer.forHalves(
            f,
            parts,
            ({ x, running, inverse, lambda, x3, next, y3 }) => {
              const x1 = x.load(a, 0);
              const difference = x.load(d, 0);
              x.set(running, x.load(chain, 0));
              x.mul(inverse, x.load(products, 0), running);
              x.mul(next, difference, running);
              x.set(y3, x.load(b, quad));
              x.set(y3, x.sub(y3, x.load(a, quad)));
              x.mul(lambda, y3, inverse);
              x.square(x3, lambda);
              x.set(x3, x.sub(x.sub(x3, x.add(x1, x1)), difference));
              x.reduce(x3);
              x.set(running, x.sub(x1, x3));
              x.mul(y3, running, lambda);
              x.set(y3, x.sub(y3, x.load(a, quad)));
              x.reduce(y3);
              x.store(chain, 0, next);
              x.store(a, 0, x3);
              x.store(a, quad, y3);
            },
            { isLong: degree === 2 },
          );
          f.advance(quads, -1);
        },
        () => quads,
      );
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
   * tangent(sums, quads): makes blocks of pairs of equal points into doublings: D = 2 y1,
   * N = 3 x1^2 (a = 0 in both curves). y1 is not 0: the groups have odd order.
   */
  module.define(`tangent${degree}`, ["i32", "i32"], [], (f, buffer, quads) => {
    const parts = pairOf(halvesOf(f, long), (x) => ({
      x,
      s: x.variable(),
      d: x.variable(),
    }));
    f.loop(
      () => {
        writer.forHalves(f, parts, ({ x, s, d }) => {
          x.set(d, x.load(buffer, 0));
          x.reduce(d);
          x.square(s, d);
          x.set(d, x.add(s, x.add(s, s)));
          x.reduce(d);
          x.set(s, x.load(buffer, quad));
          x.set(s, x.add(s, s));
          x.reduce(s);
          x.store(buffer, 2 * quad, s);
          x.store(buffer, 3 * quad, d);
        });
        f.advance(buffer, sums);
        f.advance(quads, -1);
      },
      () => quads,
    );
  });
}

type Pair<T> = readonly [T, T];

function pairOf<A, B>([low, high]: Pair<A>, make: (half: A) => B): Pair<B> {
  return [make(low), make(high)];
}
