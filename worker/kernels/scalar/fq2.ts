/**
 * Kernels over Fq2 = Fq[i] / (i^2 + 1): real part, then imaginary part, each as in `limbs.ts`; what is
 * said there of bounds holds for both parts. Twin: FQ2 of worker/curve.ts.
 */
import type { FunctionWriter } from "../emitter.ts";
import { type Expr, i32, i32x4, i64, type Local } from "../instructions.ts";
import { type Assembly, component } from "./assembly.ts";
import {
  doubled,
  loadDigits,
  type PrimeField,
  productColumn,
  scaled,
  storeNearest,
  storeReduced,
  writeIsZero,
  writeLinear,
  writeSum,
} from "./fq.ts";
import { FQ_BYTES, LIMBS } from "./limbs.ts";

export const FQ2_BYTES = 2 * FQ_BYTES;

export interface QuadraticField {
  /** (d, a, b): d = a b / R. Operands of bound 4; bound 1. */
  readonly multiply: FunctionWriter;
  /** (d, a): d = a a / R. Operand of bound 3; bound 1. */
  readonly square: FunctionWriter;
  /** (d, a, s): d = a s / R with s in Fq. */
  readonly scale: FunctionWriter;
  readonly add: FunctionWriter;
  readonly subtract: FunctionWriter;
  readonly reduce: FunctionWriter;
  readonly negate: FunctionWriter;
  /** (d, a): the complex conjugate of a, which is also a^q. Bound 1. */
  readonly conjugate: FunctionWriter;
  readonly isZero: FunctionWriter;
  /** (d, a): d = 1 / a, both in Montgomery form and of bound 1; 0 for 0. */
  readonly invert: FunctionWriter;
}

/** @param invert  of elements of Fq in Montgomery form: `writeMontgomeryInverse`. */
export function writeQuadraticField(
  assembly: Assembly,
  fq: PrimeField,
  invert: FunctionWriter,
): QuadraticField {
  const { module } = assembly;
  const guard = (f: FunctionWriter, bound: number, ...operands: Expr<"i32">[]) => {
    if (!assembly.isChecked) return;
    for (const operand of operands) {
      f.call(fq.check, operand, i32.const(bound));
      f.call(fq.check, component(operand, 1), i32.const(bound));
    }
  };
  const scale = module.define("fq2.scale", ["i32", "i32", "i32"], [], (f, d, a, s) => {
    f.call(fq.multiply, d, a, s);
    f.call(fq.multiply, component(d, 1), component(a, 1), s);
  });
  return {
    scale,
    multiply: module.define("fq2.multiply", ["i32", "i32", "i32"], [], (f, d, a, b) => {
      guard(f, 4, a, b);
      writeProduct(f, d, a, b);
    }),
    square: module.define("fq2.square", ["i32", "i32"], [], (f, d, a) => {
      guard(f, 3, a);
      writeSquare(f, d, a);
    }),
    add: writeSum(assembly, "fq2.add", 2, i32x4.add),
    subtract: writeSum(assembly, "fq2.subtract", 2, i32x4.sub),
    reduce: writeLinear(assembly, "fq2.reduce", 2, [1n]),
    negate: writeLinear(assembly, "fq2.negate", 2, [-1n]),
    conjugate: module.define("fq2.conjugate", ["i32", "i32"], [], (f, d, a) => {
      f.call(fq.reduce, d, a);
      f.call(fq.negate, component(d, 1), component(a, 1));
    }),
    isZero: writeIsZero(assembly, "fq2.isZero", 2),
    invert: writeInversion(assembly, fq, scale, invert),
  };
}

function part(f: FunctionWriter, a: Expr<"i32">, index: 0 | 1): Local<"i64">[] {
  return loadDigits(f, component(a, index));
}

function digitwise(
  f: FunctionWriter,
  combine: typeof i64.add,
  x: readonly Expr<"i64">[],
  y: readonly Expr<"i64">[],
): Local<"i64">[] {
  return Array.from({ length: LIMBS }, (_, i) => {
    const digit = f.local("i64");
    f.set(digit, combine(x[i] as Expr<"i64">, y[i] as Expr<"i64">));
    return digit;
  });
}

/**
 * Karatsuba on columns that are not reduced yet: with s = a0 b0, t = a1 b1,
 *
 *     real = s - t,   imaginary = (a0 + a1)(b0 + b1) - s - t,
 *
 * three products of nine digits and two reductions. The sums of digits reach 2^29, so columns of the
 * third product 9 * 2^58 < 2^62; |values| <= 2 * 4 * 4 p^2 = 32 p^2, which `storeReduced` allows.
 */
