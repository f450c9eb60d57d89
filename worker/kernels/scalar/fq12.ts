/**
 * Kernels over Fq12 = Fq6[w] / (w^2 - v): the coefficients g and h of 1 and w, one after the other.
 * Over Fq2 that is (g0, g1, g2, h0, h1, h2) for the powers 0, 2, 4, 1, 3, 5 of w, and w^6 = xi.
 * Every result has bound 1, and so must operands. Twin: Fq12 of engines/reference-pairing.ts.
 */
import { FQ2, type Fq2 } from "../../curve.ts";
import { BASE_FIELD } from "../../field.ts";
import { callOf, type FunctionWriter } from "../emitter.ts";
import { type Expr, i32 } from "../instructions.ts";
import { type Assembly, calls } from "./assembly.ts";
import {
  FQ2_BYTES,
  type Gaussian,
  minus,
  type QuadraticField,
  writeCombination,
  XI,
} from "./fq2.ts";
import { type CubicField, coefficient, FQ6_BYTES } from "./fq6.ts";
import { nearest, RADIX, toMontgomery } from "./limbs.ts";

export const FQ12_BYTES = 2 * FQ6_BYTES;

export interface Tower12 {
  /** (d, a, b): d = a b. */
  readonly multiply: FunctionWriter;
  /** (d, a): d = a a. */
  readonly square: FunctionWriter;
  /** (a, l0, l1, l3): a = a (l0 + l1 w + l3 w^3), the l in Fq2 and of bound 1. */
  readonly multiplyLine: FunctionWriter;
  /** (a, l1, l3): a = a (1 + l1 w + l3 w^3), the l of bound 1. */
  readonly multiplyMonicLine: FunctionWriter;
  /** (d, a): d = a a for a^(q^4 - q^2 + 1) = 1: after the first part of the final exponentiation. */
  readonly squareCyclotomic: FunctionWriter;
  /** (d, a): d = g - h w = a^(q^6), which is 1 / a for a cyclotomic a. */
  readonly conjugate: FunctionWriter;
  /** (d, a): d = 1 / a. */
  readonly invert: FunctionWriter;
  /** (d, a): d = a^q. */
  readonly frobenius: FunctionWriter;
  /** (d, a): d = a^(q^2). */
  readonly frobenius2: FunctionWriter;
  /** (d, a): d = a^(q^3). */
  readonly frobenius3: FunctionWriter;
  /** (d): d = 1. */
  readonly setOne: FunctionWriter;
  /** (d, a): d = a. */
  readonly copy: FunctionWriter;
  /** (a) -> whether a = 1. */
  readonly isOne: FunctionWriter;
}

type Pointer = Expr<"i32">;

/** Coefficients of 1 and w. */
const halves = (a: Pointer): [Pointer, Pointer] => [a, i32.add(a, i32.const(FQ6_BYTES))];
/** The coefficient of w^power, power < 6. */
const at = (a: Pointer, power: number): Pointer =>
  coefficient(a, (power % 2) * 3 + Math.floor(power / 2));

