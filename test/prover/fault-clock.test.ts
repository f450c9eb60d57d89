import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { JobState } from "../../gen/prover/v1/job_pb.ts";
import { faultLine, JobLedger } from "./job-ledger.ts";
import { SeededRandom } from "./seeded-random.ts";
import { ServedProcess } from "./served-process.ts";
import { chainRequest, productRequest, stubbornRequest } from "./test-server.ts";

const JUMPS = process.env.HEAVY ? 100 : 20;
const HOUR_MS = 3_600_000;
const LEASE_MS = 5_000;
const CLOCK = pathToFileURL(join(import.meta.dirname, "jumping-clock.ts")).href;

let folder: string;
let served: ServedProcess;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "clock-"));
  served = await ServedProcess.start({
    store: `sqlite:${join(folder, "jobs.sqlite")}`,
    nodeArgs: ["--import", CLOCK],
    settings: {
      CLOCK_FILE: join(folder, "offset"),
      PROVER_CIRCUITS: "product,chain,stubborn",
      // A lease that ran out by a clock that was set would cost the job.
      PROVER_ATTEMPTS_MAX: "1",
      PROVER_LEASE_MS: String(LEASE_MS),
    },
  });
});
afterEach(async () => {
  await served[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** Sets the service's clock, so many milliseconds from the true time. */
async function setClock(offsetMs: number): Promise<void> {
  await writeFile(join(folder, "offset"), String(offsetMs));
  served.signal("SIGUSR2");
  // The signal is handled when the event loop comes to it.
  await expect
    .poll(async () => {
      const { job } = await served.client.submit(productRequest());
      return Math.abs(Number(job?.createTime?.seconds ?? 0) * 1_000 - (Date.now() + offsetMs));
    })
    .toBeLessThan(60_000);
}

describe("prover / the system's clock is set", () => {
  const random = new SeededRandom();

  it(`${JUMPS} times by up to hours, forward and back, and no job is lost or done twice (SEED=${random.seed})`, async () => {
    const ledger = new JobLedger();
    for (let jump = 0; jump < JUMPS; jump++) {
      await ledger.submit(served.client, random.chance(0.5) ? chainRequest() : productRequest());
      await ledger.submit(served.client, chainRequest());
      await sleep(random.below(300));
      // Below a day: ended jobs are kept for a day of that clock.
      await setClock(random.below(16 * HOUR_MS) - 8 * HOUR_MS);
    }
    await setClock(0);
    const tally = await ledger.audit(served.client);
    faultLine("the clock is set under load", JUMPS, tally, random.seed);
    expect(tally).toMatchObject({ proved: 2 * JUMPS, lost: 0, doubled: 0, attempts: 1 });
  }, 300_000);

  it("back: a job that runs goes on being watched, and is stopped when that is asked for", async () => {
    const { client } = served;
    const { job } = await client.submit(stubbornRequest());
    const jobId = job?.jobId as string;
    await expect.poll(async () => (await client.get({ jobId })).state).toBe(JobState.RUNNING);
    await setClock(-8 * HOUR_MS);
    // Longer than a lease.
    await sleep(LEASE_MS + 1_000);
    expect(await client.get({ jobId })).toMatchObject({ state: JobState.RUNNING, attempts: 1 });
    await client.cancel({ jobId });
    expect((await client.get({ jobId }, { waitMs: 30_000 })).state).toBe(JobState.CANCELLED);
  }, 120_000);

  it("not at all, but the whole process stands still for longer than a lease: its jobs go on", async () => {
    const { client } = served;
    const { job } = await client.submit(stubbornRequest());
    const jobId = job?.jobId as string;
    await expect.poll(async () => (await client.get({ jobId })).state).toBe(JobState.RUNNING);
    for (let pause = 0; pause < 2; pause++) {
      await sleep(random.below(300));
      served.signal("SIGSTOP");
      await sleep(LEASE_MS + 500);
      served.signal("SIGCONT");
      expect(await client.get({ jobId })).toMatchObject({ state: JobState.RUNNING, attempts: 1 });
    }
    await sleep(500);
    expect(await client.get({ jobId })).toMatchObject({ state: JobState.RUNNING, attempts: 1 });
    await client.cancel({ jobId });
    expect((await client.get({ jobId }, { waitMs: 30_000 })).state).toBe(JobState.CANCELLED);
  }, 120_000);

  it("forward, past the expiry of a job that waits: it expires, as its caller asked for by the time of day", async () => {
    const { client } = served;
    const blocking = await Promise.all([1, 2].map(() => client.submit(stubbornRequest())));
    const expireTime = timestampFromMs(Date.now() + HOUR_MS);
    const { job } = await client.submit(productRequest({ expireTime }));
    const jobId = job?.jobId as string;
    expect((await client.get({ jobId })).state).toBe(JobState.QUEUED);
    await setClock(2 * HOUR_MS);
    expect((await client.get({ jobId }, { waitMs: 30_000 })).state).toBe(JobState.EXPIRED);
    for (const { job } of blocking) await client.cancel({ jobId: job?.jobId as string });
  }, 120_000);
});
