// The watchtower as its operators and clients meet it: as a process, over HTTP, killed and started again.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Address } from "viem";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ChannelPlace } from "../../operator/channel/agreement.ts";
import { type SignedState, signedToJson } from "../../operator/channel/signed-state.ts";
import { type RunningTower, startTower, TOWER_KEY_VARIABLE } from "../../operator/channel/tower.ts";
import { TowerClient } from "../../operator/channel/tower-client.ts";
import { developmentAccount, developmentKey } from "./chain.ts";
import {
  ALICE,
  BOB,
  type ChannelTown,
  listeningLog,
  openChannelTown,
  PERIOD_SECONDS,
  STRANGER,
  signedState,
  TOWER,
  until,
} from "./channel-chain.ts";
import { Pair, payment } from "./channel-pair.ts";
import { RpcProxy } from "./rpc-proxy.ts";

let town: ChannelTown;
let folder: string;
let place: ChannelPlace;
let tower: RunningTower | undefined;
let log = listeningLog();

beforeAll(async () => {
  town = await openChannelTown();
});
afterAll(() => town.chain.close());

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tower-"));
  place = await town.open();
});

afterEach(async () => {
  await tower?.stop();
  tower = undefined;
  await rm(folder, { recursive: true, force: true });
});

const environment = { [TOWER_KEY_VARIABLE]: developmentKey(TOWER) };

async function start(
  change: Partial<Parameters<typeof startTower>[0]> = {},
): Promise<RunningTower> {
  log = listeningLog();
  tower = await startTower(
    {
      rpcUrl: town.chain.rpcUrl,
      factory: town.factory,
      folder,
      apiPort: 0,
      pollIntervalMs: 30,
      ...change,
    },
    { log, environment },
  );
  return tower;
}

