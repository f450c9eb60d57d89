import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { INBOX_ABI, LEDGER_ABI } from "../../operator/ledger/ledger-abi.ts";

const root = join(import.meta.dirname, "../..");

/** What pays credits out is tested with ZKRollup, where it comes from. */
const INHERITED = ["NoCredit", "PaymentRefused", "ReentrancyGuardReentrantCall"];

const declared = [...LEDGER_ABI, ...INBOX_ABI]
  .flatMap((item) => (item.type === "error" ? [item.name as string] : []))
  .filter((name) => !INHERITED.includes(name));

const sourcesOf = (folder: string, pattern: RegExp): string =>
  readdirSync(join(root, folder))
    .filter((name) => pattern.test(name) && name !== "errors.test.ts")
    .map((name) => readFileSync(join(root, folder, name), "utf8"))
    .join("\n");

const onChain = sourcesOf("test/ledger", /\.test\.ts$/);
const inSolidity = sourcesOf("contracts/test", /^(MerkleTree|LedgerVM|DataAvailability)\.t\.sol$/);

/** Impossible to reach through the inbox, whose places are always inside of their tree. */
const ONLY_IN_SOLIDITY = ["SlotOutsideTree", "RollupMissing", "SourceDomainIsL1"];

describe("ledger / custom errors", () => {
  it.each([...new Set(declared)].sort())("%s is expected by a test", (name) => {
    if (!ONLY_IN_SOLIDITY.includes(name)) expect(onChain).toContain(`"${name}"`);
    expect(inSolidity).toContain(`.${name}.selector`);
  });
});
