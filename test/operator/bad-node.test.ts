import { numberToHex } from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type RunningOperator, startOperator } from "../../operator/main.ts";
import type { UserClient } from "../../operator/user-client.ts";
import { developmentKey } from "./chain.ts";
import { RpcProxy } from "./rpc-proxy.ts";
import { StubProver } from "./stub-prover.ts";
import { expectSameState, Town, until } from "./town.ts";

let town: Town;
let proxy: RpcProxy;
let running: RunningOperator;
let alice: UserClient;

beforeEach(async () => {
  town = await Town.found("stub");
  proxy = await RpcProxy.start(town.chain.rpcUrl);
  running = await town.operate(new StubProver(), { rpcUrl: proxy.url, rpcTimeoutMs: 500 });
  alice = await town.user(1, running);
  await alice.register(5_000_000n);
  await (await town.user(2, running)).register(3_000_000n);
  await until(() => running.operator.state.nextBlockNumber === 3 && !running.operator.flight);
});

afterEach(async () => {
  await town.close();
  await proxy.close();
});

describe("operator / with a bad L1 node", () => {
  it("says that the node is away, answers users meanwhile, and goes on when it is back", async () => {
    proxy.isAway = true;
    await until(() => running.operator.lastError !== undefined);
    const status = await alice.get("/v1/status");
    expect(status.failure).toMatchObject({ code: expect.any(String) });
    expect(JSON.stringify(status)).not.toContain(proxy.url);
    const id = await alice.transfer({ to: 2, amountGwei: 7n });
    expect(running.operator.receipt(id)).toMatchObject({ status: "pending" });
    proxy.isAway = false;
    expect(await alice.waitForBlock(id)).toMatchObject({ blockNumber: 3 });
    expect((await alice.get("/v1/status")).failure).toBeNull();
  });

  it("says that it is reading the chain, instead of that what it has not read does not exist", async () => {
    await running.stop();
    let release = (): void => {};
    const gate = new Promise<undefined>((resolve) => {
      release = () => resolve(undefined);
    });
    proxy.bend = ({ method }) => (method === "eth_getLogs" ? gate : undefined);
    const starting = await startOperator(town.config({ rpcUrl: proxy.url }), {
      proofService: new StubProver(),
      environment: { OPERATOR_L1_PRIVATE_KEY: developmentKey(0) },
    });
    const late = await town.user(1, starting);
    expect((await late.get("/v1/status")).l1).toMatchObject({ isReady: false });
    for (const path of ["/v1/accounts/1", `/v1/transfers/0x${"00".repeat(32)}`, "/v1/exits/1/0"]) {
      await expect(late.get(path)).rejects.toMatchObject({ code: "SYNCING", httpStatus: 503 });
    }
    const transfer = await late.sign(1, { from: 1, to: 2, amountGwei: 7n, nonce: 0n });
    await expect(late.submit(transfer)).rejects.toMatchObject({ code: "SYNCING" });
    release();
    await until(() => starting.operator.isReady);
    expect((await late.account(1)).balanceGwei).toBe(5_000_000n);
    await starting.stop();
  });

  it("undoes nothing when a node lags behind what another one has shown", async () => {
    const { l1 } = running.operator.state;
    const older = await town.chain.read.transport.request({
      method: "eth_getBlockByNumber",
      params: [numberToHex(l1.number - 2), false],
    });
    let asked = 0;
    proxy.bend = ({ method, params }) => {
      const isHead = method === "eth_getBlockByNumber" && params[0] === "latest";
      if (isHead) asked++;
      return isHead ? older : undefined;
    };
    await until(() => asked > 3);
    expect(running.operator.state.l1).toEqual(l1);
    proxy.bend = () => undefined;
    await alice.waitForBlock(await alice.transfer({ to: 2, amountGwei: 7n }));
  });

  it("reads everything again when a node had left out logs, and agrees with the chain", async () => {
    let left = 1;
    proxy.bend = ({ method }) => (method === "eth_getLogs" && left-- > 0 ? [] : undefined);
    await alice.topUp(1, 1_000_000n);
    await until(() => left <= 0);
    await alice.topUp(2, 1_000_000n);
    await until(() => running.operator.state.nextBlockNumber === 5 && !running.operator.flight);
    expect(running.operator.state.account(1).balance).toBe(6_000_000n);
    await expectSameState(await town.follow(), running);
  });
});
