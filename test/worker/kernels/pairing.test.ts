import { bn254 } from "@noble/curves/bn254.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FQ2, type Fq2, G1, type G1Point, G2, type G2Point } from "../../../worker/curve.ts";
import { isPairingProductOne } from "../../../worker/engines/reference-pairing.ts";
import { mod, BASE_FIELD as Q, SCALAR_FIELD as R } from "../../../worker/field.ts";
import type { Assembly } from "../../../worker/kernels/scalar/assembly.ts";
import { writePrimeField } from "../../../worker/kernels/scalar/fq.ts";
import { writeQuadraticField } from "../../../worker/kernels/scalar/fq2.ts";
import { writeCubicField } from "../../../worker/kernels/scalar/fq6.ts";
import { FQ12_BYTES, writeTower12 } from "../../../worker/kernels/scalar/fq12.ts";
import { writeInverse, writeMontgomeryInverse } from "../../../worker/kernels/scalar/inverse.ts";
import { FQ_BYTES, fromMontgomery, readElement } from "../../../worker/kernels/scalar/limbs.ts";
import {
  LINE_COUNT,
  LOOP_DIGITS,
  signedDigits,
  CURVE_PARAMETER as U,
} from "../../../worker/kernels/scalar/lines.ts";
import { compileProgram } from "../../../worker/kernels/scalar/program.ts";
import { Tower } from "../../../worker/kernels/tower.ts";
import { Verifier } from "../../../worker/kernels/verifier.ts";
import { canonical, scalarInstance } from "./scalar-instance.ts";

const kernels = scalarInstance((assembly: Assembly) => {
  const fq = writePrimeField(assembly);
  const invert = writeMontgomeryInverse(assembly, fq, writeInverse(assembly, fq));
  const fq2 = writeQuadraticField(assembly, fq, invert);
  writeTower12(assembly, fq2, writeCubicField(assembly, fq2));
});
const [a, b, d] = [kernels.place(12), kernels.place(12), kernels.place(12)];

const { Fp2, Fp6, Fp12 } = bn254.fields;
type Fp12 = Parameters<typeof Fp12.inv>[0];
type Fp6 = Fp12["c0"];
type Fp2 = Fp6["c0"];

const pair = (x: Fp2): Fq2 => [x.c0, x.c1];
const sextuple = (x: Fp6): bigint[] => [x.c0, x.c1, x.c2].flatMap(pair);
const dozen = (x: Fp12): bigint[] => [...sextuple(x.c0), ...sextuple(x.c1)];
const fp12Of = (values: readonly bigint[]): Fp12 => Fp12.fromBigTwelve(values as never);

/** Elements with many zeros and edges as well as random ones. */
const element = fc.array(fc.oneof(fc.constantFrom(0n, 1n, Q - 1n), canonical), {
  minLength: 12,
  maxLength: 12,
});
const invertible = element.filter((values) => values.some((value) => value !== 0n));

function binary(name: string, elements: number, x: readonly bigint[], y: readonly bigint[]) {
  kernels.enter(a, ...x);
  kernels.enter(b, ...y);
  kernels.call(name, d, a, b);
  const result = kernels.leave(d, elements);
  kernels.call(name, a, a, b);
  expect(kernels.leave(a, elements), "in the place of the first").toEqual(result);
  return result;
}

function unary(name: string, elements: number, x: readonly bigint[]) {
  kernels.enter(a, ...x);
  kernels.call(name, d, a);
  const result = kernels.leave(d, elements);
  kernels.call(name, a, a);
  expect(kernels.leave(a, elements), "in place").toEqual(result);
  return result;
}

