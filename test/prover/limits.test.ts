import { randomUUID } from "node:crypto";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { JobStage, JobState } from "../../gen/prover/v1/job_pb.ts";
import { ProverService } from "../../gen/prover/v1/prover_pb.ts";
import type { SubmitRequest } from "../../prover/client.ts";
import { parseConfig } from "../../prover/config.ts";
import { REQUEST_FIELDS_MAX } from "../../prover/field-budget.ts";
import { methodDefinition } from "../../prover/grpc.ts";
import { MemoryStore } from "../../prover/stores/memory.ts";
import { smallCircuits } from "./small-circuits.ts";
import {
  chainRequest,
  productRequest,
  startTestServer,
  stubbornRequest,
  type TestServer,
} from "./test-server.ts";
import { wtns } from "./witness-file.ts";

const idOf = (request: SubmitRequest) => ({ requestId: request.requestId as string });

async function submitRunning(under: TestServer, request = stubbornRequest()) {
  await under.client.submit(request);
  for await (const { job } of under.client.watch(idOf(request))) {
    if (job?.stage !== JobStage.UNSPECIFIED) return idOf(request);
  }
  throw new Error("the job never ran");
}

/** Calls with bytes as they are. @returns the error, null if there was none. */
async function callWithBytes(
  under: TestServer,
  method: keyof typeof ProverService.method,
  request: Buffer,
): Promise<grpc.ServiceError | null> {
  const { path } = methodDefinition(ProverService.method[method]);
  const address = `127.0.0.1:${under.server.port}`;
  const client = new grpc.Client(address, grpc.credentials.createInsecure());
  const bytes = (value: Buffer) => value;
  try {
    return await new Promise((resolve) => {
      client.makeUnaryRequest(path, bytes, bytes, request, resolve);
    });
  } finally {
    client.close();
  }
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

  it("answers a repeated witness also when the line is full, and refuses another under its id", async () => {
    await using under = await startTestServer({ PROVER_QUEUE_MAX: "1" });
    await submitRunning(under);
    const witness = (b: bigint) => ({
      case: "wtns" as const,
      value: wtns([1n, 3n * b, 3n, b]),
    });
    const waiting = productRequest({ input: witness(5n) });
    const { job } = await under.client.submit(waiting);
    const again = await under.client.submit({ ...waiting, input: witness(5n) });
    expect(again).toMatchObject({ created: false, job: { jobId: job?.jobId } });
    const other = under.client.submit({ ...waiting, input: witness(7n) });
    await expect(other).rejects.toMatchObject({ reason: "REQUEST_ID_REUSED" });
    const full = under.client.submit(productRequest({ input: witness(5n) }));
    await expect(full).rejects.toMatchObject({ reason: "QUEUE_FULL" });
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
    const requests = Array.from({ length: 64 }, () => productRequest());
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
    const error = await callWithBytes(under, "submitProof", Buffer.from([0xff, 0xff, 0xff]));
    expect(error?.code).toBe(grpc.status.INVALID_ARGUMENT);
    expect((await under.client.submit(productRequest())).created).toBe(true);
  });

  it("refuses a message that is small on the wire and large in memory", async () => {
    await using under = await startTestServer();
    // Two bytes each: an empty request of a batch, and a field that the proto does not know.
    for (const [method, pair] of [
      ["batchSubmitProofs", [0x0a, 0]],
      ["getServerInfo", [0x78, 0]],
    ] as const) {
      const bytes = Buffer.alloc(2 * (REQUEST_FIELDS_MAX + 1), Buffer.from(pair));
      const error = await callWithBytes(under, method, bytes);
      expect(error?.code).toBe(grpc.status.INVALID_ARGUMENT);
      expect(error?.details).toContain(`${REQUEST_FIELDS_MAX} fields`);
    }
  });

  it("refuses more filters than a job can meet", async () => {
    await using under = await startTestServer();
    const labels = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`name-${i}`, ""]));
    for (const [field, filter] of [
      ["states", { states: Array(7).fill(JobState.FAILED) }],
      ["labels", { labels }],
      ["circuit_id", { circuitId: "x".repeat(129) }],
    ] as const) {
      await expect(under.client.list(filter).next()).rejects.toMatchObject({
        reason: "REQUEST_MALFORMED",
        violations: [{ field }],
      });
    }
  });

  it("looks for names as long as names can be, and refuses longer ones", async () => {
    await using under = await startTestServer({ PROVER_CIRCUITS: "product" });
    for (const field of ["jobId", "requestId"] as const) {
      const name = (length: number) => ({ [field]: "x".repeat(length) }) as { jobId: string };
      const refused = { reason: "REQUEST_MALFORMED" };
      for (const act of ["get", "wait", "cancel"] as const) {
        await expect(under.client[act](name(128))).rejects.toMatchObject({ reason: "JOB_UNKNOWN" });
        await expect(under.client[act](name(129))).rejects.toMatchObject(refused);
      }
      await expect(under.admin.retry(name(129))).rejects.toMatchObject(refused);
    }
    const circuitId = "x".repeat(128);
    expect((await under.client.list({ circuitId }).next()).done).toBe(true);
  });

  it("refuses inputs when those that are being checked are too large together", async () => {
    await using under = await startTestServer({ PROVER_INTAKE_MAX_BYTES: "1024" });
    const value = Buffer.from(JSON.stringify({ a: 3, b: 5, product: 15 }).padEnd(700));
    const requests = Array.from({ length: 32 }, () =>
      productRequest({ input: { case: "inputJson", value } }),
    );
    const outcomes = await Promise.allSettled(requests.map((each) => under.client.submit(each)));
    const refusals = outcomes.flatMap((each) => (each.status === "rejected" ? each.reason : []));
    expect(refusals.length).toBeGreaterThan(0);
    for (const refusal of refusals) {
      expect(refusal).toMatchObject({ reason: "QUEUE_FULL", retryAfterMs: expect.any(Number) });
      expect(refusal.message).toContain("bytes waiting to be checked");
    }
    // One that is larger than all together may be still has its turn.
    const large = Buffer.from(JSON.stringify({ a: 3, b: 5, product: 15 }).padEnd(2_000));
    const alone = productRequest({ input: { case: "inputJson", value: large } });
    expect((await under.client.submit(alone)).created).toBe(true);
  });

  it("proves although the clock is set back while a job waits", async () => {
    let nowMs = Date.now();
    const config = parseConfig({});
    const store = new MemoryStore(config, { now: () => (nowMs -= 1_000) });
    await using under = await startTestServer({}, store);
    const { state, result } = await under.client.prove(productRequest());
    expect(state).toBe(JobState.SUCCEEDED);
    expect(result.times?.queueMs).toBe(0);
  });

  it("goes on after a cancellation although a circuit's files were changed on disk", async () => {
    const dir = await mkdtemp(join(tmpdir(), "proofmill-changed-"));
    try {
      await cp(await smallCircuits(), dir, { recursive: true });
      await using under = await startTestServer({ PROVER_CIRCUITS_DIR: dir });
      for (const name of ["circuit.wasm", "circuit.zkey", "verification_key.json"]) {
        await writeFile(join(dir, "product", name), "another build");
      }
      // The stubborn witness can only be stopped with its thread; the next job gets a new one.
      await under.client.cancel(await submitRunning(under));
      const { result } = await under.client.prove(productRequest());
      const { publicSignals, snarkjsProofJson: value } = result;
      const form = { case: "snarkjsProofJson" as const, value };
      const { valid } = await under.client.verify({ circuitId: "product", form, publicSignals });
      expect(valid).toBe(true);
    } finally {
      await rm(dir, { recursive: true });
    }
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