async function ask(url: string, path: string, body?: unknown, type = "application/json") {
  const response = await fetch(new URL(path, url), {
    ...(body !== undefined && {
      method: "POST",
      headers: { "content-type": type },
      body: typeof body === "string" ? body : JSON.stringify(body),
    }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it
  return { status: response.status, body: (await response.json()) as any };
}

const post = (url: string, channel: Address, state: SignedState) =>
  ask(url, "/v1/states", { channel, ...signedToJson(state) });
const nonceOf = async (of: ChannelPlace) => (await town.standing(of)).nonce;

describe("operator / watchtower", () => {
  it("answers for a party that sleeps: from a payment to the money", async () => {
    const { apiUrl } = await start();
    const pair = await Pair.make(place);
    const line = new TowerClient({ url: apiUrl, channel: place.channel }, log);
    await pair.parties.alice.pay(payment(10n));
    const stale = pair.parties.alice.record.agreed as SignedState;
    await pair.parties.alice.pay(payment(700_000n));
    await pair.parties.bob.pay(payment(5n));
    for (const state of pair.agreed.bob) line.bring(state);
    await line.settled();
    expect(line.keptNonce).toBe(3n);
    await pair.remove();

    await town.dispute(ALICE, place, stale);
    await until(async () => (await nonceOf(place)) === 3n);
    await town.chain.control.increaseTime({ seconds: PERIOD_SECONDS });
    await town.call(STRANGER, place.channel, "finalizeDispute");
    const before = await town.chain.read.getBalance({ address: place.channel });
    await town.call(BOB, place.channel, "withdraw");
    const after = await town.chain.read.getBalance({ address: place.channel });
    expect(before - after).toBe(500_000n + 10n + 700_000n - 5n);
    await town.call(ALICE, place.channel, "withdraw");
    expect(await town.chain.read.getBalance({ address: place.channel })).toBe(0n);
  });

  it("keeps the latest state, across restarts, and says which", async () => {
    let { apiUrl } = await start();
    const { channel } = place;
    expect((await ask(apiUrl, `/v1/channels/${channel}`)).status).toBe(404);
    for (const [nonce, kept] of [
      [4n, "4"],
      [9n, "9"],
      [7n, "9"],
      [9n, "9"],
    ] as const) {
      expect(await post(apiUrl, channel, await signedState(place, nonce))).toEqual({
        status: 200,
        body: { channel, nonce: kept },
      });
    }
    await tower?.stop();
    ({ apiUrl } = await start());
    expect((await ask(apiUrl, `/v1/channels/${channel.toLowerCase()}`)).body.nonce).toBe("9");
    expect((await ask(apiUrl, "/v1/status")).body).toMatchObject({ channels: 1, damaged: [] });
  });

  it("takes nothing that the contract would refuse, and nothing of channels that are none", async () => {
    const { apiUrl } = await start();
    const { channel } = place;
    const good = await signedState(place, 4n);
    const bad: [SignedState, string][] = [
      [{ ...good, aliceSignature: good.bobSignature }, "CHANNEL_SIGNATURE"],
      [{ ...good, bobSignature: good.aliceSignature }, "CHANNEL_SIGNATURE"],
      [{ ...good, state: { ...good.state, nonce: 5n } }, "CHANNEL_SIGNATURE"],
      [await signedState(place, 5n, { bobBalance: 500_006n }), "CHANNEL_SIGNATURE"],
      [await signedState(place, 0n), "CHANNEL_SIGNATURE"],
      [await signedState(place, 5n, {}, "close"), "CHANNEL_SIGNATURE"],
      [await signedState({ ...place, chainId: 1 }, 5n), "CHANNEL_SIGNATURE"],
    ];
    for (const [state, code] of bad) {
      expect((await post(apiUrl, channel, state)).body.error.code).toBe(code);
    }
    for (const other of [town.factory, developmentAccount(0).address]) {
      const answer = await post(apiUrl, other, good);
      expect([answer.status, answer.body.error.code]).toEqual([422, "CHANNEL_UNKNOWN"]);
    }
    expect((await ask(apiUrl, `/v1/channels/${channel}`)).status).toBe(404);
  });

  it("does not give up a state that the chain can pay for one that it cannot", async () => {
    const { apiUrl } = await start();
    const { channel } = place;
    await post(apiUrl, channel, await signedState(place, 4n));
    for (const change of [
      { aliceDeposited: 1_000_001n, aliceBalance: 999_996n },
      { bobDeposited: 500_001n, bobBalance: 500_006n },
    ]) {
      const answer = await post(apiUrl, channel, await signedState(place, 5n, change));
      expect([answer.status, answer.body.error.code]).toEqual([422, "CHANNEL_REFUSED"]);
    }
    expect((await ask(apiUrl, `/v1/channels/${channel}`)).body.nonce).toBe("4");
  });

  it("refuses what is no request in words", async () => {
    const { apiUrl } = await start({ maxChannels: 1 });
    const { channel } = place;
    const body = { channel, ...signedToJson(await signedState(place, 4n)) };
    const cases: [
      Promise<{ status: number; body: { error: { code: string } } }>,
      number,
      string,
    ][] = [
      [ask(apiUrl, "/v1/states", { ...body, more: 1 }), 400, "CHANNEL_MESSAGE"],
      [ask(apiUrl, "/v1/states", { ...body, channel: "0x12" }), 400, "CHANNEL_MESSAGE"],
      [ask(apiUrl, "/v1/states", { ...body, aliceSignature: "0x12" }), 400, "CHANNEL_MESSAGE"],
      [ask(apiUrl, "/v1/states", { ...body, state: { nonce: "1" } }), 400, "CHANNEL_MESSAGE"],
      [ask(apiUrl, "/v1/states", []), 400, "CHANNEL_MESSAGE"],
      [ask(apiUrl, "/v1/states", "{"), 400, "JSON_MALFORMED"],
      [ask(apiUrl, "/v1/states", body, "text/plain"), 415, "CONTENT_TYPE"],
      [ask(apiUrl, "/v1/states", { text: "x".repeat(5_000) }), 413, "BODY_TOO_LARGE"],
      [ask(apiUrl, "/v1/states"), 405, "METHOD_NOT_ALLOWED"],
      [ask(apiUrl, "/v1/status", {}), 405, "METHOD_NOT_ALLOWED"],
      [ask(apiUrl, "/v1/channels/x"), 400, "CHANNEL_MESSAGE"],
      [ask(apiUrl, "/v2"), 404, "ROUTE_UNKNOWN"],
    ];
    for (const [answer, status, code] of cases) {
      expect(await answer).toMatchObject({ status, body: { error: { code } } });
    }
    expect((await ask(apiUrl, "/v1/states", body)).status).toBe(200);
    const second = await town.open();
    expect(await post(apiUrl, second.channel, await signedState(second, 4n))).toMatchObject({
      status: 503,
      body: { error: { code: "TOWER_FULL" } },
    });
  });

  it("answers for the others where one file is damaged, and for that one once its state is brought again", async () => {
    let { apiUrl } = await start();
    const second = await town.open();
    await post(apiUrl, place.channel, await signedState(place, 9n));
    await post(apiUrl, second.channel, await signedState(second, 9n));
    await tower?.stop();
    const path = join(folder, `${place.channel}.json`);
    const text = await readFile(path, "utf8");
    await writeFile(path, text.slice(0, 300));
    ({ apiUrl } = await start());
    expect(log.lines).toContainEqual({
      event: "a channel's state cannot be read",
      fields: expect.objectContaining({ channel: place.channel }),
    });
    expect(await readFile(path, "utf8")).toBe(text.slice(0, 300));
    expect((await ask(apiUrl, "/v1/status")).body.damaged).toEqual([place.channel]);
    await town.dispute(ALICE, second, await signedState(second, 2n));
    await town.dispute(ALICE, place, await signedState(place, 2n));
    await until(async () => (await nonceOf(second)) === 9n);
    expect(await nonceOf(place)).toBe(2n);
    await post(apiUrl, place.channel, await signedState(place, 9n));
    await until(async () => (await nonceOf(place)) === 9n);
  });

  it("outlives a node that does not answer", async () => {
    const proxy = await RpcProxy.start(town.chain.rpcUrl);
    const { apiUrl } = await start({ rpcUrl: proxy.url });
    await post(apiUrl, place.channel, await signedState(place, 9n));
    proxy.isAway = true;
    await until(() => log.lines.some(({ event }) => event === "round failed"));
    expect((await ask(apiUrl, "/v1/status")).body.failure).toBeTruthy();
    await town.dispute(ALICE, place, await signedState(place, 2n));
    proxy.isAway = false;
    await until(async () => (await nonceOf(place)) === 9n);
    await tower?.stop();
    tower = undefined;
    await proxy.close();
  });

  it("is one process for a folder, needs a factory, a key and settings that make sense", async () => {
    await start();
    const again = (change: object, env: Record<string, string | undefined> = environment) =>
      startTower(
        { rpcUrl: town.chain.rpcUrl, factory: town.factory, folder, apiPort: 0, ...change },
        { log, environment: env },
      );
    await expect(again({})).rejects.toMatchObject({ code: "CHANNEL_STORE_LOCKED" });
    await expect(again({ factory: place.channel })).rejects.toMatchObject({
      code: "CHAIN_MISMATCH",
    });
    await expect(again({}, {})).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    const error = (await again({
      rpcUrl: "ftp://secret@x",
      factory: "0x1",
      folder: "",
      apiPort: -1,
      sweepMs: 1.5,
    }).catch((caught: Error) => caught)) as Error;
    for (const name of ["rpcUrl", "factory", "folder", "apiPort", "sweepMs"]) {
      expect(error.message).toContain(`\n  ${name}: `);
    }
    expect(error.message).not.toContain("secret");
  });

  it("client brings a state again until it is kept, and only the newest", async () => {
    const line = new TowerClient({ url: "http://127.0.0.1:9", channel: place.channel }, log);
    line.bring(await signedState(place, 1n));
    await until(() => log.lines.some(({ event }) => event === "watchtower did not keep a state"));
    await line.close();
    expect(line.keptNonce).toBe(0n);
  });
});

const PROGRAM = join(import.meta.dirname, "../../prover/command/main.ts");

describe("operator / watchtower, kill -9", () => {
  let child: ChildProcess | undefined;

  afterEach(() => {
    child?.kill("SIGKILL");
  });

  /** `proofmill watchtower`; returns where it listens. */
  async function run(): Promise<string> {
    const words = ["--rpc", town.chain.rpcUrl, "--factory", town.factory, "--data", folder];
    const flags = [
      "--api-port",
      "0",
      "--poll-ms",
      "30",
      "--resend-ms",
      "300",
      "--log-level",
      "silent",
    ];
    child = spawn(process.execPath, [PROGRAM, "watchtower", ...words, ...flags], {
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(child.stdout as NodeJS.ReadableStream, "data")) as [Buffer];
    return JSON.parse(String(line)).api;
  }

  async function kill(): Promise<void> {
    child?.kill("SIGKILL");
    await once(child as ChildProcess, "exit");
  }

  it("before the dispute, with the answer waiting, and after it: the next life sees it through", async () => {
    const { control } = town.chain;
    const apiUrl = await run();
    await post(apiUrl, place.channel, await signedState(place, 9n));
    await kill();
    await town.dispute(ALICE, place, await signedState(place, 2n));
    await control.setAutomine(false);
    await run();
    const waiting = async () =>
      (await town.chain.read.getBlock({ blockTag: "pending" })).transactions.length;
    await until(async () => (await waiting()) === 1);
    await kill();
    await run();
    // The new life knows nothing of the transaction, and outbids it at its nonce.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await waiting()).toBe(1);
    await control.mine({ blocks: 1 });
    await control.setAutomine(true);
    await until(async () => (await nonceOf(place)) === 9n);
    await kill();
    const answered = await town.chain.read.getTransactionCount({
      address: developmentAccount(TOWER).address,
    });
    await run();
    await town.chain.control.mine({ blocks: 2 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(
      await town.chain.read.getTransactionCount({ address: developmentAccount(TOWER).address }),
    ).toBe(answered);
  });

  it("stops in order when asked to", async () => {
    await run();
    child?.kill("SIGTERM");
    const [code] = await once(child as ChildProcess, "exit");
    expect(code).toBe(0);
  });
});
