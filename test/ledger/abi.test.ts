import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { INBOX_ABI, LEDGER_ABI } from "../../operator/ledger/ledger-abi.ts";
import { type Item, linesOf } from "./abi-lines.ts";

const artifacts = join(import.meta.dirname, "../../artifacts/contracts");
const tables: readonly (readonly [string, readonly unknown[]])[] = [
  ["ledger/LedgerVM.sol/LedgerVM.json", LEDGER_ABI],
  ["inbox/DataAvailability.sol/DataAvailability.json", INBOX_ABI],
];

// `npm test` compiles the contracts first; `vitest` alone may run without them.
describe.skipIf(!existsSync(artifacts))("ledger / interfaces off chain", () => {
  it.each(tables)("are the compiled contract's: %s", (file, table) => {
    const { abi } = JSON.parse(readFileSync(join(artifacts, file), "utf8")) as {
      abi: readonly Item[];
    };
    expect(linesOf(table)).toEqual(linesOf(abi));
  });

  const sizeLimitBytes = 24_576;
  it.each(tables)("belong to a contract far below the size limit: %s", (file) => {
    const { deployedBytecode } = JSON.parse(readFileSync(join(artifacts, file), "utf8")) as {
      deployedBytecode: string;
    };
    expect(deployedBytecode.length / 2 - 1).toBeLessThan(sizeLimitBytes / 2);
  });
});
