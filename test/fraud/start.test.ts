import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KEY_VARIABLE } from "../../operator/config.ts";
import { type FraudPlayerConfig, startFraudPlayer } from "../../operator/fraud/main.ts";
import { main } from "../../prover/command/main.ts";
import { developmentKey } from "../operator/chain.ts";
import { ALICE, Arena, listeningLog, PROPOSES } from "./arena.ts";

let arena: Arena;

beforeAll(async () => {
  arena = await Arena.open();
  await arena.batch(2);
});
afterAll(() => arena?.close());

const start = (
  changes: Partial<FraudPlayerConfig> = {},
  key: string | undefined = developmentKey(ALICE),
) =>
  startFraudPlayer(
    {
      rpcUrl: arena.chain.rpcUrl,
      rollup: arena.deployment.rollup,
      deploymentBlock: arena.deployment.deploymentBlock,
      roles: PROPOSES,
      pollIntervalMs: 20,
      ...changes,
    },
    { log, environment: { [KEY_VARIABLE]: key } },
  );
let log = listeningLog();

describe("fraud / start", () => {
  it("refuses what is no address, no rollup or no key, and quotes no key", async () => {
    await expect(start({ rollup: "0x12" })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    for (const rollup of [arena.address(ALICE), arena.deployment.inbox]) {
      await expect(start({ rollup })).rejects.toMatchObject({ code: "CHAIN_MISMATCH" });
    }
    const bad = developmentKey(ALICE).slice(0, 40);
    await expect(start({}, bad)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.not.stringContaining(bad.slice(2)),
    });
  });

  it("stakes on the truth, and stops when it is told to", async () => {
    log = listeningLog();
    const running = await start();
    expect(running.account).toBe(arena.address(ALICE));
    while ((await arena.entryCount()) === 0n) {
      await arena.mineAt();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await running.stop();
    const text = log.lines.join("\n");
    expect(text).toContain("info player started");
    expect(text).not.toContain(developmentKey(ALICE).slice(2));
  });

  it("keeps looking while the node does not answer", async () => {
    log = listeningLog();
    const running = await start();
    const lost = await startFraudPlayer(
      {
        rpcUrl: arena.chain.rpcUrl,
        rollup: arena.deployment.rollup,
        // Nothing can be read before a chain has so many blocks.
        deploymentBlock: 1_000_000,
        roles: PROPOSES,
        pollIntervalMs: 20,
      },
      { log, environment: { [KEY_VARIABLE]: developmentKey(ALICE) } },
    );
    while (!log.lines.some((line) => line.startsWith("warn could not look"))) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await Promise.all([lost.stop(), running.stop()]);
  });
});

describe("command / propose and challenge", () => {
  async function run(...words: string[]) {
    const output = { text: "" };
    const stream = { write: (text: string) => (output.text += text) } as never;
    const code = await main(words, {
      stdout: stream,
      stderr: stream,
      env: {},
      signal: new AbortController().signal,
    });
    return { code, text: output.text };
  }

  it.each(["propose", "challenge"])("%s says what it needs", async (command) => {
    expect(await run(command, "--help")).toMatchObject({
      code: 0,
      text: expect.stringContaining(KEY_VARIABLE),
    });
    expect((await run(command)).code).toBe(2);
    expect(
      (await run(command, "word", "--rpc", "http://x", "--rollup", "0x1", "--from-block", "1"))
        .code,
    ).toBe(2);
    expect((await run(command, "--rpc", "http://x", "--rollup", "0x1")).text).toContain(
      "--from-block is missing",
    );
    const { text } = await run(
      command,
      "--rpc",
      "http://x",
      "--rollup",
      "0x1",
      "--from-block",
      "0",
    );
    expect(text).toContain("--from-block");
  });
});