export function writeTower12(assembly: Assembly, fq2: QuadraticField, fq6: CubicField): Tower12 {
  const { module } = assembly;
  const combine = (name: string, ...coefficients: (Gaussian | bigint)[]) =>
    writeCombination(
      assembly,
      `fq12.${name}`,
      ...coefficients.map((c): Gaussian => (typeof c === "bigint" ? [c, 0n] : c)),
    );
  const plus = combine("plus", 1n, 1n);
  const plusXi = combine("plusXi", 1n, XI);
  const cross = combine("cross", 1n, -1n, -1n);
  const place = () => assembly.place(FQ6_BYTES);
  const [t0, t1, s, u] = [place(), place(), place(), place()];

  /** d = x + v y over Fq6. */
  const addShifted = (f: FunctionWriter, d: Pointer, x: Pointer, y: Pointer) => {
    f.call(plusXi, coefficient(d, 0), coefficient(x, 0), coefficient(y, 2));
    f.call(plus, coefficient(d, 1), coefficient(x, 1), coefficient(y, 0));
    f.call(plus, coefficient(d, 2), coefficient(x, 2), coefficient(y, 1));
  };
  /** d = x - y - z over Fq6. */
  const subtractBoth = (f: FunctionWriter, d: Pointer, x: Pointer, y: Pointer, z: Pointer) => {
    for (let i = 0; i < 3; i++) {
      f.call(cross, coefficient(d, i), coefficient(x, i), coefficient(y, i), coefficient(z, i));
    }
  };

  // (g + h w)(k + l w) = (g k + v h l) + ((g + h)(k + l) - g k - h l) w
  const multiply = module.define("fq12.multiply", ["i32", "i32", "i32"], [], (f, d, a, b) => {
    const call = calls(f, fq6);
    const [g, h] = halves(a);
    const [k, l] = halves(b);
    const [d0, d1] = halves(d);
    call.multiply(t0, g, k);
    call.multiply(t1, h, l);
    call.add(s, g, h);
    call.add(u, k, l);
    call.multiply(s, s, u);
    addShifted(f, d0, t0, t1);
    subtractBoth(f, d1, s, t0, t1);
  });

  // With t = g h: g^2 + v h^2 = (g + h)(g + v h) - t - v t, and 2 t w.
  const minusBoth = combine("x-y-xi z", 1n, -1n, minus(XI));
  const twice = combine("2x", 2n);
  const square = module.define("fq12.square", ["i32", "i32"], [], (f, d, a) => {
    const call = calls(f, fq6);
    const [g, h] = halves(a);
    const [d0, d1] = halves(d);
    call.multiply(t0, g, h);
    call.add(s, g, h);
    f.call(plusXi, coefficient(u, 0), coefficient(g, 0), coefficient(h, 2));
    f.call(fq2.add, coefficient(u, 1), coefficient(g, 1), coefficient(h, 0));
    f.call(fq2.add, coefficient(u, 2), coefficient(g, 2), coefficient(h, 1));
    call.multiply(s, s, u);
    const [x, y, z] = [0, 1, 2].map((i) => coefficient(t0, i)) as [Pointer, Pointer, Pointer];
    f.call(minusBoth, coefficient(d0, 0), coefficient(s, 0), x, z);
    f.call(cross, coefficient(d0, 1), coefficient(s, 1), y, x);
    f.call(cross, coefficient(d0, 2), coefficient(s, 2), z, y);
    for (let i = 0; i < 3; i++) f.call(twice, coefficient(d1, i), coefficient(t0, i));
  });

  // As `multiply`, with k = l0 and l = l1 + l3 v: 13 products in the place of 18.
  const sum = assembly.place(FQ2_BYTES);
  const multiplyLine = module.define(
    "fq12.multiplyLine",
    ["i32", "i32", "i32", "i32"],
    [],
    (f, a, l0, l1, l3) => {
      const call = calls(f, fq6);
      const [g, h] = halves(a);
      call.scale(t0, g, l0);
      call.multiplySparse(t1, h, l1, l3);
      call.add(u, g, h);
      f.call(fq2.add, sum, l0, l1);
      call.multiplySparse(s, u, sum, l3);
      addShifted(f, g, t0, t1);
      subtractBoth(f, h, s, t0, t1);
    },
  );

  // (g + h w)(1 + s w) = (g + v h s) + (h + g s) w with s = l1 + l3 v: 10 products.
  const multiplyMonicLine = module.define(
    "fq12.multiplyMonicLine",
    ["i32", "i32", "i32"],
    [],
    (f, a, l1, l3) => {
      const call = calls(f, fq6);
      const [g, h] = halves(a);
      call.multiplySparse(t0, g, l1, l3);
      call.multiplySparse(t1, h, l1, l3);
      addShifted(f, g, g, t1);
      for (let i = 0; i < 3; i++) {
        f.call(plus, coefficient(h, i), coefficient(h, i), coefficient(t0, i));
      }
    },
  );

  const conjugate = module.define("fq12.conjugate", ["i32", "i32"], [], (f, d, a) => {
    for (let i = 0; i < 3; i++) f.call(fq2.reduce, coefficient(d, i), coefficient(a, i));
    f.call(fq6.negate, halves(d)[1], halves(a)[1]);
  });
  const copy = module.define("fq12.copy", ["i32", "i32"], [], (f, d, a) => {
    for (let i = 0; i < 6; i++) f.call(fq2.reduce, coefficient(d, i), coefficient(a, i));
  });
  const [one, zero] = [assembly.constant(nearest(RADIX), 0n), assembly.constant(0n, 0n)];
  const setOne = module.define("fq12.setOne", ["i32"], [], (f, d) => {
    for (let i = 0; i < 6; i++) f.call(fq2.reduce, coefficient(d, i), i === 0 ? one : zero);
  });
  const difference = assembly.place(FQ2_BYTES);
  const isOne = module.define("fq12.isOne", ["i32"], ["i32"], (f, a) => {
    f.call(fq2.subtract, difference, a, one);
    f.call(fq2.reduce, difference, difference);
    const checks = [difference, ...[1, 2, 3, 4, 5].map((i) => coefficient(a, i))];
    f.result(checks.map((x) => callOf("i32", fq2.isZero, x)).reduce((x, y) => i32.and(x, y)));
  });

  // 1 / (g + h w) = (g - h w) / (g^2 - v h^2)
  const invert = module.define("fq12.invert", ["i32", "i32"], [], (f, d, a) => {
    const call = calls(f, fq6);
    const [g, h] = halves(a);
    const [d0, d1] = halves(d);
    call.multiply(t0, g, g);
    call.multiply(t1, h, h);
    call.negate(t1, t1);
    addShifted(f, s, t0, t1);
    call.invert(s, s);
    call.multiply(d0, g, s);
    call.multiply(d1, h, s);
    call.negate(d1, d1);
  });

  // w^(q - 1), w^(q^2 - 1) = its norm to Fq, and w^(q^3 - 1) = their product.
  const root = frobeniusRoot();
  const norm = FQ2.multiply(root, [root[0], BASE_FIELD - root[1]]);
  return {
    multiply,
    square,
    multiplyLine,
    multiplyMonicLine,
    conjugate,
    invert,
    setOne,
    copy,
    isOne,
    squareCyclotomic: writeSquareCyclotomic(assembly, fq2, combine),
    frobenius: writeFrobenius(assembly, fq2, 1, root),
    frobenius2: writeFrobenius(assembly, fq2, 2, norm),
    frobenius3: writeFrobenius(assembly, fq2, 3, FQ2.multiply(norm, root)),
  };
}

