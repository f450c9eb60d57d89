import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  rootOfUnity,
  TableWriter,
  Transforms,
  takeTables,
} from "../../../worker/engines/wasm/quotient.ts";
import { Region } from "../../../worker/engines/wasm/region.ts";
import { invert, mod, power, SCALAR_FIELD as R } from "../../../worker/field.ts";
import {
  canonical,
  describeOnPaths,
  isNormalised,
  montgomeryProduct,
  quadBytes,
  VectorInstance,
  valueOfLimbs,
} from "./vector-instance.ts";

describeOnPaths("worker / kernels / transform", (path) => {
  const bench = new VectorInstance(path, 24);
  const k = bench.kernels;
  const { fr } = bench.fields;
  const quad = quadBytes(fr);
  const half = 1n << BigInt(fr.limbBits - 1);
  const modR = (values: readonly bigint[]) => values.map((value) => mod(value, R));
  const product = (a: bigint, b: bigint) => montgomeryProduct(fr, a, b);

  /** Limbs of either sign, often at most `halves` / 2 of the base in size; the value below `bound` r. */
  const limbsOf = (halves: bigint, bound: number) => {
    const size = halves * half;
    const limb = fc.oneof(fc.constantFrom(size, -size), fc.bigInt({ min: -size, max: size }));
    const most = BigInt(Math.floor(bound * Number(R >> BigInt(fr.limbBits * (fr.limbs - 1))))) - 8n;
    return fc
      .tuple(
        fc.array(limb, { minLength: fr.limbs - 1, maxLength: fr.limbs - 1 }),
        fc.constantFrom(most, -most, 0n),
      )
      .map(([lower, top]) => [...lower, top]);
  };
  const place = (lanes: readonly (readonly bigint[])[]) => {
    const address = bench.take(quad * Math.ceil(lanes.length / 4));
    lanes.forEach((limbs, i) => {
      bench.putLimbs(fr, bench.laneOf(fr, address, i), limbs);
    });
    return address;
  };
  const valuesOf = (lanes: readonly (readonly bigint[])[]) =>
    lanes.map((limbs) => valueOfLimbs(fr, limbs));
  const areNormalised = (address: number, count: number) =>
    Array.from({ length: count }, (_, i) => bench.limbs(fr, bench.laneOf(fr, address, i))).every(
      (limbs) => isNormalised(fr, limbs, 1.6),
    );

  /** Operands of a run of butterflies over one quad, two or three. */
  const run = (halves: bigint, bound: number) =>
    fc.constantFrom(1, 2, 3).chain((quads) => {
      const lanes = (limbs: fc.Arbitrary<bigint[]>) =>
        fc.array(limbs, { minLength: 4 * quads, maxLength: 4 * quads });
      return fc.record({
        a: lanes(limbsOf(halves, bound)),
        b: lanes(limbsOf(halves, bound)),
        w: lanes(limbsOf(1n, 0.8)),
      });
    });

  for (const name of ["inFrequency", "inFrequencyReduced"] as const) {
    it(`${name}: sums, and differences times twiddle factors, of sums of two`, () => {
      fc.assert(
        fc.property(run(2n, 1.7), ({ a, b, w }) => {
          bench.clear();
          const [x, gap, y, t] = [place(a), bench.take(quad), place(b), place(w)];
          const quads = a.length / 4;
          k[name](x, y - x, t, quads);
          const [va, vb, vw] = [a, b, w].map(valuesOf) as [bigint[], bigint[], bigint[]];
          expect(modR(bench.values(fr, x, 4 * quads))).toEqual(
            modR(va.map((value, i) => value + (vb[i] as bigint))),
          );
          expect(modR(bench.values(fr, y, 4 * quads))).toEqual(
            va.map((value, i) => product(value - (vb[i] as bigint), vw[i] as bigint)),
          );
          expect(areNormalised(y, 4 * quads)).toBe(true);
          if (name === "inFrequencyReduced") expect(areNormalised(x, 4 * quads)).toBe(true);
          expect(bench.values(fr, gap, 4)).toEqual([0n, 0n, 0n, 0n]);
        }),
        { numRuns: 60 },
      );
    });
  }

  for (const name of ["inTime", "inTimeReduced"] as const) {
    it(`${name}: sums and differences with products, of sums of three`, () => {
      fc.assert(
        fc.property(run(3n, 2), ({ a, b, w }) => {
          bench.clear();
          const [x, gap, y, t] = [place(a), bench.take(quad), place(b), place(w)];
          const quads = a.length / 4;
          k[name](x, y - x, t, quads);
          const [va, vb, vw] = [a, b, w].map(valuesOf) as [bigint[], bigint[], bigint[]];
          const products = vb.map((value, i) => product(value, vw[i] as bigint));
          expect(modR(bench.values(fr, x, 4 * quads))).toEqual(
            modR(va.map((value, i) => value + (products[i] as bigint))),
          );
          expect(modR(bench.values(fr, y, 4 * quads))).toEqual(
            modR(va.map((value, i) => value - (products[i] as bigint))),
          );
          if (name === "inTimeReduced") {
            expect(areNormalised(x, 4 * quads) && areNormalised(y, 4 * quads)).toBe(true);
          }
          expect(bench.values(fr, gap, 4)).toEqual([0n, 0n, 0n, 0n]);
        }),
        { numRuns: 60 },
      );
    });
  }

  it("turns within a quad: two layers, factors, two layers", () => {
    const shape = fc.constantFrom(1, 2, 3).chain((quads) => {
      const lanes = (limbs: fc.Arbitrary<bigint[]>, count: number) =>
        fc.array(limbs, { minLength: count, maxLength: count });
      return fc.record({
        a: lanes(limbsOf(1n, 0.9), 4 * quads),
        factors: lanes(limbsOf(1n, 0.8), 4 * quads),
        inverseRoot: lanes(limbsOf(1n, 0.8), 4),
        root: lanes(limbsOf(1n, 0.8), 4),
      });
    });
    fc.assert(
      fc.property(shape, ({ a, factors, inverseRoot, root }) => {
        bench.clear();
        const at = place(a);
        const quads = a.length / 4;
        k.turn(at, place(factors), place(inverseRoot), place(root), quads);
        const [va, vf, vi, vr] = [a, factors, inverseRoot, root].map(valuesOf) as [
          bigint[],
          bigint[],
          bigint[],
          bigint[],
        ];
        const expected = Array.from({ length: quads }, (_, q) => {
          const [x0, x1, x2, x3] = va.slice(4 * q, 4 * q + 4) as [bigint, bigint, bigint, bigint];
          const [f0, f1, f2, f3] = vf.slice(4 * q, 4 * q + 4) as [bigint, bigint, bigint, bigint];
          const [s0, s1] = [x0 + x2, x1 + x3];
          const [d0, d1] = [product(x0 - x2, vi[0] as bigint), product(x1 - x3, vi[1] as bigint)];
          const [c0, c1] = [product(s0 + s1, f0), product(s0 - s1, f1)];
          const [c2, c3] = [product(d0 + d1, f2), product(d0 - d1, f3)];
          const [u0, u1] = [c0 + c1, c0 - c1];
          const [v0, v1] = [product(c2 + c3, vr[0] as bigint), product(c2 - c3, vr[1] as bigint)];
          return [u0 + v0, u1 + v1, u0 - v0, u1 - v1];
        }).flat();
        expect(modR(bench.values(fr, at, 4 * quads))).toEqual(modR(expected));
        expect(areNormalised(at, 4 * quads)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("takes a b - c out of Montgomery form", () => {
    const shape = fc.constantFrom(1, 2, 3).chain((quads) => {
      const numbers = fc.array(canonical(R), { minLength: 4 * quads, maxLength: 4 * quads });
      return fc.tuple(numbers, numbers, numbers);
    });
    fc.assert(
      fc.property(shape, ([a, b, c]) => {
        bench.clear();
        const toMontgomery = (values: readonly bigint[]) =>
          bench.quads(
            fr,
            values.map((value) => (value * fr.radix) % R),
          );
        const [x, y, z] = [a, b, c].map(toMontgomery) as [number, number, number];
        k.quotient(x, x, y, z, a.length / 4);
        expect(modR(bench.values(fr, x, a.length))).toEqual(
          modR(a.map((value, i) => value * (b[i] as bigint) - (c[i] as bigint))),
        );
      }),
      { numRuns: 60 },
    );
  });

  it("takes every second number", () => {
    for (const quads of [1, 2, 5]) {
      bench.clear();
      const values = Array.from({ length: 8 * quads }, (_, i) => BigInt(i + 1) ** 30n);
      const source = bench.quads(fr, values);
      const dst = bench.take(quad * quads);
      k.evens(dst, source, quads);
      expect(bench.values(fr, dst, 4 * quads)).toEqual(values.filter((_, i) => i % 2 === 0));
    }
  });

  describe("whole transforms", () => {
    /** From values at the domain to values at the coset. */
    const toCoset = (n: number, write: (address: number) => void) => {
      bench.clear();
      const region = new Region(bench.take(64));
      const tables = takeTables(region, fr, n);
      bench.take(region.end - bench.take(64));
      const factor = bench.take(quad);
      new TableWriter(k, bench.memory, fr, factor).write(tables, n);
      const address = bench.take((quad * n) / 4);
      write(address);
      new Transforms(k, fr, tables, n).toCoset(address, () => undefined);
      return bench.values(fr, address, n);
    };
    /** Values of the polynomial with the coefficients at these exponents, at x w^i. */
    const evaluate = (terms: readonly (readonly [number, bigint])[], n: number, x: bigint) => {
      const w = rootOfUnity(n);
      const steps = terms.map(([e]) => power(w, BigInt(e), R));
      const now = terms.map(([e, c]) => (c * power(x, BigInt(e), R)) % R);
      return Array.from({ length: n }, () => {
        const value = now.reduce((sum, term) => sum + term, 0n) % R;
        steps.forEach((step, j) => {
          now[j] = ((now[j] as bigint) * step) % R;
        });
        return value;
      });
    };

    it("evaluates any polynomial of a small domain on its coset", () => {
      const inverse = invert(fr.radix, R);
      for (const n of [8, 16, 32, 64]) {
        const terms = fc.array(canonical(R), { minLength: n, maxLength: n });
        fc.assert(
          fc.property(terms, (coefficients) => {
            const polynomial = coefficients.map((c, e) => [e, c] as const);
            const values = evaluate(polynomial, n, 1n);
            const result = toCoset(n, (address) => {
              values.forEach((value, i) => {
                bench.put(fr, bench.laneOf(fr, address, i), (value * fr.radix) % R);
              });
            });
            expect(modR(result.map((value) => value * inverse))).toEqual(
              evaluate(polynomial, n, rootOfUnity(2 * n)),
            );
          }),
          { numRuns: 5 },
        );
      }
    });

    it("evaluates sparse polynomials on the coset of each domain up to 2^15", () => {
      const inverse = invert(fr.radix, R);
      for (let log = 7; log <= 15; log++) {
        const n = 2 ** log;
        const terms = [
          [0, 5n],
          [1, R - 1n],
          [n / 2 + 1, 2n ** 253n],
          [n - 1, 12345n],
        ] as const;
        const values = evaluate(terms, n, 1n);
        const result = toCoset(n, (address) => {
          values.forEach((value, i) => {
            bench.put(fr, bench.laneOf(fr, address, i), (value * fr.radix) % R);
          });
        });
        const expected = evaluate(terms, n, rootOfUnity(2 * n));
        const wrong = result.findIndex((value, i) => mod(value * inverse, R) !== expected[i]);
        expect(wrong, `domain 2^${log}`).toBe(-1);
      }
    });

    it("keeps its bounds where all sums add up: values the same, or of alternating sign", () => {
      const top = R >> BigInt(fr.limbBits * (fr.limbs - 1));
      for (const limb of [half, -half]) {
        const limbs = [...new Array<bigint>(fr.limbs - 1).fill(limb), (9n * top) / 20n];
        const value = valueOfLimbs(fr, limbs);
        for (let log = 3; log <= 12; log++) {
          const n = 2 ** log;
          for (const alternates of [false, true]) {
            const result = toCoset(n, (address) => {
              for (let i = 0; i < n; i++) {
                const sign = alternates && i % 2 === 1 ? -1n : 1n;
                const lane = bench.laneOf(fr, address, i);
                bench.putLimbs(
                  fr,
                  lane,
                  limbs.map((x) => sign * x),
                );
              }
            });
            // (-1)^i is w^(i n / 2); at the coset that is (g w^i)^(n / 2).
            const turn = alternates ? power(rootOfUnity(2 * n), BigInt(n / 2), R) : 1n;
            const expected = [mod(value * turn, R), mod(alternates ? -value * turn : value, R)];
            const wrong = modR(result).findIndex((x, i) => x !== expected[i % 2]);
            expect(wrong, `domain 2^${log}`).toBe(-1);
          }
        }
      }
    });
  });
});
