// Operator, proving service, proofs, verifier and contract, all of them real, with the smallest circuit.

import { join } from "node:path";
import { pino } from "pino";
import { numberToHex } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROLLUP_ABI } from "../../circuits/rollup-abi.ts";
import type { ProofResult } from "../../gen/prover/v1/job_pb.ts";
import type { RunningOperator } from "../../operator/main.ts";
import type { UserClient } from "../../operator/user-client.ts";
import { ProverClient } from "../../prover/client.ts";
import { parseConfig } from "../../prover/config.ts";
import { type RunningServer, startServer } from "../../prover/server.ts";
import { type Lie, LyingProver } from "./lying-prover.ts";
import { expectSameState, Town, until } from "./town.ts";

let town: Town;
let service: RunningServer;
let running: RunningOperator;
let alice: UserClient;
let bob: UserClient;

const startService = (port = 0): Promise<RunningServer> =>
  startServer(
    parseConfig({
      PROVER_LISTEN: `127.0.0.1:${port}`,
      PROVER_ADMIN_LISTEN: "127.0.0.1:0",
      PROVER_CIRCUITS_DIR: join(import.meta.dirname, "../../build/circuits"),
      PROVER_CIRCUITS: "batch-tiny",
      PROVER_ALLOW_DEV_KEYS: "true",
      PROVER_THREADS: "1",
      PROVER_DRAIN_MS: "0",
      PROVER_STORE: "memory",
    }),
    { log: pino({ level: "silent" }) },
  );

const commitsSent = () =>
  town.chain.read.getTransactionCount({ address: town.chain.signer(0).account.address });
const ourRoot = () => numberToHex(running.operator.state.root, { size: 32 });
const rootOnL1 = () =>
  town.chain.read.readContract({
    address: town.rollup,
    abi: ROLLUP_ABI,
    functionName: "currentStateRoot",
  });

async function useOperator(proverAddress: string): Promise<void> {
  await running?.stop();
  running = await town.operate(undefined, { proverAddress, maxBatchWaitMs: 500 });
  alice = await town.user(1, running);
  bob = await town.user(2, running);
}

beforeAll(async () => {
  [town, service] = await Promise.all([Town.found("real"), startService()]);
  await useOperator(`127.0.0.1:${service.port}`);
  await alice.register(5_000_000n);
  await bob.register(3_000_000n);
  await until(() => running.operator.state.nextBlockNumber === 3 && !running.operator.flight);
});

afterAll(async () => {
  await town?.close();
  await service?.close();
});

describe("operator with real proofs", () => {
  it("brings transfers, an exit and a forced exit into blocks that the contract accepts, and money out", async () => {
    await bob.requestExit(2);
    const payment = await alice.transfer({ to: 2, amountGwei: 1_000_000n });
    const exitId = await alice.exit({ to: 1, amountGwei: 2_500_000n });
    await alice.waitForBlock(payment);
    const exit = await alice.waitForBlock(exitId);
    await alice.withdraw(exit.blockNumber, exit.slot);
    const { exits } = await bob.get(`/v1/exits?owner=${bob.owner}`);
    expect(exits).toMatchObject([{ slot: 0, amountWei: "3000000000000000" }]);
    await bob.withdraw((exits as { blockNumber: number }[])[0]?.blockNumber ?? 0, 0);
    expect(await rootOnL1()).toBe(ourRoot());
    await expectSameState(await town.follow(), running);
    expect((await bob.account(2)).balanceGwei).toBe(1_000_000n);
  });

  it("asks again under the same id when the service loses its memory in the middle of a proof", async () => {
    const requestIds = async (): Promise<string[]> => {
      const client = new ProverClient({ address: `127.0.0.1:${service.port}` });
      const jobs = await Array.fromAsync(client.list());
      client.close();
      return jobs.map(({ requestId }) => requestId);
    };
    const known = new Set(await requestIds());
    const id = await alice.transfer({ to: 2, amountGwei: 14n });
    let asked: string | undefined;
    await until(async () => {
      asked = (await requestIds()).find((requestId) => !known.has(requestId));
      return asked !== undefined;
    });
    const { port } = service;
    await service.close();
    service = await startService(port);
    await alice.waitForBlock(id);
    expect(await requestIds()).toEqual([asked]);
  });
});

describe("operator with a prover that lies", () => {
  let prover: LyingProver;
  let earlier: ProofResult["proof"];

  beforeAll(async () => {
    prover = await LyingProver.start(`127.0.0.1:${service.port}`);
    await useOperator(prover.address);
  });

  afterAll(() => prover.close());

  const changeByte = (bytes: Uint8Array | undefined): void => {
    if (bytes) bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
  };

  it("commits its own block, whatever the service says that root, data, calldata and signals are", async () => {
    prover.lies.push((result) => {
      earlier = structuredClone(result.proof);
      changeByte(result.commitBlock?.newRoot);
      changeByte(result.commitBlock?.txData);
      changeByte(result.commitBlock?.calldata);
      for (const signal of result.publicSignals) changeByte(signal);
    });
    await alice.waitForBlock(await alice.transfer({ to: 2, amountGwei: 11n }));
    expect((await bob.account(2)).balanceGwei).toBe(1_000_025n);
    expect(await rootOnL1()).toBe(ourRoot());
  });

  it("sends nothing for a changed, foreign, damaged or missing proof, and commits with an honest one", async () => {
    const told: string[] = [];
    const failures: (string | undefined)[] = [];
    const lies: [name: string, lie: Lie][] = [
      ["a changed point", ({ proof }) => changeByte(proof?.c[1])],
      ["the proof of another block", (result) => Object.assign(result, { proof: earlier })],
      ["a coordinate outside the field", ({ proof }) => proof?.a[0]?.fill(0xff)],
      ["no proof", (result) => Object.assign(result, { proof: undefined })],
    ];
    const sentBefore = await commitsSent();
    for (const [name, lie] of lies) {
      prover.lies.push((result) => {
        told.push(name);
        // What the attempt before this one led to.
        failures.push(running.operator.flight?.lastFailure?.code);
        lie(result);
      });
    }
    let sentMeanwhile: number | undefined;
    prover.lies.push(() => {
      failures.push(running.operator.flight?.lastFailure?.code);
    });
    const asked = prover.requests.length;
    const id = await alice.transfer({ to: 2, amountGwei: 13n });
    await until(async () => {
      if (prover.lies.length > 0) sentMeanwhile = await commitsSent();
      return prover.lies.length === 0;
    });
    await alice.waitForBlock(id);
    expect(told).toEqual(lies.map(([name]) => name));
    expect(failures).toEqual([
      undefined,
      "PROOF_REFUSED",
      "PROOF_REFUSED",
      "PROOF_MALFORMED",
      "PROOF_MALFORMED",
    ]);
    expect(sentMeanwhile).toBe(sentBefore);
    expect(await commitsSent()).toBe(sentBefore + 1);
    const ids = prover.requests.slice(asked);
    expect(new Set(ids).size).toBe(lies.length + 1);
  });
});
