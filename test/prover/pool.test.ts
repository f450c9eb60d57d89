import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { JobState } from "../../gen/prover/v1/job_pb.ts";
import type { SubmitRequest } from "../../prover/client.ts";
import { smallCircuits } from "./small-circuits.ts";
import {
  chainRequest,
  productRequest,
  startTestServer,
  stubbornRequest,
  type TestServer,
} from "./test-server.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pool-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Circuits of its own, whose files may be taken away. */
async function ownCircuits(name: string): Promise<string> {
  const parent = join(folder, name);
  for (const id of ["product", "chain"]) {
    await cp(join(await smallCircuits(), id), join(parent, id), { recursive: true });
  }
  return parent;
}

const idOf = ({ requestId }: SubmitRequest) => ({ requestId: requestId as string });
const isHelped = ({ server }: TestServer) => server.pool.slots.some(({ isHelping }) => isHelping);
const restarts = async ({ admin }: TestServer) =>
  (await admin.listWorkers()).reduce((sum, { restartCount }) => sum + Number(restartCount), 0);

describe("prover / worker pool", () => {
  it("loads a key once, for all threads that there will ever be", async () => {
    const dir = await ownCircuits("once");
    await using under = await startTestServer({ PROVER_CIRCUITS_DIR: dir, PROVER_THREADS: "2" });
    for (const id of ["product", "chain"]) await rm(join(dir, id, "circuit.zkey"));
    for (const slot of under.server.pool.slots) await slot.end();
    const jobs = [productRequest(), productRequest(), chainRequest()];
    const proved = await Promise.all(jobs.map((job) => under.client.prove(job)));
    for (const { state } of proved) expect(state).toBe(JobState.SUCCEEDED);
  });

  it("keeps as many keys as it is told, and loads others again", async () => {
    const dir = await ownCircuits("few");
    await using under = await startTestServer({ PROVER_CIRCUITS_DIR: dir, PROVER_KEYS_MAX: "1" });
    for (const request of [productRequest(), chainRequest(), productRequest()]) {
      expect((await under.client.prove(request)).state).toBe(JobState.SUCCEEDED);
    }
    await rm(join(dir, "product", "circuit.zkey"));
    expect((await under.client.prove(productRequest())).state).toBe(JobState.SUCCEEDED);
    expect((await under.client.prove(chainRequest())).state).toBe(JobState.SUCCEEDED);
    await expect(under.client.prove(productRequest())).rejects.toMatchObject({
      reason: "ARTEFACT_MISMATCH",
    });
    expect((await under.client.prove(chainRequest())).state).toBe(JobState.SUCCEEDED);
  });

  it("lets a thread without a job help, until there is a job for it", async () => {
    await using under = await startTestServer({ PROVER_THREADS: "2" });
    const first = chainRequest();
    await under.client.submit(first);
    await expect.poll(() => isHelped(under)).toBe(true);
    const more = [chainRequest(), productRequest(), chainRequest()];
    for (const request of more) await under.client.submit(request);
    for (const request of [first, ...more]) {
      const job = await under.client.wait(idOf(request));
      expect(job).toMatchObject({ state: JobState.SUCCEEDED, attempts: 1 });
    }
    expect(await restarts(under)).toBe(0);
  });

  it("lets nobody help while both threads have jobs", async () => {
    await using under = await startTestServer({ PROVER_THREADS: "2" });
    for (let i = 0; i < 2; i++) await under.client.submit(stubbornRequest());
    await expect.poll(async () => (await under.client.getServerInfo()).runningCount).toBe(2);
    // The one that helped the first job is on its way back when the second is claimed.
    await expect.poll(() => isHelped(under)).toBe(false);
    expect((await under.admin.listWorkers()).filter(({ jobId }) => jobId !== "").length).toBe(2);
  });

  it("finishes a job in its first attempt although the thread that helps dies", async () => {
    await using under = await startTestServer({ PROVER_THREADS: "2" });
    const request = chainRequest();
    await under.client.submit(request);
    await expect.poll(() => isHelped(under)).toBe(true);
    await under.server.pool.slots.find(({ isHelping }) => isHelping)?.end();
    const job = await under.client.wait(idOf(request));
    expect(job).toMatchObject({ state: JobState.SUCCEEDED, attempts: 1 });
    expect(await restarts(under)).toBe(1);
  });

  it("cancels a proof that two threads work on, and both go on", async () => {
    await using under = await startTestServer({
      PROVER_THREADS: "2",
      // Whoever has not stopped by then would count as a restart.
      PROVER_STOP_GRACE_MS: "60000",
    });
    const request = chainRequest();
    await under.client.submit(request);
    await expect.poll(() => isHelped(under)).toBe(true);
    await under.client.cancel(idOf(request));
    await expect(under.client.wait(idOf(request))).rejects.toMatchObject({ code: "CANCELLED" });
    expect((await under.client.prove(chainRequest())).state).toBe(JobState.SUCCEEDED);
    expect(await restarts(under)).toBe(0);
  });

  describe("with little memory", () => {
    /** @param mebibytes  for keys and proofs of two threads. */
    const leaving = (mebibytes: number) => ({
      PROVER_THREADS: "2",
      PROVER_MEMORY_MAX_BYTES: String((384 + 2 * 32 + mebibytes) * 2 ** 20),
    });

    it("proves one at a time where memory holds no two proofs", async () => {
      await using under = await startTestServer({ ...leaving(120), PROVER_CIRCUITS: "chain" });
      const warned = { circuitId: "chain", threads: 1 };
      expect(under.logged).toContainEqual(expect.objectContaining(warned));
      const jobs = [chainRequest(), chainRequest(), chainRequest()];
      let isOver = false;
      const proving = Promise.all(jobs.map((job) => under.client.prove(job))).finally(() => {
        isOver = true;
      });
      const seen = new Set<number>();
      while (!isOver) {
        const workers = await under.admin.listWorkers();
        seen.add(workers.filter(({ jobId }) => jobId !== "").length);
      }
      for (const { attempts } of await proving) expect(attempts).toBe(1);
      expect(Math.max(...seen)).toBe(1);
    });

    it("takes turns with circuits whose keys do not fit together", async () => {
      await using under = await startTestServer(leaving(120));
      const jobs = Array.from({ length: 8 }, (_, i) => (i % 3 ? productRequest() : chainRequest()));
      const proved = await Promise.all(jobs.map((job) => under.client.prove(job)));
      for (const { attempts } of proved) expect(attempts).toBe(1);
    });

    it("does not start where memory does not hold one proof of each circuit", async () => {
      await expect(startTestServer(leaving(60))).rejects.toMatchObject({
        code: "MEMORY_SHORT",
        message: expect.stringMatching(/PROVER_MEMORY_MAX_BYTES/),
      });
    });
  });

  it("computes with the engine and the kernels that it is told, and says which", async () => {
    const settings = { PROVER_CIRCUITS: "product" };
    for (const [given, name] of [
      [{ PROVER_REVECTORIZE: "false" }, /^wasm \((fma|extmul)\)$/],
      [{ PROVER_KERNELS: "extmul" }, /^wasm \(extmul\)$/],
      [{ PROVER_ENGINE: "reference" }, /^reference$/],
    ] as const) {
      await using under = await startTestServer({ ...settings, ...given });
      const job = await under.client.prove(productRequest());
      expect(job.result?.engine).toMatch(name);
      const info = await under.client.getServerInfo();
      expect(info.engines).toEqual([job.result?.engine]);
      const { refusedEngines: refused } = info;
      const line = { msg: "serving", engine: job.result?.engine, refused };
      expect(under.logged).toContainEqual(expect.objectContaining(line));
    }
  });
});
