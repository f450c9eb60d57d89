// Declared is tested: every custom error of rollup and game, and every line of the page's table of defects.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { OPTIMISTIC_ABI } from "../../operator/fraud/optimistic-abi.ts";

const root = join(import.meta.dirname, "../..");
const read = (path: string) => readFileSync(join(root, path), "utf8");

/** What OpenZeppelin declares and cannot happen here. */
const UNREACHABLE: Record<string, string> = {
  FailedCall: "every refusal of an own function has a reason, which is passed on",
  AddressEmptyCode: "the contract calls itself, so there is code",
};

const solidity = readdirSync(join(root, "contracts/test"))
  .filter((name) => /^(Optimistic|InteractiveFraudProof|Weak(Games|Rollups)).*\.t\.sol$/.test(name))
  .map((name) => read(`contracts/test/${name}`))
  .join("\n");
const typescript = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith(".test.ts") && name !== "declared.test.ts")
  .map((name) => read(`test/fraud/${name}`))
  .join("\n");

const errors = OPTIMISTIC_ABI.flatMap((item) => (item.type === "error" ? [item.name] : [])).filter(
  (name) => !(name in UNREACHABLE),
);

describe("fraud / what is declared", () => {
  it.each(errors.toSorted())("%s is expected by a test", (name) => {
    const isExpected =
      solidity.includes(`.${name}.selector`) ||
      solidity.includes(`"${name}(`) ||
      typescript.includes(`"${name}"`);
    expect(isExpected, `no test expects ${name}`).toBe(true);
  });
});

const rows = read("docs/contracts.md")
  .split("## Defects of the article's rollup and game")[1]
  ?.split("\n# ")[0]
  ?.split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| defect"))
  .map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, ""))) as string[][];

describe("fraud / the table of defects", () => {
  it("has a row for each of them", () => {
    expect(rows).toHaveLength(30);
  });

  it.each(rows)("%s: names tests that exist", (_defect, cell) => {
    for (const [, name] of (cell ?? "").matchAll(/`([^`]+)`/g)) {
      if (name === undefined) continue;
      const isThere = name.includes(" ")
        ? typescript.includes(`"${name}"`)
        : solidity.includes(`function ${name}(`);
      expect(isThere, `no test is called: ${name}`).toBe(true);
    }
  });

  it("covers every weakened rollup and game", () => {
    for (const file of ["WeakGames", "WeakRollups"]) {
      const weakened = read(`contracts/test/${file}.sol`).matchAll(/^contract (\w+) is/gm);
      for (const [, name] of weakened) {
        const defect = name?.replace(/(Game|Rollup)$/, "");
        expect(solidity, name).toContain(`_notices(Defect.${defect}, `);
      }
    }
  });
});
