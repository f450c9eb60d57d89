/**
 * Measures the gas of claims and games anew: writes test/snapshots/fraud-gas.json, and the table
 * between the marks in docs/contracts.md. Deterministic; a test compares both.
 *
 *   node scripts/fraud-gas.ts
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fraudGasTable, measureFraudGas } from "../test/fraud/fraud-gas.ts";

const root = join(import.meta.dirname, "..");
const docsPath = join(root, "docs/contracts.md");

const gas = await measureFraudGas();
await writeFile(join(root, "test/snapshots/fraud-gas.json"), `${JSON.stringify(gas, null, 2)}\n`);

const docs = await readFile(docsPath, "utf8");
const marks = /(<!-- fraud gas -->\n\n)[\s\S]*?(\n\n<!-- \/fraud gas -->)/;
if (!marks.test(docs)) throw new Error("docs/contracts.md: the marks of the games' gas are gone");
await writeFile(
  docsPath,
  docs.replace(marks, (_all, open, close) => `${open}${fraudGasTable(gas)}${close}`),
);
console.log(fraudGasTable(gas));