function writeProduct(f: FunctionWriter, d: Expr<"i32">, a: Expr<"i32">, b: Expr<"i32">): void {
  const [a0, a1, b0, b1] = [part(f, a, 0), part(f, a, 1), part(f, b, 0), part(f, b, 1)];
  const [sumA, sumB] = [digitwise(f, i64.add, a0, a1), digitwise(f, i64.add, b0, b1)];
  const [s, t] = [f.local("i64"), f.local("i64")];
  storeReduced(f, [
    {
      to: d,
      column: (k) => {
        f.set(s, productColumn(a0, b0, k));
        f.set(t, productColumn(a1, b1, k));
        return i64.sub(s, t);
      },
    },
    {
      to: component(d, 1),
      column: (k) => i64.sub(productColumn(sumA, sumB, k), i64.add(s, t)),
    },
  ]);
}

/** real = (a0 + a1)(a0 - a1), imaginary = 2 a0 a1: |real| <= 4 * 9 p^2 for bound 3. */
function writeSquare(f: FunctionWriter, d: Expr<"i32">, a: Expr<"i32">): void {
  const [a0, a1] = [part(f, a, 0), part(f, a, 1)];
  const [sum, difference] = [digitwise(f, i64.add, a0, a1), digitwise(f, i64.sub, a0, a1)];
  const twice = doubled(f, a0);
  storeReduced(f, [
    { to: d, column: (k) => productColumn(sum, difference, k) },
    { to: component(d, 1), column: (k) => productColumn(twice, a1, k) },
  ]);
}

/** 1 / (a0 + a1 i) = (a0 - a1 i) / (a0^2 + a1^2). */
function writeInversion(
  assembly: Assembly,
  fq: PrimeField,
  scale: FunctionWriter,
  invert: FunctionWriter,
): FunctionWriter {
  const [norm, other] = [assembly.place(FQ_BYTES), assembly.place(FQ_BYTES)];
  return assembly.module.define("fq2.invert", ["i32", "i32"], [], (f, d, a) => {
    f.call(fq.square, norm, a);
    f.call(fq.square, other, component(a, 1));
    f.call(fq.add, norm, norm, other);
    f.call(fq.reduce, norm, norm);
    f.call(invert, norm, norm);
    f.call(scale, d, a, norm);
    f.call(fq.negate, component(d, 1), component(d, 1));
  });
}

/** A small Gaussian integer, real + imaginary i. */
export type Gaussian = readonly [real: bigint, imaginary: bigint];

/** 9 + i, which is neither a square nor a cube in Fq2; the tower is built on it. */
export const XI: Gaussian = [9n, 1n];

export function minus([real, imaginary]: Gaussian): Gaussian {
  return [-real, -imaginary];
}

/**
 * Writes (d, x...): d = sum of coefficient * x, reduced once, of bound 1. The operands' bounds times
 * |real| + |imaginary| may add up to 100.
 */
export function writeCombination(
  { module }: Assembly,
  name: string,
  ...coefficients: Gaussian[]
): FunctionWriter {
  const parameters = Array.from({ length: 1 + coefficients.length }, () => "i32" as const);
  return module.define(name, parameters, [], (f, d, ...operands) => {
    const [real, imaginary] = [f.locals("i64", LIMBS), f.locals("i64", LIMBS)];
    const [x, y] = [f.local("i64"), f.local("i64")];
    for (let i = 0; i < LIMBS; i++) {
      for (const [o, operand] of operands.entries()) {
        const [re, im] = coefficients[o] as Gaussian;
        f.set(x, i64.load32S(operand, 4 * i));
        f.set(y, i64.load32S(operand, FQ_BYTES + 4 * i));
        accumulate(f, real[i] as Local<"i64">, [re, x], [-im, y], o === 0);
        accumulate(f, imaginary[i] as Local<"i64">, [re, y], [im, x], o === 0);
      }
    }
    storeNearest(f, d as Expr<"i32">, real);
    storeNearest(f, d as Expr<"i32">, imaginary, FQ_BYTES);
  });
}

type Term = readonly [coefficient: bigint, value: Expr<"i64">];

/** sum += the terms, or sum = the terms if it is the first time. */
function accumulate(
  f: FunctionWriter,
  sum: Local<"i64">,
  first: Term,
  second: Term,
  isFirstTime: boolean,
): void {
  let value: Expr<"i64"> | undefined = isFirstTime ? undefined : sum;
  for (const [coefficient, term] of [first, second]) {
    if (coefficient === 0n) continue;
    if (value === undefined) value = scaled(term, coefficient);
    else if (coefficient === -1n) value = i64.sub(value, term);
    else value = i64.add(value, scaled(term, coefficient));
  }
  f.set(sum, value ?? i64.const(0n));
}
