/**
 * Points on their way from a key's file into memory: out of the file's form into the resident one,
 * and whether they are points of the curve.
 *
 * A file has coordinates times 2^256 mod q, 32 B each, little-endian; a packed point (`curve.ts`) has
 * them times R mod q. R is a power of two not far from 2^256, so the way from one to the other is a
 * few halvings or doublings mod q in four 64-bit words: a fifth of what unpacking, multiplying and
 * packing costs.
 *
 * The curve's equation is looked at for all points of a piece at once. With
 *
 *     d_i = y_i^2 - x_i^3 - b
 *
 * and rho a number that was drawn after the points were fixed, `onCurve` computes, in each of four
 * lanes, the sum of d_i rho^(n-1-i) by Horner's rule. If all d_i are 0, so is the sum. If not, it is a
 * polynomial in rho that is not the zero polynomial, of degree below n, and it is 0 for less than n of
 * the q values that rho may have: for n = 2^20 in one of 2^233 cases. One comparison for thousands of
 * points replaces thousands of exact ones, which would need canonical numbers.
 *
 * Twins: test/worker/kernels/key-points.test.ts.
 */
import { FQ2 } from "../curve.ts";
import { BASE_FIELD } from "../field.ts";
import { type Degree, pointSizes } from "./curve.ts";
import type { FunctionWriter } from "./emitter.ts";
import { type Expr, i32, i64, type Local, select, v128 } from "./instructions.ts";
import {
  type Arithmetic,
  type Element,
  type KernelWriter,
  LIMB_STRIDE,
  type Variable,
  type VectorField,
} from "./vector-field.ts";

/** Words of a coordinate's component. */
const WORDS = 4;
const COMPONENT_BYTES = 8 * WORDS;
const LANES = 4;
/** Factor 2^256 of the file's coordinates. */
const FILE_RADIX_LOG = 256;

/** The curve's constant b by components: 3 in G1, 3 / (9 + u) in G2. */
export function curveConstant(degree: Degree): readonly bigint[] {
  return degree === 1 ? [3n] : FQ2.multiply([3n, 0n], FQ2.invert([9n, 1n]));
}

/** Bytes of `onCurve`'s state: a sum for each component, then the challenge, a quad each. */
export function curveStateBytes(field: VectorField, degree: Degree): number {
  return (degree + 1) * field.limbs * LIMB_STRIDE;
}

/** Writes the kernels of one group; their names end in the degree. @param field  over q */
export function writeKeyPointKernels(
  writer: KernelWriter,
  field: VectorField,
  degree: Degree,
): void {
  const { module } = writer;
  const { packed, block } = pointSizes(field, degree);
  const componentBytes = field.limbs * LIMB_STRIDE;
  const doublings = Math.log2(Number(field.radix >> 200n)) + 200 - FILE_RADIX_LOG;

  /**
   * admit(source, n, points, map, first) -> count, n >= 1. Of n points in the file's form, those that
   * are not infinity (all zero) become packed points, one after the other, and their numbers, counted
   * from `first`, are written to `map` (u32). `points` may be `source`.
   *
   * Returns -1 - i, with the rest undefined, if point i is the first with a coordinate not below q.
   */
  module.define(
    `admit${degree}`,
    ["i32", "i32", "i32", "i32", "i32"],
    ["i32"],
    (f, source, n, points, map, first) => {
      const words = f.locals("i64", 2 * degree * WORDS);
      const scratch = new WordScratch(f);
      const mapStart = f.local("i32");
      const firstNumber = f.local("i32");
      const wild = f.local("i32");
      f.set(mapStart, map);
      f.set(firstNumber, first);
      f.loop(
        () => {
          words.forEach((word, w) => {
            f.set(word, i64.load(source, 8 * w));
          });
          const any = words.reduce<Expr<"i64">>((a, b) => i64.or(a, b), i64.const(0n));
          f.if(i32.eqz(i64.eqz(any)), () => {
            for (let c = 0; c < 2 * degree; c++) {
              const coordinate = words.slice(WORDS * c, WORDS * (c + 1));
              const isNear = i64.geU(at(coordinate, 3), i64.const(wordOf(BASE_FIELD, 3)));
              f.if(isNear, () => {
                f.set(wild, i32.or(wild, isNotBelow(coordinate, BASE_FIELD)));
              });
              for (let i = 0; i < -doublings; i++) scratch.halve(coordinate);
              for (let i = 0; i < doublings; i++) scratch.double(coordinate);
            }
            f.do(i32.store(map, first));
            words.forEach((word, w) => {
              f.do(i64.store(points, word, 8 * w));
            });
            f.advance(map, 4);
            f.advance(points, packed);
          });
          f.advance(source, packed);
          f.advance(first, 1);
          f.advance(n, -1);
        },
        () => i32.and(i32.ne(n, i32.const(0)), i32.eqz(wild)),
      );
      // `first` is one beyond the last point that was looked at.
      f.result(
        select(wild, i32.sub(firstNumber, first), i32.shrU(i32.sub(map, mapStart), i32.const(2))),
      );
    },
  );

  /** lanes(blocks, points, quads): 4 * quads consecutive packed points into lanes, as unpacked. */
  module.define(`lanes${degree}`, ["i32", "i32", "i32"], [], (f, blocks, points, quads) => {
    const parts = writer.halves(f, field).map((fq) => ({
      fq,
      x: fq.variable(),
      words: f.locals("v128", WORDS),
    }));
    f.loop(
      () => {
        for (const { fq, x, words } of parts) {
          for (let c = 0; c < 2 * degree; c++) {
            const start = 2 * packed * fq.half + COMPONENT_BYTES * c;
            words.forEach((word, w) => {
              const low = v128.load64Zero(points, start + 8 * w);
              f.set(word, v128.load64Lane(points, low, 1, start + packed + 8 * w));
            });
            fq.unpack(x, words);
            fq.store(blocks, c * componentBytes, x);
          }
        }
        f.advance(blocks, block);
        f.advance(points, LANES * packed);
        f.advance(quads, -1);
      },
      () => quads,
    );
  });

  /**
   * onCurve(blocks, quads, state): for each block, sum = sum * challenge + (y^2 - x^3 - b), lane by
   * lane, with the sum and the challenge in `state`. @param blocks  as `lanes` leaves them
   */
  module.define(`onCurve${degree}`, ["i32", "i32", "i32"], [], (f, blocks, quads, state) => {
    const constants = curveConstant(degree).map((b) =>
      field.limbsOf((b * field.radix) % field.modulus),
    );
    const [low, high] = writer.halves(f, field).map((fq) => {
      const b = constants.map((limbs) =>
        limbs.map((bits) => writer.constants.vector(bits, fq.half)),
      );
      return new Equation(fq, b, componentBytes);
    }) as [Equation, Equation];
    f.loop(
      () => {
        writer.forHalves(
          f,
          [low, high],
          (half) => {
            if (degree === 1) half.stepG1(blocks, state);
            else half.stepG2(blocks, state);
          },
          { isLong: degree === 2 },
        );
        f.advance(blocks, block);
        f.advance(quads, -1);
      },
      () => quads,
    );
  });
}

