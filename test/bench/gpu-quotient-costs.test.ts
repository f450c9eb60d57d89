import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { quotientCosts, snapshotQuotientCosts } from "../../bench/gpu-quotient-costs.ts";

const snapshotPath = join(import.meta.dirname, "../snapshots/gpu-quotient.json");

describe("bench / gpu quotient costs", () => {
  it("are those of the snapshot", async () => {
    const snapshot = JSON.parse(await readFile(snapshotPath, "utf8"));
    const recompute = "; if the change is meant: npm run costs -- --proofs";
    expect(snapshot, recompute).toEqual(await snapshotQuotientCosts());
  });

  it("are six transforms, three shifts and two products a value", async () => {
    for (const k of [1, 2, 9, 10, 17, 20]) {
      const n = 2 ** k;
      const { multiplications } = await quotientCosts(n);
      const expected = { transforms: 3 * n * (k - 1), coset: 3 * n, pointwise: 2 * n };
      expect(multiplications, `2^${k}`).toEqual({ ...expected, total: n * (3 * k + 2) });
    }
  });
});