describe("worker / kernels / scalar Fq6 and Fq12", () => {
  it("multiplies as noble does", () => {
    fc.assert(
      fc.property(element, element, (x, y) => {
        const [p, q] = [fp12Of(x), fp12Of(y)];
        expect(binary("fq6.multiply", 6, x.slice(0, 6), y.slice(0, 6))).toEqual(
          sextuple(Fp6.mul(p.c0, q.c0)),
        );
        expect(binary("fq12.multiply", 12, x, y)).toEqual(dozen(Fp12.mul(p, q)));
        expect(unary("fq12.square", 12, x)).toEqual(dozen(Fp12.sqr(p)));
      }),
      { numRuns: 500 },
    );
  });

  it("multiplies by a line, of three parts and monic, as by the whole element", () => {
    fc.assert(
      fc.property(element, element, (x, line) => {
        const [l0, l1, l3] = [line.slice(0, 2), line.slice(2, 4), line.slice(4, 6)];
        const zero = [0n, 0n];
        const whole = (first: readonly bigint[]) =>
          fp12Of([...first, ...zero, ...zero, ...l1, ...l3, ...zero]);
        const at = (part: number) => b + 2 * FQ_BYTES * part;
        kernels.enter(b, ...l0, ...l1, ...l3);
        kernels.enter(a, ...x);
        kernels.call("fq12.multiplyLine", a, at(0), at(1), at(2));
        expect(kernels.leave(a, 12)).toEqual(dozen(Fp12.mul(fp12Of(x), whole(l0))));
        kernels.enter(a, ...x);
        kernels.call("fq12.multiplyMonicLine", a, at(1), at(2));
        expect(kernels.leave(a, 12)).toEqual(dozen(Fp12.mul(fp12Of(x), whole([1n, 0n]))));
      }),
      { numRuns: 300 },
    );
  });

  it("stays in range over long chains of products, squares and lines", () => {
    // The kernels are checked: an operand out of range traps.
    fc.assert(
      fc.property(invertible, (x) => {
        let expected = fp12Of(x);
        const start = expected;
        kernels.enter(a, ...x);
        kernels.enter(b, ...x);
        for (let i = 0; i < 30; i++) {
          kernels.call("fq12.multiply", a, a, b);
          kernels.call("fq12.square", a, a);
          expected = Fp12.sqr(Fp12.mul(expected, start));
        }
        expect(kernels.leave(a, 12)).toEqual(dozen(expected));
      }),
      { numRuns: 20 },
    );
  });

  it("inverts, conjugates and takes powers of q", () => {
    fc.assert(
      fc.property(invertible, (x) => {
        const p = fp12Of(x);
        expect(unary("fq12.invert", 12, x)).toEqual(dozen(Fp12.inv(p)));
        expect(unary("fq12.conjugate", 12, x)).toEqual(dozen(Fp12.conjugate(p)));
        expect(unary("fq12.frobenius1", 12, x)).toEqual(dozen(Fp12.frobeniusMap(p, 1)));
        expect(unary("fq12.frobenius2", 12, x)).toEqual(dozen(Fp12.frobeniusMap(p, 2)));
        expect(unary("fq12.frobenius3", 12, x)).toEqual(dozen(Fp12.frobeniusMap(p, 3)));
        if (x.slice(0, 6).some((value) => value !== 0n)) {
          expect(unary("fq6.invert", 6, x.slice(0, 6))).toEqual(sextuple(Fp6.inv(p.c0)));
        }
      }),
      { numRuns: 200 },
    );
  });

  it("squares cyclotomic elements", () => {
    fc.assert(
      fc.property(invertible, (x) => {
        const p = fp12Of(x);
        const once = Fp12.mul(Fp12.conjugate(p), Fp12.inv(p));
        const cyclotomic = Fp12.mul(Fp12.frobeniusMap(once, 2), once);
        expect(unary("fq12.squareCyclotomic", 12, dozen(cyclotomic))).toEqual(
          dozen(Fp12.sqr(cyclotomic)),
        );
      }),
      { numRuns: 200 },
    );
  });

  it("knows one, and copies", () => {
    const one = [1n, ...new Array<bigint>(11).fill(0n)];
    kernels.call("fq12.setOne", a);
    expect(kernels.leave(a, 12)).toEqual(one);
    expect(kernels.call("fq12.isOne", a)).toBe(1);
    for (let i = 0; i < 12; i++) {
      for (const other of [1n, Q - 1n]) {
        kernels.enter(a, ...one.with(i, mod((one[i] as bigint) + other, Q)));
        expect(kernels.call("fq12.isOne", a), `part ${i} + ${other}`).toBe(0);
        expect(unary("fq12.copy", 12, kernels.leave(a, 12))[i]).toBe(
          mod((one[i] ?? 0n) + other, Q),
        );
      }
    }
  });
});

