/**
 * Measures the ledger's and the inbox's gas anew: writes test/snapshots/ledger-gas.json, and the tables
 * between the marks in docs/contracts.md. Deterministic; a test compares both.
 *
 *   node scripts/ledger-gas.ts
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ledgerGasTables, measureLedgerGas } from "../test/ledger/ledger-gas.ts";

const root = join(import.meta.dirname, "..");
const docsPath = join(root, "docs/contracts.md");

const gas = await measureLedgerGas();
await writeFile(join(root, "test/snapshots/ledger-gas.json"), `${JSON.stringify(gas, null, 2)}\n`);

const docs = await readFile(docsPath, "utf8");
const marks = /(<!-- ledger gas -->\n\n)[\s\S]*?(\n\n<!-- \/ledger gas -->)/;
if (!marks.test(docs)) throw new Error("docs/contracts.md: the marks of the ledger's gas are gone");
await writeFile(
  docsPath,
  docs.replace(marks, (_all, open, close) => `${open}${ledgerGasTables(gas)}${close}`),
);
console.log(ledgerGasTables(gas));
