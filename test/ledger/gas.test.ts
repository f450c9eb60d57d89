import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { type LedgerGas, ledgerGasTables, measureLedgerGas } from "./ledger-gas.ts";

const root = join(import.meta.dirname, "../..");
const committed = JSON.parse(
  readFileSync(join(root, "test/snapshots/ledger-gas.json"), "utf8"),
) as LedgerGas;
const docs = readFileSync(join(root, "docs/contracts.md"), "utf8");

let measured: LedgerGas;

beforeAll(async () => {
  measured = await measureLedgerGas();
});

describe("ledger / gas", () => {
  it("is what the snapshot says, to the last unit; `node scripts/ledger-gas.ts` writes it anew", () => {
    expect(measured).toEqual(committed);
  });

  it("is what docs/contracts.md prints", () => {
    expect(docs).toContain(ledgerGasTables(committed));
  });

  it("stays below 110,000 for any step", () => {
    for (const gas of Object.values(measured.step)) expect(gas.sum).toBeLessThan(110_000);
  });

  it("stays below a transaction's limit of 2^24 for the largest batch", () => {
    for (const gas of Object.values(measured.transactions)) expect(gas).toBeLessThan(2 ** 24);
  });

  it("is for a full batch what its calldata costs at least: hashing and logging are free", () => {
    const { transactions } = measured;
    for (const count of [128, 1_024]) {
      const floor = transactions[`the least that calldata of ${count} costs`];
      expect(transactions[`commitBatch of ${count}`]).toBe(floor);
    }
  });

  it("does not depend on how many entries are forced", () => {
    const { transactions } = measured;
    expect(transactions["forceInclude of 100"]).toBe(transactions["forceInclude of 1"]);
  });
});

const rows = docs
  .split("## Tests of ledger and inbox")[1]
  ?.split("\n# ")[0]
  ?.split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| defect"))
  .map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, ""))) as string[][];
const tests = ["inbox", "weakened"]
  .map((name) => readFileSync(join(import.meta.dirname, `${name}.test.ts`), "utf8"))
  .join("\n");

describe("ledger / the table of defects", () => {
  it("has a row for each of them", () => {
    expect(rows).toHaveLength(10);
  });

  it.each(rows)("%s: names a test that exists", (_defect, test) => {
    expect(tests).toContain(`"${test?.replaceAll("`", "")}`);
  });
});
