import { describe, expect, it } from "vitest";
import { JobStage, JobState } from "../../gen/prover/v1/job_pb.ts";
import type { SubmitRequest } from "../../prover/client.ts";
import {
  chainRequest,
  productRequest,
  startTestServer,
  stubbornRequest,
  type TestServer,
} from "./test-server.ts";

const idOf = (request: SubmitRequest) => ({ requestId: request.requestId as string });

/** Kills the thread each time the job has got into its work, `times` times. */
async function killThread(under: TestServer, request: SubmitRequest, times: number): Promise<void> {
  let killed = 0;
  for await (const { job } of under.client.watch(idOf(request))) {
    const isAtWork = job?.state === JobState.RUNNING && job.stage !== JobStage.UNSPECIFIED;
    if (!isAtWork || job.attempts <= killed) continue;
    killed = job.attempts;
    await under.server.pool.slots[0]?.end();
    if (killed === times) return;
  }
}

describe("prover / a worker thread dies", () => {
  it("once, and the job is proved in a second attempt", async () => {
    await using under = await startTestServer();
    const request = chainRequest();
    await under.client.submit(request);
    await killThread(under, request, 1);
    const job = await under.client.wait(idOf(request));
    expect(job).toMatchObject({ state: JobState.SUCCEEDED, attempts: 2 });
    expect((await under.admin.listWorkers())[0]).toMatchObject({ restartCount: 1n });
  });

  it("in every attempt, and the job becomes a dead letter that can be retried", async () => {
    await using under = await startTestServer();
    const request = chainRequest();
    await under.client.submit(request);
    await killThread(under, request, 2);
    const failed = under.client.wait(idOf(request));
    await expect(failed).rejects.toMatchObject({
      code: "UNAVAILABLE",
      reason: "WORKER_LOST",
      job: { state: JobState.FAILED, attempts: 2, failure: { retryable: true, field: "" } },
    });
    // The service lives, and others' jobs are proved.
    expect((await under.client.prove(productRequest())).state).toBe(JobState.SUCCEEDED);

    const retried = await under.admin.retry(idOf(request));
    expect(retried).toMatchObject({ state: JobState.QUEUED, attempts: 0 });
    expect((await under.client.wait(idOf(request))).state).toBe(JobState.SUCCEEDED);
    await expect(under.admin.retry(idOf(request))).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "JOB_NOT_RETRYABLE",
    });
  });

  it("while another thread works on, whose job is not touched", async () => {
    await using under = await startTestServer({ PROVER_THREADS: "2" });
    const steady = stubbornRequest();
    await under.client.submit(steady);
    await expect
      .poll(async () => (await under.client.get(idOf(steady))).stage)
      .toBe(JobStage.WITNESS);
    const request = chainRequest();
    await under.client.submit(request);
    await under.server.pool.slots[1]?.end();
    expect((await under.client.wait(idOf(request))).state).toBe(JobState.SUCCEEDED);
    const { state, attempts } = await under.client.get(idOf(steady));
    expect([state, attempts]).toEqual([JobState.RUNNING, 1]);
  });

  it("while idle, and the next job is proved in its first attempt", async () => {
    await using under = await startTestServer();
    await under.server.pool.slots[0]?.end();
    expect((await under.client.prove(productRequest())).state).toBe(JobState.SUCCEEDED);
  });
});

describe("prover / AdminService", () => {
  it("purges ended jobs by state and time, and nothing else", async () => {
    await using under = await startTestServer();
    const proved = productRequest();
    await under.client.prove(proved);
    const cancelled = stubbornRequest();
    await under.client.submit(cancelled);
    await under.client.cancel(idOf(cancelled));
    await under.client.wait(idOf(cancelled)).catch(() => {});
    const running = stubbornRequest();
    await under.client.submit(running);

    await expect(under.admin.purge({ states: [JobState.RUNNING] })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      violations: [{ field: "states[0]" }],
    });
    expect(await under.admin.purge({ endBefore: { seconds: 1n } })).toBe(0);
    expect(await under.admin.purge({ states: [JobState.CANCELLED] })).toBe(1);
    await expect(under.client.get(idOf(cancelled))).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(await under.admin.purge({})).toBe(1);
    await expect(under.client.get(idOf(proved))).rejects.toMatchObject({ code: "NOT_FOUND" });
    await under.client.cancel(idOf(running));
  });

  it("shows what each worker does", async () => {
    await using under = await startTestServer();
    expect(await under.admin.listWorkers()).toMatchObject([{ slot: 0, jobId: "" }]);
    const request = stubbornRequest();
    const { job } = await under.client.submit(request);
    await expect
      .poll(async () => (await under.admin.listWorkers())[0])
      .toMatchObject({ jobId: job?.jobId, stage: JobStage.WITNESS, startTime: expect.anything() });
  });

  it("is not on the callers' port", async () => {
    await using under = await startTestServer();
    const { AdminClient } = await import("../../prover/admin-client.ts");
    const lost = new AdminClient({ address: `127.0.0.1:${under.server.port}`, patienceMs: 0 });
    await expect(lost.drain()).rejects.toMatchObject({ code: "UNIMPLEMENTED" });
    lost.close();
  });
});
