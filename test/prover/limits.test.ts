import { randomUUID } from "node:crypto";
import * as grpc from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { JobStage, JobState } from "../../gen/prover/v1/job_pb.ts";
import { ProverService } from "../../gen/prover/v1/prover_pb.ts";
import type { SubmitRequest } from "../../prover/client.ts";
import { methodDefinition } from "../../prover/grpc.ts";
import {
  chainRequest,
  jsonInput,
  productRequest,
  startTestServer,
  stubbornRequest,
  type TestServer,
} from "./test-server.ts";

const idOf = (request: SubmitRequest) => ({ requestId: request.requestId as string });

async function submitRunning(under: TestServer, request = stubbornRequest()) {
  await under.client.submit(request);
  for await (const { job } of under.client.watch(idOf(request))) {
    if (job?.stage !== JobStage.UNSPECIFIED) return idOf(request);
  }
  throw new Error("the job never ran");
}

describe("prover / limits", () => {
  it("refuses a job when the line is full, with a delay, and takes it when there is room", async () => {
    await using under = await startTestServer({ PROVER_QUEUE_MAX: "1" });
    const running = await submitRunning(under);
    const waiting = productRequest();
    await under.client.submit(waiting);
    const late = productRequest();
    await expect(under.client.submit(late)).rejects.toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      reason: "QUEUE_FULL",
      retryAfterMs: expect.any(Number),
      isTransient: true,
    });
    expect((await under.client.submit(waiting)).created).toBe(false);
    // A patient client repeats until there is room, under the same request id.
    const accepted = under.connect({ patienceMs: 30_000 }).submit(late);
    await under.client.cancel(running);
    expect((await accepted).created).toBe(true);
    expect((await under.client.wait(idOf(late))).state).toBe(JobState.SUCCEEDED);
  });

  it("refuses a body of 20 MB and goes on", async () => {
    await using under = await startTestServer();
    const value = Buffer.alloc(20_000_000, 0x20);
    const big = under.client.submit(productRequest({ input: { case: "inputJson", value } }));
    await expect(big).rejects.toMatchObject({ code: "RESOURCE_EXHAUSTED", isTransient: false });
    expect((await under.client.prove(productRequest())).state).toBe(JobState.SUCCEEDED);
  });

  it("takes a body just below the limit, and refuses what is in it", async () => {
    await using under = await startTestServer();
    const value = Buffer.alloc(16 * 1024 * 1024 - 1_000, 0x20);
    const blank = under.client.submit(productRequest({ input: { case: "inputJson", value } }));
    await expect(blank).rejects.toMatchObject({ reason: "INPUT_MALFORMED" });
    const wtns = under.client.submit(productRequest({ input: { case: "wtns", value } }));
    await expect(wtns).rejects.toMatchObject({ reason: "WITNESS_MALFORMED" });
  });

  it("refuses inputs when too many are being checked", async () => {
    await using under = await startTestServer({ PROVER_INTAKE_MAX: "1" });
    const large = { a: Array(200_000).fill("1"), b: 1, product: 1 };
    const requests = Array.from({ length: 6 }, () => productRequest({ input: jsonInput(large) }));
    const outcomes = await Promise.allSettled(requests.map((each) => under.client.submit(each)));
    const refusals = outcomes.flatMap((each) => (each.status === "rejected" ? each.reason : []));
    expect(refusals.length).toBeGreaterThan(0);
    for (const refusal of refusals) {
      expect(refusal).toMatchObject({ reason: "QUEUE_FULL", retryAfterMs: expect.any(Number) });
    }
    expect((await under.client.submit(productRequest())).created).toBe(true);
  });

  it("fails a job whose attempt takes too long", async () => {
    await using under = await startTestServer({ PROVER_JOB_MAX_MS: "500" });
    const failed = under.client.prove(stubbornRequest());
    await expect(failed).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
      reason: "JOB_TOO_LONG",
      job: { failure: { retryable: false } },
    });
  });

  it("runs as many jobs at once as it has threads, no more", async () => {
    await using under = await startTestServer({ PROVER_THREADS: "2" });
    const requests = [stubbornRequest(), stubbornRequest(), stubbornRequest()];
    await submitRunning(under, requests[0] as SubmitRequest);
    await submitRunning(under, requests[1] as SubmitRequest);
    await under.client.submit(requests[2] as SubmitRequest);
    expect(await under.client.getServerInfo()).toMatchObject({ runningCount: 2, queuedCount: 1 });
    const workers = await under.admin.listWorkers();
    expect(workers.map(({ jobId }) => jobId !== "")).toEqual([true, true]);
  });

  it("answers INVALID_ARGUMENT to bytes that are no message", async () => {
    await using under = await startTestServer();
    const { path } = methodDefinition(ProverService.method.submitProof);
    const client = new grpc.Client(
      `127.0.0.1:${under.server.port}`,
      grpc.credentials.createInsecure(),
    );
    const bytes = (value: Buffer) => value;
    const error = await new Promise<grpc.ServiceError | null>((resolve) => {
      client.makeUnaryRequest(path, bytes, bytes, Buffer.from([0xff, 0xff, 0xff]), resolve);
    });
    client.close();
    expect(error?.code).toBe(grpc.status.INVALID_ARGUMENT);
    expect((await under.client.submit(productRequest())).created).toBe(true);
  });

  it("keeps no more ended jobs than it was told", async () => {
    await using under = await startTestServer({ PROVER_KEEP_FINISHED_MAX: "2" });
    const requests = [productRequest(), productRequest(), productRequest()];
    for (const request of requests) await under.client.prove(request);
    await expect
      .poll(async () => {
        const kept = [];
        for await (const job of under.client.list()) kept.push(job.requestId);
        return kept;
      })
      .toEqual([requests[2]?.requestId, requests[1]?.requestId]);
  });
});

