/**
 * The lines of Miller's algorithm for the optimal ate pairing: Vercauteren, "Optimal pairings",
 * eprint.iacr.org/2008/096, section IV. They depend on the point Q of G2 alone, so a fixed Q has its
 * lines computed once.
 *
 * G2 lies on y^2 = x^3 + 3/xi over Fq2 and goes to the curve over Fq12 by (x, y) -> (x w^2, y w^3).
 * The line of slope m w through the image of (x, y), at a point (X, Y) of G1, is
 *
 *     Y - m X w + (m x - y) w^3,
 *
 * and is stored, up to a factor from Fq2 that the final exponentiation makes 1, as three elements
 * (a, b, c): a Y + b X w + c w^3.
 *
 * T runs through multiples of Q in homogeneous coordinates x = X/Z, y = Y/Z. Doubling: Costello,
 * Lange, Naehrig, "Faster pairing computations on curves with high-degree twists",
 * eprint.iacr.org/2009/615, section 5, times 4 to save the halves; the line is multiplied by 2 Y Z,
 * and its last part is 3 X^3/Z - 2 Y^2 = Y^2 - 9/xi Z^2 by the curve's equation.
 */
import { FQ2 } from "../../curve.ts";
import type { FunctionWriter } from "../emitter.ts";
import { type Expr, i32 } from "../instructions.ts";
import { type Assembly, calls } from "./assembly.ts";
import { FQ2_BYTES, type QuadraticField, writeCombination, XI } from "./fq2.ts";
import { coefficient } from "./fq6.ts";
import { toMontgomery } from "./limbs.ts";

/** The curve's parameter u; q, r and the loop's length 6 u + 2 are polynomials in it. */
export const CURVE_PARAMETER = 4965661367192848881n;

/** Digits -1, 0, 1 of 6 u + 2, no two neighbours both different from 0, highest first. */
export const LOOP_DIGITS: readonly number[] = signedDigits(6n * CURVE_PARAMETER + 2n, 2).reverse();
/** One for each doubling, one for each digit but the first, and two in the end. */
export const LINE_COUNT =
  LOOP_DIGITS.length - 1 + LOOP_DIGITS.slice(1).filter((digit) => digit !== 0).length + 2;
export const LINE_BYTES = 3 * FQ2_BYTES;

/**
 * The digits of value > 0 in width-w non-adjacent form, lowest first: each is 0 or odd with
 * |digit| < 2^(width - 1), and of any `width` neighbours at most one is not 0.
 */
export function signedDigits(value: bigint, width: number): number[] {
  const digits: number[] = [];
  for (let rest = value; rest > 0n; rest >>= 1n) {
    const digit = rest & 1n ? BigInt.asIntN(width, rest) : 0n;
    rest -= digit;
    digits.push(Number(digit));
  }
  return digits;
}

export interface Lines {
  /** (destination, q): the LINE_COUNT lines of an affine q in the subgroup, not infinity. */
  readonly trace: FunctionWriter;
  /** (destination, lines): (b / a, c / a) of all lines of a point, for `multiplyMonicLine`. */
  readonly makeMonic: FunctionWriter;
}

