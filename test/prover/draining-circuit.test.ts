import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { JobState } from "../../gen/prover/v1/job_pb.ts";
import { MemoryStore } from "../../prover/stores/memory.ts";
import { newJob } from "./job-store-contract.ts";
import { smallCircuits } from "./small-circuits.ts";
import { productRequest, startTestServer } from "./test-server.ts";

const LIMITS = {
  queueMax: 10,
  queueMaxBytes: 1_000_000,
  attemptsMax: 2,
  leaseMs: 3_000,
  keepFinishedMs: 60_000,
  keepFinishedMax: 100,
  keepDeadMs: 60_000,
};

/** The old one drains; the new one has another name, as a new version of a circuit does. */
const SETTINGS = { PROVER_CIRCUITS: "product.2", PROVER_CIRCUITS_DRAINING: "product" };

describe("prover / a circuit in two versions, the old one draining", () => {
  let dir = "";
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "circuits-"));
    for (const id of ["product", "product.2"]) {
      await cp(join(await smallCircuits(), "product"), join(dir, id), { recursive: true });
      const manifest = join(dir, id, "manifest.json");
      const text = await readFile(manifest, "utf8");
      await writeFile(manifest, JSON.stringify({ ...JSON.parse(text), circuitId: id }));
    }
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  it("proves what the old one accepted, answers for it, and takes nothing new for it", async () => {
    const store = new MemoryStore(LIMITS);
    await using before = await startTestServer(
      { PROVER_CIRCUITS: "product", PROVER_CIRCUITS_DIR: dir },
      store,
    );
    const accepted = productRequest();
    await before.client.prove(accepted);
    await before.server.close();

    await using under = await startTestServer({ ...SETTINGS, PROVER_CIRCUITS_DIR: dir }, store);
    expect((await under.client.submit(accepted)).created).toBe(false);
    const refused = under.client.submit(productRequest());
    await expect(refused).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "CIRCUIT_DRAINING",
      message: expect.stringContaining("Open are product.2"),
      violations: [{ field: "circuit_id" }],
    });
    const anew = await under.client.prove(productRequest({ circuitId: "product.2" }));
    expect(anew).toMatchObject({ state: JobState.SUCCEEDED, circuitId: "product.2" });
  });

  it("says which one drains, and when it is empty", async () => {
    const store = new MemoryStore(LIMITS);
    await using under = await startTestServer({ ...SETTINGS, PROVER_CIRCUITS_DIR: dir }, store);
    const [old, fresh] = await under.client.listCircuits();
    expect(old).toMatchObject({ circuitId: "product", draining: true, queuedCount: 0 });
    expect(fresh).toMatchObject({ circuitId: "product.2", draining: false });
    // A job of the old one with an input that fails: claimed, tried, and gone.
    const zkeySha256 = Buffer.from(old?.zkeySha256 ?? []).toString("hex");
    await store.submit(newJob("left", { circuitId: "product", zkeySha256 }));
    await expect
      .poll(async () => (await store.get({ owner: "", requestId: "left" }))?.state)
      .toBe("FAILED");
    expect(await under.client.getCircuit("product")).toMatchObject({
      draining: true,
      queuedCount: 0,
      runningCount: 0,
    });
  });

  it("leaves jobs of a key that nobody has in the line, shows them, and goes on with others", async () => {
    const store = new MemoryStore(LIMITS);
    await using under = await startTestServer({ ...SETTINGS, PROVER_CIRCUITS_DIR: dir }, store);
    const lostKey = { circuitId: "product", zkeySha256: "ab".repeat(32) };
    await store.submit(newJob("stranded", { ...lostKey, priority: "HIGH" }));
    await under.client.prove(productRequest({ circuitId: "product.2" }));
    expect((await store.get({ owner: "", requestId: "stranded" }))?.state).toBe("QUEUED");
    const { unservedJobs, queuedCount } = await under.client.getServerInfo();
    expect(queuedCount).toBe(1);
    expect(unservedJobs).toMatchObject([
      { circuitId: "product", zkeySha256: Buffer.from("ab".repeat(32), "hex"), queuedCount: 1 },
    ]);
    expect((await under.client.getCircuit("product")).queuedCount).toBe(0);
  });
});