/**
 * Granger and Scott, "Faster squaring in the cyclotomic subgroup of sixth degree extensions",
 * eprint.iacr.org/2009/565, section 3.2. Fq12 is cubic over Fq4 = Fq2[s], s = w^3: with
 * a = A + B w + C w^2 and the bar for s -> -s, cyclotomic a have
 *
 *     a^2 = (3 A^2 - 2 A') + (3 s C^2 + 2 B') w + (3 B^2 - 2 C') w^2      (' is the bar),
 *
 * and (x + y s)^2 = (x^2 + xi y^2) + ((x + y)^2 - x^2 - y^2) s.
 */
function writeSquareCyclotomic(
  assembly: Assembly,
  fq2: QuadraticField,
  combine: (name: string, ...coefficients: (Gaussian | bigint)[]) => FunctionWriter,
): FunctionWriter {
  const three: Gaussian = [3n * XI[0], 3n * XI[1]];
  const norm = combine("3x + 3xi y - 2z", 3n, three, -2n);
  const trace = combine("3(x - y - z) + 2u", 3n, -3n, -3n, 2n);
  const turned = combine("3xi(x - y - z) + 2u", three, minus(three), minus(three), 2n);
  const place = () => assembly.place(FQ2_BYTES);
  const squares = Array.from({ length: 3 }, () => [place(), place(), place()] as const);
  return assembly.module.define("fq12.squareCyclotomic", ["i32", "i32"], [], (f, d, a) => {
    const call = calls(f, fq2);
    // x^2, y^2 and (x + y)^2 of A, B, C, whose x and y are the coefficients of w^k and w^(k+3).
    for (const [k, [xx, yy, both]] of squares.entries()) {
      call.square(xx, at(a, k));
      call.square(yy, at(a, k + 3));
      call.add(both, at(a, k), at(a, k + 3));
      call.square(both, both);
    }
    const [ofA, ofB, ofC] = squares as [Squares, Squares, Squares];
    f.call(norm, at(d, 0), ofA[0], ofA[1], at(a, 0));
    f.call(trace, at(d, 3), ofA[2], ofA[0], ofA[1], at(a, 3));
    f.call(turned, at(d, 1), ofC[2], ofC[0], ofC[1], at(a, 1));
    f.call(norm, at(d, 4), ofC[0], ofC[1], at(a, 4));
    f.call(norm, at(d, 2), ofB[0], ofB[1], at(a, 2));
    f.call(trace, at(d, 5), ofB[2], ofB[0], ofB[1], at(a, 5));
  });
}

type Squares = readonly [xx: Pointer, yy: Pointer, both: Pointer];

/**
 * a^(q^times): the coefficient c of w^k goes to c^(q^times) xi^(k (q^times - 1) / 6), where c^q is
 * the conjugate of c.
 */
function writeFrobenius(
  assembly: Assembly,
  fq2: QuadraticField,
  times: number,
  factor: Fq2,
): FunctionWriter {
  let power: Fq2 = FQ2.one;
  const constants = Array.from({ length: 6 }, () => {
    const [x, y] = power;
    power = FQ2.multiply(power, factor);
    return assembly.constant(toMontgomery(x), toMontgomery(y));
  });
  return assembly.module.define(`fq12.frobenius${times}`, ["i32", "i32"], [], (f, d, a) => {
    for (const [k, constant] of constants.entries()) {
      f.call(times % 2 === 1 ? fq2.conjugate : fq2.reduce, at(d, k), at(a, k));
      if (k > 0) f.call(fq2.multiply, at(d, k), at(d, k), constant);
    }
  });
}

/** w^(q - 1) = xi^((q - 1) / 6), in Fq2. */
export function frobeniusRoot(): Fq2 {
  let result: Fq2 = FQ2.one;
  for (const bit of ((BASE_FIELD - 1n) / 6n).toString(2)) {
    result = FQ2.multiply(result, result);
    if (bit === "1") result = FQ2.multiply(result, [XI[0], XI[1]]);
  }
  return result;
}
