/**
 * Points of G1 or G2 in Jacobian coordinates, x = X/Z^2 and y = Y/Z^3, Z = 0 at infinity; three
 * elements one after the other, each of bound 1. Affine points are two elements, (0, 0) at infinity.
 * Complete: equal and opposite points and infinity are told apart, and take what time they take.
 *
 * Formulas: hyperelliptic.org/EFD, short Weierstrass with a = 0, Jacobian (dbl-2009-l, madd-2007-bl
 * and add-2007-bl with plain products). Twin: Group of worker/curve.ts.
 */
import { callOf, type FunctionWriter } from "../emitter.ts";
import { type Expr, i32 } from "../instructions.ts";
import { type Assembly, calls, component } from "./assembly.ts";
import { writeLinear } from "./fq.ts";
import { FQ_BYTES, nearest, RADIX } from "./limbs.ts";
import type { Words } from "./words.ts";

/** What a group needs of the field of its coordinates. */
export interface CoordinateField {
  readonly multiply: FunctionWriter;
  readonly square: FunctionWriter;
  readonly subtract: FunctionWriter;
  readonly reduce: FunctionWriter;
  readonly negate: FunctionWriter;
  readonly isZero: FunctionWriter;
  /** Montgomery form to Montgomery form, bound 1 to bound 1, 0 to 0. */
  readonly invert: FunctionWriter;
}

export interface GroupKernels {
  /** Bytes of one coordinate. */
  readonly coordinateBytes: number;
  /** (p): p = infinity. */
  readonly clear: FunctionWriter;
  /** (p): p = 2 p. */
  readonly double: FunctionWriter;
  /** (p, q): p = p + q, q affine. */
  readonly addAffine: FunctionWriter;
  /** (p, q): p = p + q. */
  readonly add: FunctionWriter;
  /** (d, p): d = p, affine. */
  readonly normalize: FunctionWriter;
}

/**
 * @param name        prefix of the functions' names.
 * @param components  elements of Fq in a coordinate.
 */
