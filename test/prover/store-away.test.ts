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

  override async claim(circuits: readonly CircuitKey[]) {
    if (this.claimsToLose-- > 0) throw new Error("the store is away");
    return super.claim(circuits);
  }

  override async heartbeat(lease: Lease, stage: JobStage, percent: number) {
    if (this.heartbeatsToLose-- > 0) throw new Error("the store is away");
    return super.heartbeat(lease, stage, percent);
  }

  override async settle(lease: Lease, settlement: Settlement) {
    if (this.settlementsToLose-- > 0) throw new Error("the store is away");
    return super.settle(lease, settlement);
  }
}

describe("prover / the store is away", () => {
  it("while a result is to be settled, and the job is done again when its lease has run out", async () => {
    const store = new FarStore(LIMITS);
    store.settlementsToLose = 1;
    await using under = await startTestServer({ PROVER_CIRCUITS: "product" }, store);
    const job = await under.client.prove(productRequest());
    expect(job).toMatchObject({ state: JobState.SUCCEEDED, attempts: 2 });
    expect(under.logged).toContainEqual(expect.objectContaining({ msg: "attempt abandoned" }));
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
