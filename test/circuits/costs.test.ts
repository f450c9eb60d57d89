import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type CircuitCosts,
  circuitCosts,
  type MarginalCosts,
  templateCosts,
  templatesDigest,
} from "../../circuits/costs.ts";
import { CIRCUITS, circuitParameters } from "../../circuits/parameters.ts";
import { PUBLIC_SIGNALS } from "../../circuits/signals.ts";

interface Snapshot {
  readonly largeMeasuredOn: string;
  readonly templates: Record<string, number>;
  readonly circuits: Record<string, CircuitCosts>;
  readonly marginal: Record<string, MarginalCosts>;
}

const root = join(import.meta.dirname, "../..");
const path = join(root, "test/snapshots/constraints.json");
const recompute = "; if the change is meant: npm run costs";

describe("circuits / costs", () => {
  let snapshot: Snapshot;
  beforeAll(() => {
    snapshot = JSON.parse(readFileSync(path, "utf8"));
  });

  it("are those of the snapshot, for every template", async () => {
    const costs = await templateCosts(join(root, "build/costs"));
    expect(snapshot.templates, recompute).toEqual(costs);
  });

  for (const id of ["batch-tiny", "batch-4"]) {
    it(`are those of the snapshot, for ${id}`, async () => {
      const builtDir = join(root, "build/circuits", id);
      const folder = join(root, "build/costs", id);
      const costs = await circuitCosts(circuitParameters(id), folder, { builtDir });
      expect(snapshot.circuits[id], recompute).toEqual(costs);
    });
  }

  it("of the large circuits were measured on the present templates", async () => {
    const advice = "the templates have changed: npm run costs -- --all";
    expect(snapshot.largeMeasuredOn, advice).toBe(await templatesDigest());
    expect(Object.keys(snapshot.circuits)).toEqual(CIRCUITS.map(({ id }) => id));
  });

  it("of one more transfer stay below the bars", () => {
    expect(snapshot.marginal["levels 8, top 3"]?.perTransfer).toBeLessThanOrEqual(11_800);
    expect(snapshot.marginal["levels 12, top 3"]?.perTransfer).toBeLessThanOrEqual(16_700);
  });

  it("of one more transfer follow exactly from the two sizes", () => {
    for (const { transfers, constraints, perTransfer } of Object.values(snapshot.marginal)) {
      const exact = (constraints[1] - constraints[0]) / (transfers[1] - transfers[0]);
      expect(transfers[1] - transfers[0]).toBe(15);
      expect(Math.abs(perTransfer - exact)).toBeLessThan(0.005);
    }
  });

  // A transfer costs at least this: a circuit with less room left holds as many as its domain can.
  it("fill each domain as far as transfers go", () => {
    const more = snapshot.marginal["levels 8, top 3"]?.perTransfer ?? 0;
    for (const { id } of CIRCUITS) {
      const { constraints, domainLog2, fillPercent } = snapshot.circuits[id] as CircuitCosts;
      const rows = constraints + PUBLIC_SIGNALS.length + 1;
      expect(rows).toBeLessThanOrEqual(2 ** domainLog2);
      expect(fillPercent).toBeCloseTo((100 * rows) / 2 ** domainLog2, 1);
      if (id !== "batch-tiny") expect(rows + more, id).toBeGreaterThan(2 ** domainLog2);
    }
  });
});
