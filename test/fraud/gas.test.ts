import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { OPTIMISTIC_DEFAULTS } from "../../operator/fraud/deploy.ts";
import {
  ASSUMED_BASE_FEE_WEI,
  type FraudGas,
  fraudGasTable,
  measureFraudGas,
  WHOLE_GAME_BAR,
} from "./fraud-gas.ts";

const root = join(import.meta.dirname, "../..");
const committed = JSON.parse(
  readFileSync(join(root, "test/snapshots/fraud-gas.json"), "utf8"),
) as FraudGas;

let measured: FraudGas;

beforeAll(async () => {
  measured = await measureFraudGas();
});

const of = (name: string) => measured[name] ?? Number.NaN;

/** The longest game that the defaults allow: a batch has at most 1,024 records and all entries that may wait. */
const longest = (): number =>
  OPTIMISTIC_DEFAULTS.maxBatches * (1_024 + Number(OPTIMISTIC_DEFAULTS.maxOpen));

describe("fraud / gas", () => {
  it("is what the snapshot says, to the last unit; `node scripts/fraud-gas.ts` writes it anew", () => {
    expect(measured).toEqual(committed);
  });

  it("is what docs/contracts.md prints", () => {
    expect(readFileSync(join(root, "docs/contracts.md"), "utf8")).toContain(
      fraudGasTable(committed),
    );
  });

  it("keeps the bar: a whole game about 1,024 instructions, all transactions together", () => {
    expect(of("wholeGame")).toBeLessThanOrEqual(WHOLE_GAME_BAR);
  });

  it("stays far below a transaction's limit of 2^24", () => {
    for (const [name, gas] of Object.entries(measured)) {
      expect(gas, name).toBeLessThan(name === "wholeGame" ? WHOLE_GAME_BAR : 2 ** 24 / 16);
    }
  });

  it("the default stakes pay for the longest game at a high base fee, twice", () => {
    const rounds = Math.ceil(Math.log2(longest()));
    const step = Math.max(...Object.entries(measured).map(([k, v]) => (/^step/.test(k) ? v : 0)));
    const challenger =
      of("challengeSecond") + rounds * of("chooseAgree") + step + of("withdrawCredit");
    const defender = of("bisectFirst") + rounds * of("bisect") + of("claimTimeout");
    const wei = (gas: number) => 2n * BigInt(gas) * ASSUMED_BASE_FEE_WEI;
    expect(OPTIMISTIC_DEFAULTS.proposerBondWei / 2n).toBeGreaterThanOrEqual(wei(challenger));
    expect(OPTIMISTIC_DEFAULTS.challengeDepositWei).toBeGreaterThanOrEqual(wei(defender));
  });
});
