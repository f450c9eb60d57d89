// The operator's side of a proof and a real prover, each of which restarts in the middle.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { executeBatch } from "../../circuits/batch.ts";
import type { BuiltBatch } from "../../operator/batch-builder.ts";
import { GrpcProofService } from "../../operator/grpc-proof-service.ts";
import { type ProofProgress, ProverLink } from "../../operator/prover-link.ts";
import { exampleBatch } from "../../scripts/example-batch.ts";
import { startTestServer, type TestServer } from "../prover/test-server.ts";
import { TINY } from "./world.ts";

const SCOPE = {
  chainId: 1,
  rollup: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
  circuitId: TINY.id,
} as const;
const LOG = { debug() {}, info() {}, warn() {}, error() {} };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "prover-restart-"));
});
afterAll(() => rm(folder, { recursive: true }));

const batch = exampleBatch(TINY.id);
const built = { batch, execution: executeBatch(TINY, batch) } as BuiltBatch;

function startProver(name: string, listen = "127.0.0.1:0"): Promise<TestServer> {
  return startTestServer({
    PROVER_LISTEN: listen,
    PROVER_STORE: `sqlite:${join(folder, name)}`,
    PROVER_CIRCUITS_DIR: join(import.meta.dirname, "../../build/circuits"),
    PROVER_CIRCUITS: TINY.id,
  });
}

const addressOf = ({ server }: TestServer) => `127.0.0.1:${server.port}`;

/** An operator that asks for the block's proof, and is told of its progress. */
function operate(address: string, onProgress: (progress: ProofProgress) => void = () => {}) {
  const service = new GrpcProofService(address);
  const link = new ProverLink(SCOPE, { service, log: LOG });
  const { signal } = new AbortController();
  return { link, calldata: link.prove(built, { attempt: 0, signal, onProgress }) };
}

const jobsOf = ({ client }: TestServer) => Array.fromAsync(client.list());

describe("operator / prover link and restarts", () => {
  it("finds its job again after a restart of the operator, without a second one", async () => {
    await using prover = await startProver("operator-restarts");
    let crashed: ReturnType<typeof operate> | undefined;
    await new Promise<void>((resolve) => {
      crashed = operate(addressOf(prover), ({ stage }) => stage === "proving" && resolve());
      // It never hears of the end: its process is gone.
      crashed.calldata.catch(() => {});
    });
    crashed?.link.close();
    const { link, calldata } = operate(addressOf(prover));
    expect(await calldata).toMatch(/^0x[0-9a-f]{1000,}$/);
    expect(await jobsOf(prover)).toHaveLength(1);
    link.close();
  });

  it("goes on asking while the prover restarts, and gets the proof of the same job", async () => {
    const first = await startProver("prover-restarts");
    let restarted: Promise<TestServer> | undefined;
    const restart = async () => {
      await first[Symbol.asyncDispose]();
      return startProver("prover-restarts", addressOf(first));
    };
    const stages = new Set<string>();
    const { link, calldata } = operate(addressOf(first), ({ stage }) => {
      stages.add(stage);
      if (stage === "proving") restarted ??= restart();
    });
    expect(await calldata).toMatch(/^0x[0-9a-f]{1000,}$/);
    await using second = (await restarted) as TestServer;
    const [job, ...others] = await jobsOf(second);
    expect(others).toEqual([]);
    expect(job?.requestId).toMatch(/^block-1-[0-9a-f]{32}$/);
    expect(stages).toContain("prover unavailable");
    link.close();
  });
});
