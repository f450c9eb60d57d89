/**
 * Whether coordinates are a point of the curve, and whether a point of G2's curve is in G2.
 *
 * The curve over Fq2 has r h points, h a cofactor of 254 bits with small factors (10069 is the
 * smallest), and a pairing says nothing about points outside the subgroup of order r. Instead of
 * multiplying by r (254 doublings) it is enough to check
 *
 *     (u + 1) Q + psi(u Q) + psi^2(u Q) = psi^3(2 u Q)
 *
 * (63 doublings): El Housni, Guillevic, Piellard, "Co-factor clearing and subgroup membership testing
 * on pairing-friendly curves", eprint.iacr.org/2022/348, section 5.1. psi is the q-power map on the
 * curve over Fq12, seen from this curve: (x, y) -> (x' root^2, y' root^3).
 *
 * Why. On all of the curve psi^2 - t psi + q = 0, with t = 6 u^2 + 1 (the curve's trace). Modulo that
 * polynomial, P(X) = (u + 1) + u X + u X^2 - 2 u X^3 is some a + b X, and the product of a + b psi
 * with its conjugate is the integer N = a^2 + a b t + b^2 q. If P(psi) Q = 0 then N Q = 0; as
 * also r h Q = 0 and gcd(N, r h) = r (checked in the tests), r Q = 0. The other way, psi is the
 * multiplication by 6 u^2 on G2, and P(6 u^2) = 0 mod r.
 */
import type { Fq2 } from "../../curve.ts";
import { FQ2 } from "../../curve.ts";
import { callOf, type FunctionWriter } from "../emitter.ts";
import { type Expr, i32 } from "../instructions.ts";
import { type Assembly, calls, component } from "./assembly.ts";
import { writeLinear } from "./fq.ts";
import { FQ2_BYTES, type QuadraticField } from "./fq2.ts";
import type { CoordinateField, GroupKernels } from "./group.ts";
import { FQ_BYTES, toMontgomery } from "./limbs.ts";
import { CURVE_PARAMETER, signedDigits } from "./lines.ts";

/**
 * Writes (p) -> whether an affine point is on y^2 = x^3 + b or at infinity.
 *
 * @param b  the components of the curve's constant.
 */
export function writeEquation(
  assembly: Assembly,
  name: string,
  field: CoordinateField,
  b: readonly bigint[],
): FunctionWriter {
  const size = FQ_BYTES * b.length;
  const difference = writeLinear(assembly, `${name}.x-y-z`, b.length, [1n, -1n, -1n]);
  const constant = assembly.constant(...b.map(toMontgomery));
  const [left, right] = [assembly.place(size), assembly.place(size)];
  return assembly.module.define(`${name}.isOnCurve`, ["i32"], ["i32"], (f, p) => {
    const { square, multiply } = calls(f, field);
    const y = component(p, 1, size);
    square(right, p);
    multiply(right, right, p);
    square(left, y);
    f.call(difference, left, left, right, constant);
    const isZero = (a: Expr<"i32">) => callOf("i32", field.isZero, a);
    f.result(i32.or(isZero(left), i32.and(isZero(p), isZero(y))));
  });
}

/** Writes (q) -> whether an affine point of G2's curve, or infinity, is in G2. */
export function writeSubgroup(
  assembly: Assembly,
  fq2: QuadraticField,
  group: GroupKernels,
  root: Fq2,
): FunctionWriter {
  const { module } = assembly;
  const part = (p: Expr<"i32">, i: number) => component(p, i, FQ2_BYTES);
  const square = FQ2.multiply(root, root);
  const factors = [square, FQ2.multiply(square, root)].map(([x, y]) =>
    assembly.constant(toMontgomery(x), toMontgomery(y)),
  );
  const psi = module.define("g2.psi", ["i32", "i32"], [], (f, d, p) => {
    for (let i = 0; i < 3; i++) f.call(fq2.conjugate, part(d, i), part(p, i));
    for (const [i, factor] of factors.entries()) {
      f.call(fq2.multiply, part(d, i), part(d, i), factor);
    }
  });
  const place = () => assembly.place(3 * FQ2_BYTES);
  const [negative, multiple, image, sum] = [place(), place(), place(), place()];
  return module.define("g2.isInSubgroup", ["i32"], ["i32"], (f, q) => {
    const { clear, double, addAffine, add } = calls(f, {
      clear: group.clear,
      double: group.double,
      addAffine: group.addAffine,
      add: group.add,
    });
    f.call(fq2.reduce, negative, q);
    f.call(fq2.negate, part(negative, 1), part(q, 1));
    clear(multiple);
    addAffine(multiple, q);
    for (const digit of signedDigits(CURVE_PARAMETER, 2).reverse().slice(1)) {
      double(multiple);
      if (digit !== 0) addAffine(multiple, digit > 0 ? q : negative);
    }
    clear(sum);
    add(sum, multiple);
    addAffine(sum, q);
    f.call(psi, image, multiple);
    add(sum, image);
    f.call(psi, image, image);
    add(sum, image);
    // psi^3 of twice the multiple is twice psi^3 of it.
    f.call(psi, image, image);
    double(image);
    f.call(fq2.negate, part(image, 1), part(image, 1));
    add(sum, image);
    f.result(callOf("i32", fq2.isZero, part(sum, 2)));
  });
}
