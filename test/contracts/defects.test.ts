import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "../..");

function sourcesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return sourcesBelow(path);
    // Some tests are tables of sentences in a file of their own.
    const isSource = /\.ts$|\.t\.sol$/.test(path) && !path.endsWith("defects.test.ts");
    return isSource ? [path] : [];
  });
}

const sources = ["test/contracts", "test/circuits", "contracts/test"]
  .flatMap(sourcesBelow)
  .map((file) => readFileSync(join(root, file), "utf8"))
  .join("\n");

/** Cells of the tables after the heading about defects. */
const rows = readFileSync(join(root, "docs/contracts.md"), "utf8")
  .split("## The article's defects")[1]
  ?.split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| defect"))
  .map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, ""))) as string[][];

describe("contracts / the table of defects", () => {
  it("has a row for each of them", () => {
    expect(rows).toHaveLength(25);
  });

  it.each(rows)("%s: names tests that exist", (_defect, tests) => {
    const names = [...(tests ?? "").matchAll(/`([^`]+)`/g)].map((match) => match[1] as string);
    for (const name of names) {
      if (name.endsWith("/")) continue; // a folder
      const isThere = name.includes(" ")
        ? sources.includes(`"${name}`)
        : sources.includes(`function ${name}(`);
      expect(isThere, `no test is called: ${name}`).toBe(true);
    }
  });
});