describe("worker / kernels / scalar pairing constants", () => {
  it("has q and r as the curve's polynomials in u", () => {
    expect(36n * U ** 4n + 36n * U ** 3n + 24n * U ** 2n + 6n * U + 1n).toBe(Q);
    expect(36n * U ** 4n + 36n * U ** 3n + 18n * U ** 2n + 6n * U + 1n).toBe(R);
  });

  it("writes numbers in signed digits", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 1n, max: 2n ** 70n }),
        fc.integer({ min: 2, max: 6 }),
        (n, w) => {
          const digits = signedDigits(n, w);
          expect(digits.reduceRight((sum, digit) => 2n * sum + BigInt(digit), 0n)).toBe(n);
          expect(digits.at(-1)).toBeGreaterThan(0);
          for (const [i, digit] of digits.entries()) {
            if (digit === 0) continue;
            expect(Math.abs(digit % 2)).toBe(1);
            expect(Math.abs(digit)).toBeLessThan(2 ** (w - 1));
            for (const next of digits.slice(i + 1, i + w)) expect(next).toBe(0);
          }
        },
      ),
    );
    expect(LOOP_DIGITS.reduce((sum, digit) => 2n * sum + BigInt(digit), 0n)).toBe(6n * U + 2n);
    expect(LINE_COUNT).toBe(88);
  });

  it("raises to a multiple, prime to r, of the final exponent", () => {
    const digits = [
      1n + 6n * U + 12n * U ** 2n + 12n * U ** 3n,
      4n * U + 6n * U ** 2n + 12n * U ** 3n,
      6n * U + 6n * U ** 2n + 12n * U ** 3n,
      -1n + 4n * U + 6n * U ** 2n + 12n * U ** 3n,
    ];
    const power = digits.reduceRight((sum, digit) => sum * Q + digit, 0n);
    expect(power).toBe(((Q ** 4n - Q ** 2n + 1n) / R) * MULTIPLE);
    expect(gcd(MULTIPLE, R)).toBe(1n);
  });

  it("checks the subgroup by a relation whose norm has only r in common with the curve's order", () => {
    const trace = 6n * U ** 2n + 1n;
    const relation = [U + 1n, U, U, -2n * U];
    // Modulo X^2 - trace X + q.
    for (const k of [3, 2]) {
      const top = relation[k] as bigint;
      relation[k - 1] = (relation[k - 1] as bigint) + trace * top;
      relation[k - 2] = (relation[k - 2] as bigint) - Q * top;
    }
    const [x, y] = relation as [bigint, bigint];
    const norm = x * x + x * y * trace + y * y * Q;
    expect(gcd(norm, R * COFACTOR)).toBe(R);
    expect(mod(U + 1n + U * (6n * U ** 2n) + U * (6n * U ** 2n) ** 2n, R)).toBe(
      mod(2n * U * (6n * U ** 2n) ** 3n, R),
    );
  });
});

/** The power of the exact final exponent that the kernels take. */
const MULTIPLE = 2n * U * (6n * U ** 2n + 3n * U + 1n);
/** The curve of G2 has R * COFACTOR points. */
const COFACTOR = 2n * Q - R;

function gcd(x: bigint, y: bigint): bigint {
  return y === 0n ? (x < 0n ? -x : x) : gcd(y, x % y);
}

const tower = Tower.open(compileProgram({ isChecked: true }));
const verifier = new Verifier(tower);

function g1(k: bigint): G1Point {
  if (mod(k, R) === 0n) return G1.infinity;
  const { x, y } = bn254.G1.Point.BASE.multiply(mod(k, R)).toAffine();
  return { x, y };
}
function g2(k: bigint): G2Point {
  if (mod(k, R) === 0n) return G2.infinity;
  const { x, y } = bn254.G2.Point.BASE.multiply(mod(k, R)).toAffine();
  return { x: pair(x), y: pair(y) };
}

const scalar = fc.oneof(
  fc.constantFrom(0n, 1n, 2n, R - 1n, R - 2n),
  fc.bigInt({ min: 0n, max: R - 1n }),
);

