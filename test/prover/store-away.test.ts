import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { JobState } from "../../gen/prover/v1/job_pb.ts";
import type { JobStage } from "../../prover/job.ts";
import type { CircuitKey, Lease, Settlement } from "../../prover/job-store.ts";
import { MemoryStore } from "../../prover/stores/memory.ts";
import { productRequest, startTestServer } from "./test-server.ts";

const LIMITS = {
  queueMax: 10,
  queueMaxBytes: 1_000_000,
  attemptsMax: 2,
  leaseMs: 2_500,
  keepFinishedMs: 60_000,
  keepFinishedMax: 100,
  keepDeadMs: 60_000,
};

/** A store that cannot be reached for some calls, as a database in another place. */
class FarStore extends MemoryStore {
  settlementsToLose = 0;
  heartbeatsToLose = 0;
  claimsToLose = 0;
  sweepsToLose = 0;
  /** What a settlement waits for. */
  beforeSettled: Promise<void> | undefined;
  settling = 0;
  /** At once. */
  settlingMost = 0;
  /** What the answer to a claim waits for. */
  beforeClaimed: Promise<void> | undefined;

  override async sweep() {
    if (this.sweepsToLose-- > 0) throw new Error("the store is away");
    return super.sweep();
  }

  override async claim(circuits: readonly CircuitKey[]) {
    if (this.claimsToLose-- > 0) throw new Error("the store is away");
    const claimed = await super.claim(circuits);
    if (claimed !== undefined) await this.beforeClaimed;
    return claimed;
  }

  override async heartbeat(lease: Lease, stage: JobStage, percent: number) {
    if (this.heartbeatsToLose-- > 0) throw new Error("the store is away");
    return super.heartbeat(lease, stage, percent);
  }

  override async settle(lease: Lease, settlement: Settlement) {
    if (this.settlementsToLose-- > 0) throw new Error("the store is away");
    this.settlingMost = Math.max(this.settlingMost, ++this.settling);
    await this.beforeSettled;
    this.settling--;
    return super.settle(lease, settlement);
  }
}

describe("prover / the store is away", () => {
  it("while a result is to be settled, and the proof is not thrown away", async () => {
    const store = new FarStore(LIMITS);
    store.settlementsToLose = 2;
    await using under = await startTestServer({ PROVER_CIRCUITS: "product" }, store);
    const job = await under.client.prove(productRequest());
    expect(job).toMatchObject({ state: JobState.SUCCEEDED, attempts: 1 });
    const waits = under.logged.filter(({ msg }) => msg === "result waits for the store");
    expect(waits).toHaveLength(1);
  });

  it("for a while, and the next job is proved meanwhile, whose result waits for the first's", async () => {
    const store = new FarStore(LIMITS);
    const gate = Promise.withResolvers<void>();
    store.beforeSettled = gate.promise;
    const settings = { PROVER_CIRCUITS: "product", PROVER_THREADS: "1" };
    await using under = await startTestServer(settings, store);
    const requests = [productRequest(), productRequest(), productRequest()];
    for (const request of requests) await under.client.submit(request);
    const started = () => under.logged.filter(({ msg }) => msg === "attempt started").length;
    try {
      await expect.poll(started).toBe(2);
      // Time enough for its proof.
      await sleep(1_000);
      expect(started()).toBe(2);
      expect(await store.stats()).toMatchObject({ runningCount: 2, queuedCount: 1 });
      const metrics = await fetch(`http://127.0.0.1:${under.server.adminPort}/metrics`);
      expect(await metrics.text()).toMatch(/^proofmill_workers_busy 1$/m);
    } finally {
      gate.resolve();
    }
    for (const { requestId } of requests) {
      const job = await under.client.wait({ requestId: requestId as string });
      expect(job).toMatchObject({ state: JobState.SUCCEEDED, attempts: 1 });
    }
    expect(store.settlingMost).toBe(1);
  });

  it("for the rest of this process, which ends all the same", async () => {
    const store = new FarStore(LIMITS);
    store.settlementsToLose = Number.POSITIVE_INFINITY;
    const under = await startTestServer({ PROVER_CIRCUITS: "product" }, store);
    await under.client.submit(productRequest());
    await expect
      .poll(() => under.logged)
      .toContainEqual(expect.objectContaining({ msg: "result waits for the store" }));
    await under[Symbol.asyncDispose]();
    expect(under.logged).toContainEqual(expect.objectContaining({ msg: "attempt abandoned" }));
  });

  it("while housekeeping goes round, and the log says so once", async () => {
    const store = new FarStore(LIMITS);
    store.sweepsToLose = 5;
    await using under = await startTestServer({ PROVER_CIRCUITS: "product" }, store);
    await expect.poll(() => store.sweepsToLose, { timeout: 10_000 }).toBeLessThan(0);
    expect(under.logged.filter(({ msg }) => msg === "sweep failed")).toHaveLength(1);
  });

  it("in the moment of a stop: a job that was claimed and not begun goes back, at no attempt's cost", async () => {
    const store = new FarStore(LIMITS);
    const gate = Promise.withResolvers<void>();
    store.beforeClaimed = gate.promise;
    const under = await startTestServer({ PROVER_CIRCUITS: "product" }, store);
    const request = productRequest();
    await under.client.submit(request);
    await expect.poll(async () => (await store.stats()).runningCount).toBe(1);
    const closed = under.server.close();
    setTimeout(gate.resolve, 100);
    await closed;
    const job = await store.get({ owner: "", requestId: request.requestId as string });
    expect(job).toMatchObject({ state: "QUEUED", attempts: 0 });
    await under[Symbol.asyncDispose]();
  });

  it("for a few heartbeats, and the job is done all the same", async () => {
    const store = new FarStore(LIMITS);
    store.heartbeatsToLose = 3;
    await using under = await startTestServer({ PROVER_CIRCUITS: "product" }, store);
    const job = await under.client.prove(productRequest());
    expect(job).toMatchObject({ state: JobState.SUCCEEDED, attempts: 1 });
  });

  it("for a claim, and the job is taken a little later", async () => {
    const store = new FarStore(LIMITS);
    await using under = await startTestServer({ PROVER_CIRCUITS: "product" }, store);
    store.claimsToLose = 1;
    expect((await under.client.prove(productRequest())).state).toBe(JobState.SUCCEEDED);
    expect(under.logged).toContainEqual(expect.objectContaining({ msg: "claim failed" }));
  });
});
