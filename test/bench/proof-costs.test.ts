import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { type ProofCosts, snapshotCosts } from "../../bench/proof-costs.ts";
import { planOf } from "../../worker/engines/wasm/msm.ts";

const root = join(import.meta.dirname, "../..");
const recompute = "; if the change is meant: npm run costs -- --proofs";

describe("bench / proof costs", () => {
  let snapshot: Record<string, ProofCosts>;
  let costs: Record<string, ProofCosts>;
  beforeAll(async () => {
    const text = await readFile(join(root, "test/snapshots/proofs.json"), "utf8");
    snapshot = JSON.parse(text);
    costs = await snapshotCosts(root);
  });

  it("are those of the snapshot, for a dense witness and a batch", () => {
    expect(Object.keys(costs)).toEqual(["dense-10", "batch-tiny"]);
    expect(snapshot, recompute).toEqual(costs);
  });

  it("add up to all multiplications of a proof", () => {
    for (const { quotient, a, b2, c, multiplications } of Object.values(costs)) {
      const { sparseProducts, pointwise, transforms } = quotient;
      const inQuotient = sparseProducts + pointwise + transforms;
      const inSums = a.multiplications + b2.multiplications + c.multiplications + c.scaling;
      expect(multiplications).toBe(inQuotient + inSums);
    }
  });

  it("of a dense sum are what its windows promise, and less where sums are merged", () => {
    const { a, b2, c } = costs["dense-10"] as ProofCosts;
    const { bits, windows } = planOf(2 ** 10);
    expect(b2.additions).toBe(a.additions);
    // One addition for each scalar and window but the first of each bucket, then two a bucket.
    expect(a.additions).toBeGreaterThan(windows * (2 ** 10 - 2 ** (bits - 1)));
    expect(a.additions).toBeLessThan(windows * (2 ** 10 + 2 ** bits));
    expect(c.additions).toBeLessThan(3 * a.additions);
  });
});
