import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkConfig, KEY_VARIABLE, type OperatorConfig, readKey } from "../../operator/config.ts";
import { OPERATOR_ERRORS } from "../../operator/errors.ts";
import { startOperator } from "../../operator/main.ts";
import { developmentAccount, developmentKey } from "./chain.ts";
import { StubProver } from "./stub-prover.ts";
import { Town } from "./town.ts";

const GOOD: OperatorConfig = {
  rpcUrl: "http://127.0.0.1:8545",
  rollup: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
  deploymentBlock: 1,
  circuitId: "batch-tiny",
};

describe("operator / configuration", () => {
  it("fills in defaults and cannot be changed afterwards", () => {
    const checked = checkConfig(GOOD);
    expect(checked).toMatchObject({ ...GOOD, apiHost: "127.0.0.1", feeIndex: 0, minFeeGwei: 0n });
    expect(Object.isFrozen(checked)).toBe(true);
  });

  it("reports all problems together, each with its rule, and quotes no node's URL", () => {
    const bad = {
      rpcUrl: "ftp://secret-key@node",
      rollup: "0x12",
      deploymentBlock: 0,
      circuitId: "batch-5",
      confirmations: 1.5,
      minFeeGwei: 3n,
      apiPort: 70_000,
      pollIntervalMs: 0,
      colour: "red",
    } as unknown as OperatorConfig;
    let message = "";
    try {
      checkConfig(bad);
    } catch (error) {
      message = (error as Error).message;
    }
    for (const name of [...Object.keys(bad).filter((name) => name !== "minFeeGwei"), "feeIndex"]) {
      expect(message).toContain(`\n  ${name}: `);
    }
    expect(message).not.toContain("secret");
  });

  it("takes the key from the environment only, and quotes none", () => {
    const key = developmentKey(0);
    expect(readKey({ [KEY_VARIABLE]: key })).toBe(key);
    for (const bad of [undefined, "", key.slice(2), `${key}00`]) {
      expect(() => readKey({ [KEY_VARIABLE]: bad })).toThrowError(
        expect.objectContaining({
          code: "CONFIG_INVALID",
          message: expect.not.stringContaining(key.slice(2, 20)),
        }),
      );
    }
  });
});

describe("operator / start", () => {
  let town: Town;
  beforeAll(async () => {
    town = await Town.found("stub");
  });
  afterAll(() => town.close());

  const start = (overrides: Partial<OperatorConfig>, account = 0) =>
    startOperator(town.config(overrides), {
      proofService: new StubProver(),
      environment: { [KEY_VARIABLE]: developmentKey(account) },
    });

  it("refuses a contract of another circuit, an address without a rollup, and a key that may not commit", async () => {
    await expect(start({ circuitId: "batch-4" })).rejects.toMatchObject({
      code: "CHAIN_MISMATCH",
      message: expect.stringContaining("circuit id"),
    });
    for (const rollup of [developmentAccount(3).address, town.deployment.verifier]) {
      await expect(start({ rollup })).rejects.toMatchObject({ code: "CHAIN_MISMATCH" });
    }
    await expect(start({}, 1)).rejects.toMatchObject({
      code: "CHAIN_MISMATCH",
      message: expect.stringContaining("may commit blocks"),
    });
    await expect(start({ feeIndex: 16 })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });

  it("logs a handful of events with a block, and never its key", async () => {
    const lines: string[] = [];
    const write =
      (level: string) =>
      (fields: object, event: string): void => {
        lines.push(`${level} ${event} ${JSON.stringify(fields)}`);
      };
    const log = {
      debug: write("debug"),
      info: write("info"),
      warn: write("warn"),
      error: write("error"),
    };
    const running = await startOperator(town.config(), {
      proofService: new StubProver(),
      environment: { [KEY_VARIABLE]: developmentKey(0) },
      log,
    });
    const alice = await town.user(1, running);
    await alice.register(5_000_000n);
    while (running.operator.state.nextBlockNumber < 2)
      await new Promise((done) => setTimeout(done, 20));
    await running.stop();
    const text = lines.join("\n");
    for (const event of [
      "operator started",
      "batch built",
      "block committed",
      "block applied",
      "operator stopped",
    ]) {
      expect(text).toContain(`info ${event} `);
    }
    expect(text).not.toContain(developmentKey(0).slice(2));
    expect(lines.filter((line) => line.startsWith("info")).length).toBeLessThan(10);
  });
});

describe("docs/operator.md", () => {
  it("explains every code that a user or an operator can meet", () => {
    const text = ["operator.md", "channels.md"]
      .map((name) => readFileSync(join(import.meta.dirname, "../../docs", name), "utf8"))
      .join("\n");
    // Said in full sentences when the process starts, or on the command line of whoever calls.
    const elsewhere = [
      "CONFIG_INVALID",
      "CHAIN_MISMATCH",
      "REORG_TOO_DEEP",
      "L1_REQUEST_REVERTED",
      "BUG",
    ];
    const missing = Object.keys(OPERATOR_ERRORS).filter(
      (code) => !elsewhere.includes(code) && !text.includes(`\`${code}\``),
    );
    expect(missing).toEqual([]);
  });
});
