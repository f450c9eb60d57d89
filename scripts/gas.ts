/**
 * Measures the contracts' gas anew: writes test/snapshots/gas.json, and the tables between the
 * marks in docs/contracts.md. Deterministic; a test compares both.
 *
 *   node scripts/gas.ts
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gasTables, measureGas } from "../test/contracts/gas.ts";
import { openProver } from "../test/contracts/real-rollup.ts";

const root = join(import.meta.dirname, "..");
const snapshotPath = join(root, "test/snapshots/gas.json");
const docsPath = join(root, "docs/contracts.md");

const prover = await openProver();
const snapshot = await measureGas(prover).finally(() => prover.close());
await writeFile(snapshotPath, `${JSON.stringify(snapshot, null, 2)}\n`);

const docs = await readFile(docsPath, "utf8");
const marks = /(<!-- gas -->\n\n)[\s\S]*?(\n\n<!-- \/gas -->)/;
if (!marks.test(docs)) throw new Error("docs/contracts.md: the marks of the gas tables are gone");
await writeFile(
  docsPath,
  docs.replace(marks, (_all, open, close) => `${open}${gasTables(snapshot)}${close}`),
);
console.log(gasTables(snapshot));
