import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { JobState } from "../../gen/prover/v1/job_pb.ts";
import { ProverClientError } from "../../prover/client-error.ts";
import { faultLine, JobLedger } from "./job-ledger.ts";
import { SeededRandom } from "./seeded-random.ts";
import { ServedProcess } from "./served-process.ts";
import { chainRequest, productRequest } from "./test-server.ts";

const KILLS = process.env.HEAVY ? 200 : 20;

describe("prover / killed under load, with its jobs in a file", () => {
  const random = new SeededRandom();

  it(`loses and doubles no job over ${KILLS} kills at random moments (SEED=${random.seed})`, async () => {
    const dir = await mkdtemp(join(tmpdir(), "crash-"));
    const options = {
      store: `sqlite:${join(dir, "jobs.sqlite")}`,
      // Each kill takes an attempt from what runs.
      settings: { PROVER_ATTEMPTS_MAX: "10" },
    };
    const ledger = new JobLedger();
    try {
      for (let kill = 0; kill < KILLS; kill++) {
        await using served = await ServedProcess.start(options);
        const isAlive = { now: true };
        const load = (async () => {
          while (isAlive.now) {
            await ledger.submit(
              served.client,
              random.chance(0.5) ? productRequest() : chainRequest(),
            );
            await sleep(random.below(60));
          }
        })();
        const before = ledger.accepted.size;
        await expect.poll(() => ledger.accepted.size, { timeout: 60_000 }).toBeGreaterThan(before);
        await sleep(random.below(600));
        served.signal("SIGKILL");
        isAlive.now = false;
        await Promise.all([load, served.ended]);
      }
      await using served = await ServedProcess.start(options);
      const { client, admin } = served;
      expect(ledger.accepted.size).toBeGreaterThanOrEqual(KILLS);
      for (const request of ledger.requests) {
        const requestId = request.requestId as string;
        const { job, created } = await client.submit(request);
        // A call that a kill cut off was accepted or not; the others were.
        const known = ledger.accepted.get(requestId);
        if (known !== undefined) expect([job?.jobId, created]).toEqual([known, false]);
        ledger.accepted.set(requestId, job?.jobId ?? "");
        const ended = await client.wait({ requestId }).catch((error: unknown) => error);
        // Killed in each of ten attempts: a stated failure, and its input is kept for a retry.
        if (!(ended instanceof ProverClientError)) continue;
        expect(ended.reason).toBe("WORKER_LOST");
        ledger.retried.add(requestId);
        await admin.retry({ requestId });
        expect((await client.wait({ requestId })).state).toBe(JobState.SUCCEEDED);
      }
      const tally = await ledger.audit(client);
      faultLine("kill -9 of the whole service", KILLS, tally, random.seed);
      expect(tally).toMatchObject({ proved: ledger.requests.length, lost: 0, doubled: 0 });
      expect(await served.end("SIGTERM")).toEqual({ code: 0, signal: null });
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }, 900_000);
});
