import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { OPTIMISTIC_ABI } from "../../operator/fraud/optimistic-abi.ts";
import { linesOf } from "../ledger/abi-lines.ts";

const file = join(
  import.meta.dirname,
  "../../artifacts/contracts/optimistic/OptimisticRollup.sol/OptimisticRollup.json",
);

// `npm test` compiles the contracts first; `vitest` alone may run without them.
describe.skipIf(!existsSync(file))("fraud / interface off chain", () => {
  const { abi, deployedBytecode } = JSON.parse(readFileSync(file, "utf8"));

  it("is the compiled contract's", () => {
    expect(linesOf(OPTIMISTIC_ABI)).toEqual(linesOf(abi));
  });

  it("belongs to a contract far below the size limit", () => {
    expect(deployedBytecode.length / 2 - 1).toBeLessThan((24_576 * 3) / 4);
  });
});
