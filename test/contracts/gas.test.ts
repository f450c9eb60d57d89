import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type GasSnapshot, gasTables, measureGas } from "./gas.ts";
import { openProver, type TestProver } from "./real-rollup.ts";

const root = join(import.meta.dirname, "../..");
const committed = JSON.parse(
  readFileSync(join(root, "test/snapshots/gas.json"), "utf8"),
) as GasSnapshot;

let prover: TestProver;
let measured: GasSnapshot;

beforeAll(async () => {
  prover = await openProver();
  measured = await measureGas(prover);
});

afterAll(() => prover?.close());

describe("contracts / gas", () => {
  it("is what the snapshot says, to the last unit; `node scripts/gas.ts` writes it anew", () => {
    expect(measured).toEqual(committed);
  });

  it("is what docs/contracts.md prints", () => {
    expect(readFileSync(join(root, "docs/contracts.md"), "utf8")).toContain(gasTables(committed));
  });

  it("adds up: the parts with the stub are the whole with a real proof", () => {
    const { composed, whole } = measured.check;
    expect(composed).toBe(whole);
  });

  it("stays below a transaction's limit of 2^24 for the largest circuit full of exits", () => {
    for (const gas of Object.values(measured.commitBlock)) {
      expect(gas.total + gas.allExits).toBeLessThan(2 ** 24);
    }
  });
});