export function writeGroup(
  assembly: Assembly,
  name: string,
  components: number,
  field: CoordinateField,
): GroupKernels {
  const { module } = assembly;
  const size = FQ_BYTES * components;
  const one = assembly.constant(nearest(RADIX), ...new Array<bigint>(components - 1).fill(0n));
  const zero = assembly.constant(...new Array<bigint>(components).fill(0n));
  const linear = (formula: string, ...coefficients: bigint[]) =>
    writeLinear(assembly, `${name}.${formula}`, components, coefficients);
  const formulas = {
    ...field,
    triple: linear("3x", 3n),
    twice: linear("2x", 2n),
    minusEight: linear("x-8y", 1n, -8n),
    fourMinus: linear("4x-y", 4n, -1n),
    minus: linear("x-y", 1n, -1n),
    minusAndTwice: linear("x-y-2z", 1n, -1n, -2n),
  };
  const xOf = (p: Expr<"i32">) => p;
  const yOf = (p: Expr<"i32">) => component(p, 1, size);
  const zOf = (p: Expr<"i32">) => component(p, 2, size);
  const isZero = (a: Expr<"i32">) => callOf("i32", field.isZero, a);
  const place = () => assembly.place(size);

  const clear = module.define(`${name}.clear`, ["i32"], [], (f, p) => {
    f.call(field.reduce, xOf(p), one);
    f.call(field.reduce, yOf(p), one);
    f.call(field.reduce, zOf(p), zero);
  });

  // A = X^2, B = Y^2, C = B^2, S = X B, M = 3 A;  X' = M^2 - 8 S, Y' = M (4 S - X') - 8 C, Z' = 2 Y Z
  const [b, c, s, m, t] = [place(), place(), place(), place(), place()];
  const double = module.define(`${name}.double`, ["i32"], [], (f, p) => {
    const { multiply, square, triple, twice, minusEight, fourMinus } = calls(f, formulas);
    multiply(t, yOf(p), zOf(p));
    twice(zOf(p), t);
    square(b, yOf(p));
    square(c, b);
    multiply(s, xOf(p), b);
    square(t, xOf(p));
    triple(m, t);
    square(t, m);
    minusEight(xOf(p), t, s);
    fourMinus(t, s, xOf(p));
    multiply(t, m, t);
    minusEight(yOf(p), t, c);
  });

  /**
   * The rest of an addition, with u1 = X1 Z2^2, s1 = Y1 Z2^3, h = X2 Z1^2 - u1, r = Y2 Z1^3 - s1 and
   * z = Z1 Z2:  X' = r^2 - h^3 - 2 u1 h^2,  Y' = r (u1 h^2 - X') - s1 h^3,  Z' = z h.
   */
  const [u1, s1, h, r, v] = [place(), place(), place(), place(), place()];
  const finish = (f: FunctionWriter, p: Expr<"i32">, z: Expr<"i32">) => {
    const { multiply, square, subtract, minus, minusAndTwice } = calls(f, formulas);
    f.if(
      isZero(h),
      () =>
        f.if(
          isZero(r),
          () => f.call(double, p),
          () => f.call(clear, p),
        ),
      () => {
        multiply(zOf(p), z, h);
        square(t, h);
        multiply(v, u1, t);
        multiply(h, h, t);
        square(t, r);
        minusAndTwice(xOf(p), t, h, v);
        subtract(v, v, xOf(p));
        multiply(r, r, v);
        multiply(s1, s1, h);
        minus(yOf(p), r, s1);
      },
    );
  };
  const unless = (f: FunctionWriter, condition: Expr<"i32">, then: () => void) =>
    f.if(i32.eqz(condition), then);

  const addAffine = module.define(`${name}.addAffine`, ["i32", "i32"], [], (f, p, q) => {
    const { multiply, square, reduce, minus } = calls(f, formulas);
    unless(f, i32.and(isZero(xOf(q)), isZero(yOf(q))), () =>
      f.if(
        isZero(zOf(p)),
        () => {
          reduce(xOf(p), xOf(q));
          reduce(yOf(p), yOf(q));
          reduce(zOf(p), one);
        },
        () => {
          reduce(u1, xOf(p));
          reduce(s1, yOf(p));
          square(t, zOf(p));
          multiply(v, xOf(q), t);
          minus(h, v, u1);
          multiply(t, t, zOf(p));
          multiply(v, yOf(q), t);
          minus(r, v, s1);
          finish(f, p, zOf(p));
        },
      ),
    );
  });

  const [zz, z12] = [place(), place()];
  const add = module.define(`${name}.add`, ["i32", "i32"], [], (f, p, q) => {
    const { multiply, square, reduce, minus } = calls(f, formulas);
    unless(f, isZero(zOf(q)), () =>
      f.if(
        isZero(zOf(p)),
        () => {
          for (const part of [xOf, yOf, zOf]) reduce(part(p), part(q));
        },
        () => {
          square(zz, zOf(q));
          multiply(u1, xOf(p), zz);
          multiply(zz, zz, zOf(q));
          multiply(s1, yOf(p), zz);
          square(t, zOf(p));
          multiply(v, xOf(q), t);
          minus(h, v, u1);
          multiply(t, t, zOf(p));
          multiply(v, yOf(q), t);
          minus(r, v, s1);
          multiply(z12, zOf(p), zOf(q));
          finish(f, p, z12);
        },
      ),
    );
  });

  const normalize = module.define(`${name}.normalize`, ["i32", "i32"], [], (f, d, p) => {
    const { multiply, square, invert } = calls(f, formulas);
    // Z = 0 has the inverse 0, which makes (0, 0).
    invert(t, zOf(p));
    square(v, t);
    multiply(t, t, v);
    multiply(xOf(d), xOf(p), v);
    multiply(yOf(d), yOf(p), t);
  });
  return { coordinateBytes: size, clear, double, addAffine, add, normalize };
}

/**
 * Writes (p, points, count, shift): for each of `count` affine points, given as canonical integers,
 * from the last to the first: p = 2^shift p + point. With p at infinity before, that is the sum of
 * 2^(shift i) point_i.
 */
export function writeHorner(
  assembly: Assembly,
  name: string,
  group: GroupKernels,
  words: Words,
): FunctionWriter {
  const elements = (2 * group.coordinateBytes) / FQ_BYTES;
  const recordBytes = 32 * elements;
  const affine = assembly.place(2 * group.coordinateBytes);
  return assembly.module.define(
    `${name}.horner`,
    ["i32", "i32", "i32", "i32"],
    [],
    (f, p, points, count, shift) => {
      const left = f.local("i32");
      f.set(points, i32.add(points, i32.mul(count, i32.const(recordBytes))));
      f.while(
        () => count,
        () => {
          f.advance(points, -recordBytes);
          f.advance(count, -1);
          f.set(left, shift);
          f.while(
            () => left,
            () => {
              f.call(group.double, p);
              f.advance(left, -1);
            },
          );
          f.call(words.enter, affine, points, i32.const(elements));
          f.call(group.addAffine, p, affine);
        },
      );
    },
  );
}