describe("worker / kernels / verifier isPairingProductOne", () => {
  it("is one if the logarithms add up to zero, and only then, for any number of pairs", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(scalar, scalar), { maxLength: 10 }), (logarithms) => {
        const total = logarithms.reduce((sum, [k, l]) => mod(sum + k * l, R), 0n);
        const pairs = logarithms.map(([k, l]) => [g1(k), g2(l)] as const);
        expect(verifier.isPairingProductOne(pairs)).toBe(total === 0n);
        expect(verifier.isPairingProductOne([...pairs, [g1(-total), g2(1n)]])).toBe(true);
        expect(verifier.isPairingProductOne([[g1(1n - total), g2(1n)], ...pairs])).toBe(false);
      }),
      { numRuns: 40 },
    );
  });

  it("agrees with the bigint pairing", () => {
    const pairs = [
      [g1(6n), g2(5n)],
      [g1(-10n), g2(3n)],
    ] as const;
    expect(isPairingProductOne(pairs)).toBe(true);
    expect(verifier.isPairingProductOne(pairs)).toBe(true);
    const others = [pairs[0], [g1(-10n), g2(4n)]] as const;
    expect(isPairingProductOne(others)).toBe(false);
    expect(verifier.isPairingProductOne(others)).toBe(false);
  });

  it("takes infinity on either side for a factor of one, and no pairs for one", () => {
    const infinite = [
      [G1.infinity, g2(5n)],
      [g1(5n), G2.infinity],
      [G1.infinity, G2.infinity],
    ] as const;
    expect(verifier.isPairingProductOne([])).toBe(true);
    expect(verifier.isPairingProductOne(infinite)).toBe(true);
    expect(verifier.isPairingProductOne([...infinite, [g1(1n), g2(1n)]])).toBe(false);
  });

  it("has noble's pairing as its value", () => {
    fc.assert(
      fc.property(scalar, scalar, (k, l) => {
        fc.pre(k !== 0n && l !== 0n);
        verifier.isPairingProductOne([[g1(k), g2(l)]]);
        const { bytes, program } = tower.machine;
        const view = new DataView(bytes.buffer);
        const value = Array.from({ length: FQ12_BYTES / FQ_BYTES }, (_, i) =>
          fromMontgomery(readElement(view, program.pairs.value + FQ_BYTES * i)),
        );
        // noble takes the same multiple of the final exponent.
        const paired = bn254.pairing(
          bn254.G1.Point.BASE.multiply(k),
          bn254.G2.Point.BASE.multiply(l),
        );
        expect(value).toEqual(dozen(paired));
      }),
      { numRuns: 5 },
    );
  });
});

describe("worker / kernels / tower isInSubgroupG2", () => {
  const b2 = FQ2.multiply([3n, 0n], FQ2.invert([9n, 1n]));
  /** Points of the curve, in the group or, nearly always, not. */
  function pointAt(start: bigint): G2Point {
    for (let real = start; ; real++) {
      const x: Fq2 = [real, start % 7n];
      const right = FQ2.add(FQ2.multiply(FQ2.multiply(x, x), x), b2);
      try {
        return { x, y: pair(Fp2.sqrt({ c0: right[0], c1: right[1] })) };
      } catch {} // not a square
    }
  }

  it("refuses points of the curve outside the subgroup, and takes them cleared of the cofactor", () => {
    for (let i = 1n; i <= 12n; i++) {
      const stray = pointAt(i * 1000n);
      expect(G2.isOnCurve(stray)).toBe(true);
      expect(G2.isInSubgroup(stray)).toBe(false);
      expect(tower.isInSubgroupG2(stray)).toBe(false);
      const cleared = G2.multiply(stray, COFACTOR);
      expect(tower.isInSubgroupG2(cleared)).toBe(true);
      expect(tower.isInSubgroupG2(G2.add(cleared, stray))).toBe(false);
    }
  });

  it("refuses points of small order, alone and added to a point of the subgroup", () => {
    for (const order of [10069n, 5864401n, 1875725156269n]) {
      expect(COFACTOR % order).toBe(0n);
      const small = G2.multiply(pointAt(5n), (R * COFACTOR) / order);
      expect(G2.isInfinity(small)).toBe(false);
      expect(G2.isInfinity(G2.multiply(small, order))).toBe(true);
      expect(tower.isInSubgroupG2(small), `${order}`).toBe(false);
      expect(tower.isInSubgroupG2(G2.add(small, g2(77n))), `${order}`).toBe(false);
    }
  });

  it("takes points of the subgroup and infinity", () => {
    fc.assert(
      fc.property(scalar, (k) => {
        expect(tower.isInSubgroupG2(g2(k))).toBe(true);
        expect(tower.isInG1(g1(k))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it("refuses points off the curve and coordinates that are not canonical", () => {
    const { x, y } = g2(5n);
    const off: Fq2[] = [
      [y[0] + 1n, y[1]],
      [y[0], mod(y[1] + 1n, Q)],
      [1n, 0n],
      [0n, 0n],
    ];
    for (const wrong of off) expect(tower.isInSubgroupG2({ x, y: wrong })).toBe(false);
    for (const by of [Q, -Q, 2n ** 256n]) {
      expect(tower.isInSubgroupG2({ x: [x[0] + by, x[1]], y })).toBe(false);
      expect(tower.isInSubgroupG2({ x, y: [y[0], y[1] + by] })).toBe(false);
      expect(tower.isInG1({ x: 1n + by, y: 2n })).toBe(false);
      expect(tower.isInG1({ x: by < 0n ? Q : by, y: 0n })).toBe(false);
    }
    for (const wrong of [
      { x: 1n, y: 3n },
      { x: 0n, y: 1n },
      { x: 1n, y: 0n },
    ]) {
      expect(tower.isInG1(wrong)).toBe(false);
    }
  });
});
