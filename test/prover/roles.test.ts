import { describe, expect, it } from "vitest";
import { JobState } from "../../gen/prover/v1/job_pb.ts";
import { parseConfig } from "../../prover/config.ts";
import { Fleet } from "./fleet.ts";
import { announceSkip, startCluster, whyNoPostgres } from "./postgres-cluster.ts";
import { ServedProcess } from "./served-process.ts";
import { chainRequest, productRequest, stubbornRequest } from "./test-server.ts";

announceSkip("roles of processes on one PostgreSQL");

describe("prover / PROVER_ROLE", () => {
  it("other than all is refused with a store that no other process can use", () => {
    for (const role of ["api", "worker"]) {
      for (const store of ["memory", "sqlite:jobs.sqlite"]) {
        expect(() => parseConfig({ PROVER_ROLE: role, PROVER_STORE: store })).toThrow(
          `PROVER_ROLE: got ${role} with PROVER_STORE=${store}`,
        );
      }
      const config = { PROVER_ROLE: role, PROVER_STORE: "postgres://me@localhost/jobs" };
      expect(parseConfig(config).role).toBe(role);
    }
  });
});

describe.skipIf(whyNoPostgres)("prover / roles, on one PostgreSQL", () => {
  it("divide the work: api takes and answers, worker proves and has no port for callers", async () => {
    await using fleet = await Fleet.start(["api", "worker"]);
    const [api, worker] = [fleet.at(0), fleet.at(1)];
    expect(worker.port).toBe(0);
    const job = await api.client.prove(productRequest());
    expect(job.state).toBe(JobState.SUCCEEDED);
    expect((await api.client.getServerInfo()).workerCount).toBe(0);
    expect(await api.admin.listWorkers()).toHaveLength(0);
    expect(await worker.admin.listWorkers()).toHaveLength(1);
    // Each role ends as it is told to.
    expect(await worker.end("SIGTERM")).toEqual({ code: 0, signal: null });
    expect(await api.end("SIGTERM")).toEqual({ code: 0, signal: null });
  }, 120_000);

  it("leave a worker time to finish what runs, and what does not end in time costs no attempt", async () => {
    const cluster = await startCluster();
    const settings = {
      PROVER_CIRCUITS: "product,chain,stubborn",
      PROVER_THREADS: "1",
      PROVER_LEASE_MS: "60000",
    };
    const serve = (role: string, drainMs: number) =>
      ServedProcess.start({
        store: cluster.url("roles"),
        settings: { ...settings, PROVER_ROLE: role, PROVER_DRAIN_MS: String(drainMs) },
      });
    try {
      await using api = await serve("api", 0);
      await using patient = await serve("worker", 60_000);
      const running = await start(api, chainRequest());
      expect(await patient.end("SIGTERM")).toEqual({ code: 0, signal: null });
      expect((await api.client.get(running)).state).toBe(JobState.SUCCEEDED);

      await using hasty = await serve("worker", 0);
      const endless = await start(api, stubbornRequest());
      expect(await hasty.end("SIGTERM")).toEqual({ code: 0, signal: null });
      const back = await api.client.get(endless);
      expect(back).toMatchObject({ state: JobState.QUEUED, attempts: 0 });
    } finally {
      await cluster.close();
    }
  }, 240_000);

  it("end an api's streams so that callers go on with another one, where they were", async () => {
    await using fleet = await Fleet.start(["api", "api"]);
    const client = fleet.client(0, 1);
    const { job } = await fleet.at(1).client.submit(productRequest());
    const sequences: bigint[] = [];
    const watching = (async () => {
      for await (const { sequence, snapshot } of client.watch({ jobId: job?.jobId ?? "" })) {
        if (!snapshot || sequences.length === 0) sequences.push(sequence);
      }
    })();
    await expect.poll(() => sequences).toEqual([1n]);
    // Another one without patience hears why.
    const name = { jobId: job?.jobId ?? "" };
    const impatient = fleet.at(0).client.watch(name)[Symbol.asyncIterator]();
    await impatient.next();
    const [told, exit] = await Promise.all([
      impatient.next().catch((error: unknown) => error),
      fleet.at(0).end("SIGTERM"),
    ]);
    expect(told).toMatchObject({ code: "UNAVAILABLE", reason: "DRAINING" });
    expect(exit).toEqual({ code: 0, signal: null });
    await fleet.launch(2, "worker");
    await watching;
    expect(sequences).toEqual(sequences.map((_, i) => BigInt(i + 1)));
    expect(sequences.length).toBeGreaterThan(2);
    client.close();
  }, 240_000);
});

/** Submits, and waits until the job runs. */
async function start(
  { client }: ServedProcess,
  request: Parameters<ServedProcess["client"]["submit"]>[0],
): Promise<{ jobId: string }> {
  const { job } = await client.submit(request);
  const name = { jobId: job?.jobId ?? "" };
  for await (const { job: now } of client.watch(name)) {
    if (now?.state !== JobState.QUEUED) break;
  }
  return name;
}