/** @param root  w^(q - 1): see `frobeniusRoot`. */
export function writeLines(
  assembly: Assembly,
  fq2: QuadraticField,
  root: readonly [bigint, bigint],
): Lines {
  const { module } = assembly;
  const place = () => assembly.place(FQ2_BYTES);
  const combine = (name: string, ...coefficients: bigint[]) =>
    writeCombination(
      assembly,
      `line.${name}`,
      ...coefficients.map((c): [bigint, bigint] => [c, 0n]),
    );
  const constant = ([x, y]: readonly [bigint, bigint]) =>
    assembly.constant(toMontgomery(x), toMontgomery(y));
  const operations = {
    ...fq2,
    twice: combine("2x", 2n),
    eight: combine("8x", 8n),
    minusThree: combine("-3x", -3n),
    minus: combine("x-y", 1n, -1n),
    lessThree: combine("x-3y", 1n, -3n),
    plusThree: combine("x+3y", 1n, 3n),
    lessTwelve: combine("x-12y", 1n, -12n),
    plusLessTwo: combine("x+y-2z", 1n, 1n, -2n),
  };
  const [x, y, z] = [place(), place(), place()];
  const nineByXi = constant(FQ2.multiply([9n, 0n], FQ2.invert([XI[0], XI[1]])));

  // With B = Y^2, E = 9/xi Z^2, D = Y Z: the line (2 D, -3 X^2, B - E) and
  // X' = 2 X Y (B - 3 E), Y' = (B + 3 E)^2 - 12 E^2, Z' = 8 B D.
  const [b, d, e, s, t] = [place(), place(), place(), place(), place()];
  const double = module.define("line.double", ["i32"], [], (f, line) => {
    const call = calls(f, operations);
    call.square(b, y);
    call.square(e, z);
    call.multiply(e, e, nineByXi);
    call.multiply(d, y, z);
    call.square(t, x);
    call.twice(coefficient(line, 0), d);
    call.minusThree(coefficient(line, 1), t);
    call.minus(coefficient(line, 2), b, e);
    call.multiply(s, x, y);
    call.lessThree(t, b, e);
    call.multiply(s, s, t);
    call.twice(x, s);
    call.plusThree(t, b, e);
    call.square(t, t);
    call.square(e, e);
    call.lessTwelve(y, t, e);
    call.multiply(t, b, d);
    call.eight(z, t);
  });

  // With h = Y - y Z, l = X - x Z for the added (x, y): slope h / l, the line (l, -h, h x - l y), and
  // with E = l^3, G = X l^2, H = E + Z h^2 - 2 G: X' = l H, Y' = h (G - H) - E Y, Z' = Z E.
  const [h, l, g] = [place(), place(), place()];
  const add = module.define("line.add", ["i32", "i32"], [], (f, line, q) => {
    const call = calls(f, operations);
    const [qx, qy] = [coefficient(q, 0), coefficient(q, 1)];
    call.multiply(t, qy, z);
    call.minus(h, y, t);
    call.multiply(t, qx, z);
    call.minus(l, x, t);
    call.reduce(coefficient(line, 0), l);
    call.negate(coefficient(line, 1), h);
    call.multiply(s, h, qx);
    call.multiply(t, l, qy);
    call.minus(coefficient(line, 2), s, t);
    call.square(t, l);
    call.multiply(g, x, t);
    call.multiply(e, l, t);
    call.square(t, h);
    call.multiply(t, t, z);
    call.plusLessTwo(t, e, t, g);
    call.multiply(x, l, t);
    call.subtract(g, g, t);
    call.multiply(g, h, g);
    call.multiply(t, e, y);
    call.minus(y, g, t);
    call.multiply(z, z, e);
  });

  // The q-power map takes (x w^2, y w^3) to (x' root^2 w^2, y' root^3 w^3), ' the conjugate.
  const square = FQ2.multiply(root, root);
  const [toX, toY] = [constant(square), constant(FQ2.multiply(square, root))];
  const frobenius = module.define("line.frobenius", ["i32", "i32"], [], (f, to, q) => {
    const call = calls(f, fq2);
    for (const [i, factor] of [toX, toY].entries()) {
      call.conjugate(coefficient(to, i), coefficient(q, i));
      call.multiply(coefficient(to, i), coefficient(to, i), factor);
    }
  });

  const [one, negative, image] = [
    constant([1n, 0n]),
    assembly.place(2 * FQ2_BYTES),
    assembly.place(2 * FQ2_BYTES),
  ];
  const trace = module.define("line.trace", ["i32", "i32"], [], (f, line, q) => {
    const { reduce, negate } = calls(f, fq2);
    const addLine = (point: Expr<"i32">) => {
      f.call(add, line, point);
      f.advance(line, LINE_BYTES);
    };
    reduce(x, q);
    reduce(y, coefficient(q, 1));
    reduce(z, one);
    reduce(negative, q);
    negate(coefficient(negative, 1), coefficient(q, 1));
    for (const digit of LOOP_DIGITS.slice(1)) {
      f.call(double, line);
      f.advance(line, LINE_BYTES);
      if (digit !== 0) addLine(digit > 0 ? q : negative);
    }
    // T = (6 u + 2) Q, to which the images of Q under the q-power and, negated, the q^2-power come.
    f.call(frobenius, image, q);
    addLine(image);
    f.call(frobenius, image, image);
    negate(coefficient(image, 1), coefficient(image, 1));
    addLine(image);
  });

  const makeMonic = module.define("line.makeMonic", ["i32", "i32"], [], (f, destination, lines) => {
    const call = calls(f, fq2);
    const left = f.local("i32");
    f.set(left, i32.const(LINE_COUNT));
    f.loop(
      () => {
        call.invert(t, lines);
        call.multiply(destination, coefficient(lines, 1), t);
        call.multiply(coefficient(destination, 1), coefficient(lines, 2), t);
        f.advance(lines, LINE_BYTES);
        f.advance(destination, MONIC_LINE_BYTES);
        f.advance(left, -1);
      },
      () => left,
    );
  });
  return { trace, makeMonic };
}

export const MONIC_LINE_BYTES = 2 * FQ2_BYTES;