/** One step of Horner's rule for one half. Coordinates are unpacked: limbs without a sign. */
class Equation {
  readonly #fq: Arithmetic;
  readonly #b: readonly Element[];
  readonly #componentBytes: number;
  readonly #x: readonly [Variable, Variable];
  readonly #y: readonly [Variable, Variable];
  readonly #square: readonly [Variable, Variable];
  readonly #cube: Variable;
  readonly #sum: Variable;
  readonly #result: readonly [Variable, Variable];

  constructor(fq: Arithmetic, b: readonly Element[], componentBytes: number) {
    const two = (): readonly [Variable, Variable] => [fq.variable(), fq.variable()];
    this.#fq = fq;
    this.#b = b;
    this.#componentBytes = componentBytes;
    this.#x = two();
    this.#y = two();
    this.#square = two();
    this.#cube = fq.variable();
    this.#sum = fq.variable();
    this.#result = two();
  }

  stepG1(block: Expr<"i32">, state: Expr<"i32">): void {
    const fq = this.#fq;
    const [x] = this.#x;
    const [y] = this.#y;
    const [square] = this.#square;
    const [result] = this.#result;
    this.#load(x, block, 0);
    this.#load(y, block, 1);
    fq.mul(square, x, x);
    fq.mul(this.#cube, square, x);
    this.#load(this.#sum, state, 0);
    fq.mulSum(result, fq.load(state, this.#componentBytes), this.#sum, y, y);
    fq.set(result, fq.sub(result, fq.add(this.#cube, at(this.#b, 0))));
    fq.reduce(result);
    fq.store(state, 0, result);
  }

  /**
   * With x = x0 + x1 u, u^2 = -1: x^2 = (x0^2 - x1^2) + 2 x0 x1 u, and x^3 is that times x. Neither
   * products of sums, as in (x0 + x1)(x0 - x1), nor `square` are within bounds for unpacked limbs.
   */
  stepG2(block: Expr<"i32">, state: Expr<"i32">): void {
    const fq = this.#fq;
    const [x0, x1] = this.#x;
    const [y0, y1] = this.#y;
    const [real, imaginary] = this.#square;
    const [result0, result1] = this.#result;
    const negated = this.#sum;
    const challenge = fq.load(state, 2 * this.#componentBytes);
    for (const [c, variable] of [x0, x1, y0, y1].entries()) this.#load(variable, block, c);
    fq.set(negated, fq.neg(x1));
    fq.mulSum(real, x0, x0, negated, x1);
    fq.mul(imaginary, x0, x1);
    fq.set(imaginary, fq.add(imaginary, imaginary));

    // result0 = sum0 rho + y0^2 - y1^2 - Re(x^3) - b0
    fq.set(negated, fq.neg(imaginary));
    fq.mulSum(this.#cube, real, x0, negated, x1);
    this.#load(this.#sum, state, 0);
    fq.mulSum(result0, challenge, this.#sum, y0, y0);
    fq.set(result0, fq.sub(result0, fq.add(this.#cube, at(this.#b, 0))));
    fq.mul(this.#cube, y1, y1);
    fq.set(result0, fq.sub(result0, this.#cube));
    fq.reduce(result0);

    // result1 = sum1 rho + 2 y0 y1 - Im(x^3) - b1
    fq.mulSum(this.#cube, real, x1, imaginary, x0);
    this.#load(this.#sum, state, 1);
    fq.mulSum(result1, challenge, this.#sum, y0, y1);
    fq.set(result1, fq.sub(result1, fq.add(this.#cube, at(this.#b, 1))));
    fq.mul(this.#cube, y0, y1);
    fq.set(result1, fq.add(result1, this.#cube));
    fq.reduce(result1);
    fq.store(state, 0, result0);
    fq.store(state, this.#componentBytes, result1);
  }

  #load(dst: Variable, address: Expr<"i32">, component: number): void {
    this.#fq.set(dst, this.#fq.load(address, component * this.#componentBytes));
  }
}

/** Arithmetic mod q on a number in four words, canonical before and after. */
class WordScratch {
  readonly #f: FunctionWriter;
  readonly #mask: Local<"i64">;
  readonly #carry: Local<"i64">;
  readonly #sum: Local<"i64">;
  readonly #isOver: Local<"i32">;
  readonly #rest: readonly Local<"i64">[];

  constructor(f: FunctionWriter) {
    this.#f = f;
    this.#mask = f.local("i64");
    this.#carry = f.local("i64");
    this.#sum = f.local("i64");
    this.#isOver = f.local("i32");
    this.#rest = f.locals("i64", WORDS);
  }

  /** x / 2 mod q = floor(x / 2), and (q + 1) / 2 more if x is odd: below q in either case. */
  halve(x: readonly Local<"i64">[]): void {
    const f = this.#f;
    const [mask, carry, sum] = [this.#mask, this.#carry, this.#sum];
    f.set(mask, i64.sub(i64.const(0n), i64.and(at(x, 0), i64.const(1n))));
    x.forEach((word, w) => {
      const above = x[w + 1];
      const low = i64.shrU(word, i64.const(1n));
      f.set(word, above === undefined ? low : i64.or(low, i64.shl(above, i64.const(63n))));
    });
    f.set(carry, i64.const(0n));
    x.forEach((word, w) => {
      const summand = i64.and(mask, i64.const(wordOf((BASE_FIELD + 1n) / 2n, w)));
      f.set(sum, i64.add(word, summand));
      if (w === WORDS - 1) {
        f.set(word, i64.add(sum, carry));
        return;
      }
      // One of the two additions may overflow, not both: the summand is below 2^64 - 1.
      f.set(this.#isOver, i64.ltU(sum, word));
      f.set(word, i64.add(sum, carry));
      f.set(carry, i64.extendU(i32.or(this.#isOver, i64.ltU(word, sum))));
    });
  }

  /** 2 x, less q if that is not below q; 2 q < 2^256. */
  double(x: readonly Local<"i64">[]): void {
    const f = this.#f;
    const [mask, borrow] = [this.#mask, this.#carry];
    for (let w = WORDS - 1; w >= 0; w--) {
      const twice = i64.shl(at(x, w), i64.const(1n));
      const below = x[w - 1];
      f.set(at(x, w), below === undefined ? twice : i64.or(twice, i64.shrU(below, i64.const(63n))));
    }
    f.set(borrow, i64.const(0n));
    x.forEach((word, w) => {
      const q = i64.const(wordOf(BASE_FIELD, w));
      f.set(at(this.#rest, w), i64.sub(i64.sub(word, q), borrow));
      f.set(
        borrow,
        i64.extendU(i32.or(i64.ltU(word, q), i32.and(i64.eq(word, q), i32.wrap(borrow)))),
      );
    });
    f.set(mask, i64.sub(i64.const(0n), borrow));
    x.forEach((word, w) => {
      const rest = at(this.#rest, w);
      f.set(word, i64.xor(rest, i64.and(mask, i64.xor(rest, word))));
    });
  }
}

/** x >= bound, from the lowest word up: a borrow is left over or not. */
function isNotBelow(x: readonly Expr<"i64">[], bound: bigint): Expr<"i32"> {
  const borrow = x.reduce<Expr<"i32">>((below, word, w) => {
    const b = i64.const(wordOf(bound, w));
    return i32.or(i64.ltU(word, b), i32.and(i64.eq(word, b), below));
  }, i32.const(0));
  return i32.eqz(borrow);
}

function wordOf(value: bigint, w: number): bigint {
  return BigInt.asUintN(64, value >> BigInt(64 * w));
}

function at<T>(items: readonly T[], i: number): T {
  return items[i] as T;
}
