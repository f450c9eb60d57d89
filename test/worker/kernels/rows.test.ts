import fc from "fast-check";
import { expect, it } from "vitest";
import { mod } from "../../../worker/field.ts";
import { MAX_ROW_ENTRIES } from "../../../worker/kernels/rows.ts";
import {
  canonical,
  describeOnPaths,
  isNormalised,
  quadBytes,
  VectorInstance,
  valueOfLimbs,
} from "./vector-instance.ts";

describeOnPaths("worker / kernels / rows", (path) => {
  const bench = new VectorInstance(path, 8);
  const k = bench.kernels;
  const { fr } = bench.fields;
  const r = fr.modulus;
  const quad = quadBytes(fr);

  /** Lanes from `dst` on, mod r, and whether their limbs are in bounds. */
  const finish = (rows: number, count: number) => {
    const dst = bench.take(quad * Math.ceil(count / 4));
    const behind = bench.quads(fr, [3n]);
    k.finishRows(rows, dst, count);
    expect(bench.get(fr, behind)).toBe(3n);
    return Array.from({ length: count }, (_, i) => {
      const limbs = bench.limbs(fr, bench.laneOf(fr, dst, i));
      expect(isNormalised(fr, limbs, 0.51)).toBe(true);
      return mod(valueOfLimbs(fr, limbs), r);
    });
  };

  it("adds each product to its row, one row and more", () => {
    const shape = fc.record({
      rows: fc.integer({ min: 1, max: 11 }),
      quads: fc.integer({ min: 1, max: 9 }),
      values: fc.infiniteStream(canonical(r)),
      indices: fc.infiniteStream(fc.nat()),
    });
    fc.assert(
      fc.property(shape, ({ rows, quads, values, indices }) => {
        bench.clear();
        const products = Array.from({ length: 4 * quads }, () => values.next().value as bigint);
        const targets = products.map(() => indices.next().value % rows);
        const accumulators = bench.take(8 * fr.limbs * rows);
        k.addToRows(bench.quads(fr, products), bench.list(targets), accumulators, quads);
        const expected = Array.from({ length: rows }, () => 0n);
        products.forEach((value, i) => {
          const row = targets[i] as number;
          expected[row] = ((expected[row] as bigint) + value) % r;
        });
        expect(finish(accumulators, rows)).toEqual(expected);
      }),
      { numRuns: 100 },
    );
  });

  it("holds as many products as a row may have, with every limb at its extreme", () => {
    const half = 1n << BigInt(fr.limbBits - 1);
    const top = r >> BigInt(fr.limbBits * (fr.limbs - 1));
    const rows = [
      [half, top],
      [-half, -top],
      [half, -top],
      [-half, top],
    ].map(([limb, highest]) => [
      ...new Array<bigint>(fr.limbs - 1).fill(limb as bigint),
      highest as bigint,
    ]);
    bench.clear();
    const accumulators = bench.take(8 * fr.limbs * 4);
    const products = bench.take(quad);
    rows.forEach((limbs, lane) => {
      bench.putLimbs(fr, products + 8 * lane, limbs);
    });
    const targets = bench.list([0, 1, 2, 3]);
    for (let i = 0; i < MAX_ROW_ENTRIES; i++) k.addToRows(products, targets, accumulators, 1);
    expect(finish(accumulators, 4)).toEqual(
      rows.map((limbs) => mod(BigInt(MAX_ROW_ENTRIES) * valueOfLimbs(fr, limbs), r)),
    );
  });
});
