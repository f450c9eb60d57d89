import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mod } from "../../../worker/field.ts";
import type { VectorField } from "../../../worker/kernels/vector-field.ts";
import {
  canonical,
  describeOnPaths,
  edges,
  isNormalised,
  montgomeryProduct,
  quadBytes,
  VectorInstance,
} from "./vector-instance.ts";

describeOnPaths("worker / kernels / integers", (path) => {
  const bench = new VectorInstance(path);
  describe("over q", () => suite(bench, bench.fields.fq, "Q"));
  describe("over r", () => suite(bench, bench.fields.fr, "R"));
});

function suite(bench: VectorInstance, field: VectorField, letter: "Q" | "R"): void {
  const p = field.modulus;
  const k = bench.kernels;
  const quad = quadBytes(field);
  /** Numbers for one quad, two, or an odd number of them. */
  const quads = fc.constantFrom(1, 2, 3, 5);
  const numbers = (count: number, element = canonical(p)) =>
    fc.array(element, { minLength: count, maxLength: count });
  const any256 = fc.oneof(
    fc.constantFrom(...edges(1n << 256n), (1n << 256n) - 1n, p, p + 1n, 2n * p),
    fc.bigInt({ min: 0n, max: (1n << 256n) - 1n }),
  );
  const modP = (values: readonly bigint[]) => values.map((value) => mod(value, p));

  it("multiplies arrays, also into the place of an operand", () => {
    const operands = quads.chain((n) => fc.tuple(numbers(4 * n), numbers(4 * n)));
    fc.assert(
      fc.property(operands, ([a, b]) => {
        bench.clear();
        const n = a.length / 4;
        const [x, y] = [bench.quads(field, a), bench.quads(field, b)];
        const dst = bench.take(quad * n);
        const behind = bench.quads(field, [5n]);
        const expected = a.map((value, i) => montgomeryProduct(field, value, b[i] as bigint));
        k[`multiply${letter}`](dst, x, y, n);
        expect(modP(bench.values(field, dst, 4 * n))).toEqual(expected);
        expect(bench.get(field, behind)).toBe(5n);
        k[`multiply${letter}`](y, x, y, n);
        expect(modP(bench.values(field, y, 4 * n))).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  it("scales an array by one quad", () => {
    const operands = quads.chain((n) => fc.tuple(numbers(4 * n), numbers(4)));
    fc.assert(
      fc.property(operands, ([a, factor]) => {
        bench.clear();
        const n = a.length / 4;
        const [x, y] = [bench.quads(field, a), bench.quads(field, factor)];
        k[`scale${letter}`](x, x, y, n);
        expect(modP(bench.values(field, x, 4 * n))).toEqual(
          a.map((value, i) => montgomeryProduct(field, value, factor[i % 4] as bigint)),
        );
      }),
      { numRuns: 60 },
    );
  });

  it("unpacks integers into limbs in bounds", () => {
    const integers = quads.chain((n) => numbers(4 * n, any256));
    fc.assert(
      fc.property(integers, (values) => {
        bench.clear();
        const n = values.length / 4;
        const source = bench.integers(values);
        const dst = bench.take(quad * n);
        k[`unpack${letter}`](dst, source, n);
        expect(modP(bench.values(field, dst, 4 * n))).toEqual(modP(values));
        for (let i = 0; i < 4 * n; i++) {
          const limbs = bench.limbs(field, bench.laneOf(field, dst, i));
          expect(isNormalised(field, limbs, 0.501)).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
  });

  it("gathers integers by their indices, good as both operands of a product", () => {
    const shape = fc.record({
      values: fc.array(canonical(p), { minLength: 1, maxLength: 12 }),
      picks: quads.chain((n) => fc.array(fc.nat(), { minLength: 4 * n, maxLength: 4 * n })),
    });
    fc.assert(
      fc.property(shape, ({ values, picks }) => {
        bench.clear();
        const n = picks.length / 4;
        const indices = picks.map((pick) => pick % values.length);
        const source = bench.integers(values);
        const [x, y] = [bench.take(quad * n), bench.take(quad * n)];
        k[`gather${letter}`](x, source, bench.list(indices), n);
        k[`gather${letter}`](y, source, bench.list(indices.toReversed()), n);
        const chosen = indices.map((i) => values[i] as bigint);
        expect(bench.values(field, x, 4 * n)).toEqual(chosen);
        k[`multiply${letter}`](x, x, y, n);
        expect(modP(bench.values(field, x, 4 * n))).toEqual(
          chosen.map((value, i) =>
            montgomeryProduct(field, value, chosen[4 * n - 1 - i] as bigint),
          ),
        );
      }),
      { numRuns: 60 },
    );
  });

  it("packs numbers below 2 p in size, one and more, into canonical integers", () => {
    const special = [0n, 1n, p - 1n, p, p + 1n, 2n * p - 1n].flatMap((x) => [x, -x]);
    const value = fc.oneof(
      fc.constantFrom(...special),
      canonical(p),
      canonical(p).map((x) => -x),
      fc.bigInt({ min: 1n - 2n * p, max: 2n * p - 1n }),
    );
    /** Carries that were not taken: limbs of a sum. */
    const carries = fc.array(fc.constantFrom(-1n, 0n, 1n), {
      minLength: field.limbs - 1,
      maxLength: field.limbs - 1,
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(value, carries), { minLength: 1, maxLength: 9 }), (all) => {
        bench.clear();
        const source = bench.take(quad * Math.ceil(all.length / 4));
        all.forEach(([x, shifts], i) => {
          const lane = bench.laneOf(field, source, i);
          bench.put(field, lane, x);
          const limbs = bench.limbs(field, lane);
          shifts.forEach((by, j) => {
            const moved = (limbs[j] as bigint) + (by << BigInt(field.limbBits));
            if (moved > 1n << BigInt(field.limbBits) || -moved > 1n << BigInt(field.limbBits))
              return;
            limbs[j] = moved;
            limbs[j + 1] = (limbs[j + 1] as bigint) - by;
          });
          bench.putLimbs(field, lane, limbs);
        });
        const dst = bench.integers(all.map(() => 0n));
        const behind = bench.integers([7n]);
        k[`pack${letter}`](dst, source, all.length);
        expect(all.map((_, i) => bench.integer(dst + 32 * i))).toEqual(all.map(([x]) => mod(x, p)));
        expect(bench.integer(behind)).toBe(7n);
      }),
      { numRuns: 200 },
    );
  });
}