describe("prover / Prove", () => {
  const call = (under: TestServer, submit: SubmitRequest, cancelOnDisconnect: boolean) =>
    under.stream(ProverService.method.prove, { submit, cancelOnDisconnect });

  /** Calls of Prove whose caller has left, as the server saw it. */
  const abandoned = (under: TestServer) =>
    under.logged.filter(({ method, isAbandoned }) => isAbandoned && /Prove$/.test(String(method)))
      .length;

  it("submits, streams the events and ends with the proof", async () => {
    await using under = await startTestServer();
    const request = chainRequest();
    const events = [];
    for await (const { event } of call(under, request, true)) events.push(event);
    expect(events[0]?.snapshot).toBe(true);
    expect(events.at(-1)?.job).toMatchObject({ state: JobState.SUCCEEDED });
    expect(events.at(-1)?.job?.result?.proof).toBeDefined();
  });

  it("refuses a bad request like SubmitProof", async () => {
    await using under = await startTestServer();
    const events = call(under, productRequest({ circuitId: "?" }), false);
    await expect(events.next()).rejects.toMatchObject({ reason: "CIRCUIT_UNKNOWN" });
  });

  it("cancels the job of a caller who leaves, if asked to, and only then", async () => {
    await using under = await startTestServer();
    for (const cancelOnDisconnect of [true, false]) {
      const request = stubbornRequest({ requestId: randomUUID() });
      for await (const { event } of call(under, request, cancelOnDisconnect)) {
        if (event?.job?.stage === JobStage.WITNESS) break;
      }
      await expect.poll(() => abandoned(under)).toBe(cancelOnDisconnect ? 1 : 2);
      const { state, cancelRequested } = await under.client.get(idOf(request), { waitMs: 2_000 });
      const expected = cancelOnDisconnect ? JobState.CANCELLED : JobState.RUNNING;
      expect({ state, cancelRequested }).toEqual({ state: expected, cancelRequested: false });
    }
  });

  it("leaves the job alone when the second of two callers leaves", async () => {
    await using under = await startTestServer();
    const request = stubbornRequest();
    await submitRunning(under, request);
    for await (const { event } of call(under, request, true)) {
      expect(event?.snapshot).toBe(true);
      break;
    }
    await expect.poll(() => abandoned(under)).toBe(1);
    const { state, cancelRequested } = await under.client.get(idOf(request));
    expect({ state, cancelRequested }).toEqual({ state: JobState.RUNNING, cancelRequested: false });
  });
});
