/**
 * Measures the payment channel's gas anew: writes test/snapshots/channel-gas.json, and the table
 * between the marks in docs/contracts.md. Deterministic; a test compares both.
 *
 *   node scripts/channel-gas.ts
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { channelGasTable, measureChannelGas } from "../test/contracts/channel-gas.ts";

const root = join(import.meta.dirname, "..");
const docsPath = join(root, "docs/contracts.md");

const gas = await measureChannelGas();
await writeFile(join(root, "test/snapshots/channel-gas.json"), `${JSON.stringify(gas, null, 2)}\n`);

const docs = await readFile(docsPath, "utf8");
const marks = /(<!-- channel gas -->\n\n)[\s\S]*?(\n\n<!-- \/channel gas -->)/;
if (!marks.test(docs))
  throw new Error("docs/contracts.md: the marks of the channel's gas are gone");
await writeFile(
  docsPath,
  docs.replace(marks, (_all, open, close) => `${open}${channelGasTable(gas)}${close}`),
);
console.log(channelGasTable(gas));
