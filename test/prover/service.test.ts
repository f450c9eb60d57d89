import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputKind, JobPriority, JobStage, JobState } from "../../gen/prover/v1/job_pb.ts";
import { type JobEvent, ProverService, ServerState } from "../../gen/prover/v1/prover_pb.ts";
import { Caller } from "../../prover/caller.ts";
import type { SubmitRequest } from "../../prover/client.ts";
import { proofElements } from "../../prover/client.ts";
import { fromBytesBE, SCALAR_FIELD, toBytesBE } from "../../worker/field.ts";
import { proofFromJson } from "../../worker/proof.ts";
import { verificationKeyFromJson } from "../../worker/verification-key.ts";
import { verifyWithNoble } from "../circuits/pairing.ts";
import { smallCircuits } from "./small-circuits.ts";
import {
  chainRequest,
  jsonInput,
  productRequest,
  startTestServer,
  stubbornRequest,
  type TestServer,
} from "./test-server.ts";
import { wtns } from "./witness-file.ts";

let under: TestServer;
beforeAll(async () => {
  under = await startTestServer();
});
afterAll(() => under[Symbol.asyncDispose]());

const idOf = (request: SubmitRequest) => ({ requestId: request.requestId as string });
const parseJson = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString());
/** Keeps the only thread busy until it is cancelled. */
async function occupy(): Promise<{ release: () => Promise<unknown> }> {
  const request = stubbornRequest();
  await under.client.submit(request);
  await untilRunning(request);
  return {
    release: async () => {
      await under.client.cancel(idOf(request));
      await under.client.wait(idOf(request)).catch(() => {});
    },
  };
}
/** Until the circuit's own program or proof is being computed: 5 % is where loading ends. */
async function untilRunning(request: SubmitRequest): Promise<void> {
  for await (const { job } of under.client.watch(idOf(request))) {
    if (job?.state === JobState.RUNNING && job.progressPercent >= 5) return;
  }
  throw new Error("the job never ran");
}

describe("prover / service / a proof", () => {
  it("verifies under noble's pairing, with everything that a caller needs beside it", async () => {
    const request = productRequest({ labels: { block: "7" }, priority: JobPriority.HIGH });
    const job = await under.client.prove(request);
    const circuit = await under.client.getCircuit("product");
    expect(job).toMatchObject({
      requestId: request.requestId,
      circuitId: "product",
      inputKind: InputKind.JSON,
      state: JobState.SUCCEEDED,
      priority: JobPriority.HIGH,
      labels: { block: "7" },
      attempts: 1,
      developmentKeys: true,
    });
    const { result } = job;
    expect(result).toMatchObject({
      engine: expect.stringMatching(/^wasm/),
      developmentKeys: true,
    });
    expect(result.commitBlock).toBeUndefined();
    expect(result.publicSignals.map(fromBytesBE)).toEqual([15n]);
    expect(Buffer.from(result.zkeySha256)).toEqual(Buffer.from(circuit.zkeySha256));
    expect(Buffer.from(result.vkeySha256)).toEqual(Buffer.from(circuit.vkeySha256));
    const proof = proofFromJson(parseJson(result.snarkjsProofJson));
    const key = verificationKeyFromJson(parseJson(circuit.verificationKeyJson));
    expect(verifyWithNoble(key, [15n], proof)).toBe(true);
    expect(verifyWithNoble(key, [16n], proof)).toBe(false);
    expect(result.proof && proofElements(result.proof)).toEqual([
      proof.a.x,
      proof.a.y,
      proof.b.x[1],
      proof.b.x[0],
      proof.b.y[1],
      proof.b.y[0],
      proof.c.x,
      proof.c.y,
    ]);
  });

  it("is made from a witness file, too", async () => {
    // 1, product, a, b: circom's order of wires is the constant, public, private.
    const request = productRequest({ input: { case: "wtns", value: wtns([1n, 15n, 3n, 5n]) } });
    const { result, inputKind } = await under.client.prove(request);
    expect(inputKind).toBe(InputKind.WTNS);
    expect(result.publicSignals.map(fromBytesBE)).toEqual([15n]);
    expect(result.times?.witnessMs).toBe(0);
  });
});

describe("prover / service / SubmitProof", () => {
  it("returns the same job for the same request id and content", async () => {
    const request = productRequest();
    const first = await under.client.submit(request);
    const [again, alike] = await Promise.all([
      under.client.submit(request),
      under.client.submit({ ...request, priority: JobPriority.LOW, labels: { other: "label" } }),
    ]);
    expect(first.created).toBe(true);
    expect([again.created, alike.created]).toEqual([false, false]);
    expect([again.job?.jobId, alike.job?.jobId]).toEqual([first.job?.jobId, first.job?.jobId]);
    await under.client.wait(idOf(request));
    const late = await under.client.submit(request);
    expect(late.job).toMatchObject({ jobId: first.job?.jobId, state: JobState.SUCCEEDED });
  });

  it("answers ALREADY_EXISTS for other content under the same id", async () => {
    const request = productRequest();
    await under.client.submit(request);
    for (const other of [
      { ...request, input: jsonInput({ a: 4, b: 5, product: 20 }) },
      { ...request, circuitId: "chain" },
    ]) {
      await expect(under.client.submit(other as SubmitRequest)).rejects.toMatchObject({
        code: "ALREADY_EXISTS",
        reason: "REQUEST_ID_REUSED",
        violations: [{ field: "request_id" }],
      });
    }
  });

  const longText = "x".repeat(256);
  const badRequests: [what: string, changes: Partial<SubmitRequest>, field: string][] = [
    ["no request id", { requestId: "" }, "request_id"],
    ["a request id with a space", { requestId: "a b" }, "request_id"],
    ["a request id of 129 characters", { requestId: "x".repeat(129) }, "request_id"],
    ["no input", { input: { case: undefined } }, "input"],
    ["an unknown priority", { priority: 9 as JobPriority }, "priority"],
    ["an expiry in the past", { expireTime: timestampFromMs(Date.now() - 1) }, "expire_time"],
    ["a label that is too long", { labels: { name: longText } }, 'labels["name"]'],
    ["a label without a name", { labels: { "": "x" } }, "labels"],
    [
      "17 labels",
      { labels: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`n${i}`, "x"])) },
      "labels",
    ],
    [
      "a typed batch for a circuit that is none",
      { input: { case: "transferBatch", value: {} } },
      "transfer_batch",
    ],
  ];
  it.each(badRequests)("refuses %s with the field's path", async (_, changes, field) => {
    await expect(under.client.submit(productRequest(changes))).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "REQUEST_MALFORMED",
      violations: [{ field, description: expect.stringMatching(/got|expected/) }],
    });
  });

  it("reports several faulty fields at once", async () => {
    const request = productRequest({ requestId: "", priority: 9 as JobPriority });
    const refused = under.client.submit(request);
    await expect(refused).rejects.toMatchObject({
      violations: [{ field: "request_id" }, { field: "priority" }],
    });
  });

  it("answers NOT_FOUND for an unknown circuit, and names the known ones", async () => {
    await expect(under.client.submit(productRequest({ circuitId: "?" }))).rejects.toMatchObject({
      code: "NOT_FOUND",
      reason: "CIRCUIT_UNKNOWN",
      message: expect.stringContaining("product"),
    });
  });

  const badInputs: [what: string, text: string | Uint8Array][] = [
    ["JSON that is not JSON", "{ a: 3"],
    ["bytes that are not UTF-8", Uint8Array.of(0x7b, 0xff, 0x7d)],
    ["no bytes", ""],
    ["JSON that is not an object", "[3, 5]"],
    ["more bytes than its values can have", `{"a": 3,${" ".repeat(100_000)}"b": 5, "product": 15}`],
    ["a missing signal", JSON.stringify({ a: 3, product: 15 })],
    ["a million digits", JSON.stringify({ a: "9".repeat(1_000_000), b: 1, product: 0 })],
  ];
  const refuseInput = async (text: string | Uint8Array, field: string) => {
    const value = typeof text === "string" ? Buffer.from(text) : text;
    const refused = under.client.submit(productRequest({ input: { case: "inputJson", value } }));
    await expect(refused).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INPUT_MALFORMED",
      violations: [{ field }],
      message: expect.not.stringMatching(/three|999|0\.5|21888/),
    });
  };
  it.each(badInputs)("refuses input_json with %s, without quoting it", (_, text) =>
    refuseInput(text, "input_json"),
  );

  const badSignals: [what: string, field: string, text: string][] = [
    ["an unknown signal", "c", JSON.stringify({ a: 3, b: 5, product: 15, c: 1 })],
    ["a signal named __proto__", "__proto__", '{"a": 3, "b": 5, "__proto__": 15}'],
    ["a name that is none", '"a b\\n"', JSON.stringify({ "a b\n": 3 })],
    ["too many values", "a", JSON.stringify({ a: [3, 4], b: 5, product: 15 })],
    ["too few values", "a", JSON.stringify({ a: [], b: 5, product: 15 })],
    ["an element equal to r", "a", JSON.stringify({ a: String(SCALAR_FIELD), b: 1, product: 0 })],
    ["a negative number", "a", JSON.stringify({ a: -1, b: 1, product: 0 })],
    ["a fraction", "a", JSON.stringify({ a: 0.5, b: 1, product: 0 })],
    ["a number beyond 2^53", "a", '{"a": 9007199254740993, "b": 1, "product": 0}'],
    ["a word", "a", JSON.stringify({ a: "three", b: 1, product: 0 })],
    ["null", "a", JSON.stringify({ a: null, b: 1, product: 0 })],
    ["an infinite number", "a", '{"a": 1e400, "b": 1, "product": 0}'],
    ["a bad value in an array", "a[1][0]", JSON.stringify({ a: [1, ["three"]], b: 1, product: 0 })],
    [
      "arrays nested a thousand deep",
      `a${"[0]".repeat(17)}`,
      `{"a": ${"[".repeat(1000)}3${"]".repeat(1000)}}`,
    ],
  ];
  it.each(badSignals)("names the signal of input_json with %s", (_, path, text) =>
    refuseInput(text, `input_json.${path}`),
  );

  it("refuses a time after the year 9999, which no answer could show", async () => {
    for (const seconds of [2n ** 63n - 1n, 253_402_300_800n]) {
      const refused = under.client.submit(productRequest({ expireTime: { seconds } as never }));
      await expect(refused).rejects.toMatchObject({
        reason: "REQUEST_MALFORMED",
        violations: [{ field: "expire_time" }],
      });
    }
    const last = { seconds: 253_402_300_799n, nanos: 0 };
    const { job } = await under.client.submit(productRequest({ expireTime: last as never }));
    expect(job?.expireTime?.seconds).toBe(last.seconds);
  });

  const good = wtns([1n, 15n, 3n, 5n]);
  const badWitnesses: [what: string, bytes: Uint8Array][] = [
    ["a truncated file", good.subarray(0, good.length - 1)],
    ["half a file", good.subarray(0, good.length / 2)],
    ["no bytes", new Uint8Array()],
    ["a file of another kind", Buffer.concat([Buffer.from("zkey"), good.subarray(4)])],
    ["another circuit's witness", wtns([1n, 15n, 3n, 5n, 6n])],
    ["a value equal to r", wtns([1n, 15n, SCALAR_FIELD, 5n])],
    ["a first value other than 1", wtns([2n, 15n, 3n, 5n])],
    ["a witness of another field", wtns([1n, 15n, 3n, 5n], SCALAR_FIELD + 2n)],
  ];
  it.each(badWitnesses)("refuses wtns with %s", async (_, value) => {
    const refused = under.client.submit(productRequest({ input: { case: "wtns", value } }));
    await expect(refused).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "WITNESS_MALFORMED",
      violations: [{ field: "wtns" }],
    });
  });

  it("answers, after all that, for a good request", async () => {
    const { state } = await under.client.prove(productRequest());
    expect(state).toBe(JobState.SUCCEEDED);
  });
});

describe("prover / service / a job that fails", () => {
  it("fails at once and for good when the inputs break the circuit's rule", async () => {
    const request = productRequest({ input: jsonInput({ a: 3, b: 5, product: 16 }) });
    const failed = under.client.prove(request);
    await expect(failed).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "WITNESS_UNSATISFIABLE",
      violations: [{ field: "input_json" }],
      message: expect.stringContaining("Product"),
      job: { state: JobState.FAILED, attempts: 1, failure: { retryable: false } },
    });
    await expect(failed).rejects.not.toThrow(/16/);
  });

  it("fails when the witness breaks a constraint", async () => {
    const value = wtns([1n, 16n, 3n, 5n]);
    const failed = under.client.prove(productRequest({ input: { case: "wtns", value } }));
    await expect(failed).rejects.toMatchObject({
      reason: "WITNESS_UNSATISFIABLE",
      violations: [{ field: "wtns" }],
      job: { state: JobState.FAILED, attempts: 1 },
    });
  });
});

describe("prover / service / BatchSubmitProofs", () => {
  it("gives each request its own outcome", async () => {
    const good = productRequest();
    const requests = [good, productRequest({ circuitId: "?" }), good, productRequest()];
    const outcomes = await under.client.submitAll(requests);
    expect(outcomes.map(({ outcome }) => outcome.case)).toEqual([
      "accepted",
      "refused",
      "accepted",
      "accepted",
    ]);
    const [first, refused, again] = outcomes.map(({ outcome }) => outcome.value) as never[];
    expect(refused).toMatchObject({ code: 5, message: expect.stringContaining("circuit_id") });
    const jobIdOf = (accepted: { job: { jobId: string } }) => accepted.job.jobId;
    expect(jobIdOf(first as never)).toBe(jobIdOf(again as never));
  });

  it("proves each of several witnesses that came in one message", async () => {
    const named = [3n, 5n, 7n].map((b) => ({
      requestId: `witness-${b}`,
      input: { case: "wtns", value: wtns([1n, 3n * b, 3n, b]) } as const,
    }));
    await under.client.submitAll(named.map(productRequest));
    const products = named.map(async ({ requestId }) => {
      const { result } = await under.client.wait({ requestId });
      return result?.publicSignals.map(fromBytesBE);
    });
    expect(await Promise.all(products)).toEqual([[9n], [15n], [21n]]);
  });

  it("refuses no requests and too many", async () => {
    for (const count of [0, 65]) {
      const requests = Array.from({ length: count }, () => productRequest());
      await expect(under.client.submitAll(requests)).rejects.toMatchObject({
        violations: [{ field: "requests" }],
      });
    }
  });
});

describe("prover / service / GetProof", () => {
  it("answers at once without a wait, and at the job's end with one", async () => {
    const request = chainRequest();
    await under.client.submit(request);
    const early = await under.client.get(idOf(request));
    expect([JobState.QUEUED, JobState.RUNNING]).toContain(early.state);
    const late = await under.client.get(idOf(request), { waitMs: 60_000 });
    expect(late.state).toBe(JobState.SUCCEEDED);
    const byJobId = await under.client.get({ jobId: late.jobId });
    expect(byJobId.requestId).toBe(request.requestId);
  });

  it("answers before the call's deadline when that comes first", async () => {
    const busy = await occupy();
    const request = productRequest();
    await under.client.submit(request);
    const { job } = await getWithWait(request.requestId as string, 60);
    expect(job?.state).toBe(JobState.QUEUED);
    await busy.release();
  });

  it("refuses no name, an unknown one, and an endless wait", async () => {
    await expect(under.client.get({ jobId: "" })).rejects.toMatchObject({
      violations: [{ field: "reference" }],
    });
    await expect(under.client.get({ requestId: "?" })).rejects.toMatchObject({
      code: "NOT_FOUND",
      reason: "JOB_UNKNOWN",
    });
    await expect(getWithWait("?", 301)).rejects.toMatchObject({
      violations: [{ field: "wait" }],
    });
  });
});

describe("prover / service / WatchProof", () => {
  it("begins with a snapshot, shows stages and progress, and ends with the proof", async () => {
    const request = chainRequest();
    const events: JobEvent[] = [];
    await under.client.prove(request, { onEvent: (event) => events.push(event) });
    expect(events[0]?.snapshot).toBe(true);
    const sequences = events.map(({ sequence }) => sequence);
    expect(sequences).toEqual([...sequences].sort((a, b) => Number(a - b)));
    const percents = events.flatMap(({ job }) =>
      job?.state === JobState.RUNNING ? job.progressPercent : [],
    );
    expect(percents).toEqual([...percents].sort((a, b) => a - b));
    // Amid the sums of points, not only at the borders of stages.
    expect(percents.some((percent) => percent > 15 && percent < 95)).toBe(true);
    const stages = new Set(events.map(({ job }) => job?.stage));
    expect(stages).toContain(JobStage.PROVING);
    expect(events.at(-1)?.job?.result?.proof).toBeDefined();
    for (const event of events.slice(0, -1)) expect(event.job?.result).toBeUndefined();
  });

  it("resumes after a sequence without loss or repetition", async () => {
    const request = chainRequest();
    await under.client.prove(request);
    const all: bigint[] = [];
    for await (const { sequence } of under.client.watch(idOf(request), { afterSequence: 1n })) {
      all.push(sequence);
    }
    const middle = all[Math.floor(all.length / 2)] as bigint;
    const rest: bigint[] = [];
    const options = { afterSequence: middle };
    for await (const { sequence } of under.client.watch(idOf(request), options)) {
      rest.push(sequence);
    }
    expect(rest).toEqual(all.filter((sequence) => sequence > middle));
  });

  it("shows a waiting job its place in the line, and that it moves up", async () => {
    const busy = await occupy();
    const first = stubbornRequest();
    const second = productRequest();
    await under.client.submit(first);
    await under.client.submit(second);
    const positions: number[] = [];
    for await (const { job } of under.client.watch(idOf(second))) {
      if (job?.state !== JobState.QUEUED) break;
      positions.push(job.queuePosition);
      if (positions.length === 1) await under.client.cancel(idOf(first));
      if (positions.length === 2) break;
    }
    expect(positions).toEqual([1, 0]);
    await busy.release();
  });

  it("refuses a sequence that the job of a request id has not reached", async () => {
    const request = productRequest();
    await under.client.prove(request);
    const watched = under.client.watch(idOf(request), { afterSequence: 10_000n }).next();
    await expect(watched).rejects.toMatchObject({ violations: [{ field: "after_sequence" }] });
  });

  it("begins anew with a job that has gone back behind the sequence seen, as a restored one", async () => {
    const { jobId } = await under.client.prove(productRequest());
    const events: unknown[] = [];
    for await (const { snapshot, job } of under.client.watch({ jobId }, { afterSequence: 10_000n }))
      events.push([snapshot, job?.state]);
    expect(events).toEqual([[true, JobState.SUCCEEDED]]);
  });
});

describe("prover / service / ListProofs", () => {
  it("pages through the jobs that match, newest first, without results", async () => {
    const labels = { list: "this one" };
    const requests = Array.from({ length: 5 }, () => productRequest({ labels }));
    for (const request of requests) await under.client.prove(request);
    const listed = [];
    for await (const job of under.client.list({ labels, pageSize: 2 })) listed.push(job);
    expect(listed.map(({ requestId }) => requestId)).toEqual(
      requests.map(({ requestId }) => requestId).reverse(),
    );
    expect(listed.every(({ result }) => result === undefined)).toBe(true);
    const none = under.client.list({ labels, states: [JobState.FAILED] });
    expect((await none.next()).done).toBe(true);
  });

  it("refuses a page that is too large, a foreign token and an unknown state", async () => {
    for (const [filter, field] of [
      [{ pageSize: 501 }, "page_size"],
      [{ states: [99 as JobState] }, "states[0]"],
    ] as const) {
      await expect(under.client.list(filter as never).next()).rejects.toMatchObject({
        violations: [{ field }],
      });
    }
  });
});

describe("prover / service / CancelProof", () => {
  it("ends a waiting job at once", async () => {
    const busy = await occupy();
    const request = productRequest();
    await under.client.submit(request);
    expect((await under.client.cancel(idOf(request))).state).toBe(JobState.CANCELLED);
    await busy.release();
  });

  it("stops a running proof, and the thread goes on to the next job", async () => {
    const request = chainRequest();
    await under.client.submit(request);
    await untilRunning(request);
    const answer = await under.client.cancel(idOf(request));
    expect([JobState.RUNNING, JobState.CANCELLED]).toContain(answer.state);
    const waited = under.client.wait(idOf(request));
    await expect(waited).rejects.toMatchObject({ code: "CANCELLED", reason: "CANCELLED" });
    expect((await under.client.prove(productRequest())).attempts).toBe(1);
  });

  it("stops a witness computation that cannot look, by ending its thread", async () => {
    const restartsBefore = (await under.admin.listWorkers())[0]?.restartCount as bigint;
    const request = stubbornRequest();
    await under.client.submit(request);
    await untilRunning(request);
    await under.client.cancel(idOf(request));
    await expect(under.client.wait(idOf(request))).rejects.toMatchObject({
      job: { state: JobState.CANCELLED },
    });
    const [worker] = await under.admin.listWorkers();
    expect(worker?.restartCount).toBe(restartsBefore + 1n);
    expect((await under.client.prove(productRequest())).state).toBe(JobState.SUCCEEDED);
  });

  it("leaves an ended job as it is, however often it is repeated", async () => {
    const request = productRequest();
    await under.client.prove(request);
    for (let i = 0; i < 2; i++) {
      expect((await under.client.cancel(idOf(request))).state).toBe(JobState.SUCCEEDED);
    }
  });

  it("answers NOT_FOUND for an unknown job", async () => {
    await expect(under.client.cancel({ jobId: "?" })).rejects.toMatchObject({
      code: "NOT_FOUND",
      reason: "JOB_UNKNOWN",
    });
  });
});

describe("prover / service / expire_time", () => {
  it("ends a waiting and a running job", async () => {
    const expireTime = timestampFromMs(Date.now() + 1_000);
    const running = stubbornRequest({ expireTime });
    const waiting = productRequest({ expireTime });
    await under.client.submit(running);
    await under.client.submit(waiting);
    for (const request of [running, waiting]) {
      await expect(under.client.wait(idOf(request))).rejects.toMatchObject({
        code: "DEADLINE_EXCEEDED",
        reason: "EXPIRED",
        job: { state: JobState.EXPIRED },
      });
    }
  });
});

describe("prover / service / VerifyProof", () => {
  it("accepts a proof in both forms, and refuses it with another signal or point", async () => {
    const { result } = await under.client.prove(productRequest());
    const { publicSignals, snarkjsProofJson } = result;
    const proof = result.proof as NonNullable<typeof result.proof>;
    const verify = async (form: object, signals = publicSignals) =>
      under.client.verify({ circuitId: "product", form, publicSignals: signals } as never);
    const asProof = { case: "proof", value: proof };
    expect(await verify(asProof)).toMatchObject({ valid: true, developmentKeys: true });
    const asJson = { case: "snarkjsProofJson", value: snarkjsProofJson };
    expect(await verify(asJson)).toMatchObject({ valid: true });
    expect(await verify(asProof, [toBytesBE(16n)])).toMatchObject({ valid: false });
    const swapped = { case: "proof", value: { a: proof.c, b: proof.b, c: proof.a } };
    expect(await verify(swapped)).toMatchObject({ valid: false });
    const offCurve = { ...proof, a: [toBytesBE(1n), toBytesBE(1n)] };
    expect(await verify({ case: "proof", value: offCurve })).toMatchObject({ valid: false });
  });

  it.each([
    ["an element equal to r", { publicSignals: [toBytesBE(SCALAR_FIELD)] }, "public_signals[0]"],
    ["too few signals", { publicSignals: [] }, "public_signals"],
    ["no proof", { form: { case: undefined } }, "form"],
    [
      "JSON that is not JSON",
      { form: { case: "snarkjsProofJson", value: Buffer.from("{") } },
      "snarkjs_proof_json",
    ],
    ["a proof without points", { form: { case: "proof", value: {} } }, "proof.a"],
    ["a coordinate of 31 bytes", { form: { case: "proof", value: coordinates(31) } }, "proof.a[0]"],
    [
      "a coordinate of at least q",
      { form: { case: "proof", value: coordinates(32, 0xff) } },
      "proof.a[0]",
    ],
  ])("refuses %s with the field's path", async (_, changes, field) => {
    const form = { case: "proof" as const, value: coordinates(32) };
    const request = { circuitId: "product", form, publicSignals: [toBytesBE(1n)], ...changes };
    const refused = under.client.verify(request as never);
    await expect(refused).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(refused).rejects.toMatchObject({
      violations: expect.arrayContaining([{ field, description: expect.any(String) }]),
    });
  });
});

describe("prover / service / discovery", () => {
  it("lists the circuits with the hashes of their files", async () => {
    const circuits = await under.client.listCircuits();
    expect(circuits.map(({ circuitId }) => circuitId)).toEqual(["chain", "product", "stubborn"]);
    const dir = join(await smallCircuits(), "product");
    const sha256 = async (name: string) =>
      createHash("sha256")
        .update(await readFile(join(dir, name)))
        .digest();
    const product = await under.client.getCircuit("product");
    expect(product).toMatchObject({
      constraintCount: 1,
      wireCount: 4,
      publicSignalNames: ["product"],
      engines: [expect.stringMatching(/^wasm/)],
      developmentKeys: true,
    });
    expect(product.batchSize).toBeUndefined();
    expect(Buffer.from(product.r1csSha256)).toEqual(await sha256("circuit.r1cs"));
    expect(Buffer.from(product.witnessProgramSha256)).toEqual(await sha256("circuit.wasm"));
    expect(Buffer.from(product.zkeySha256)).toEqual(await sha256("circuit.zkey"));
    expect(Buffer.from(product.vkeySha256)).toEqual(await sha256("verification_key.json"));
    await expect(under.client.getCircuit("?")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("describes the server", async () => {
    expect(await under.client.getServerInfo()).toMatchObject({
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      state: ServerState.SERVING,
      engines: [expect.stringMatching(/^wasm/)],
      workerCount: 1,
      queueLimit: 256,
      maxMessageBytes: 16 * 1024 * 1024,
      developmentKeys: true,
    });
  });
});

describe("prover / service / logs", () => {
  it("hold no input and no message that could quote one", async () => {
    const secret = "1234567890123456789012345678901234567890";
    const requests = [
      productRequest({ input: jsonInput({ a: secret, b: 1, product: secret }) }),
      productRequest({ input: jsonInput({ a: secret, b: 1, product: 2 }) }),
      productRequest({ input: jsonInput({ a: `${secret}?`, b: 1, product: 2 }) }),
      productRequest({ input: jsonInput({ [`a${secret}`]: 1 }) }),
    ];
    for (const request of requests) await under.client.prove(request).catch(() => {});
    expect(JSON.stringify(under.logged)).not.toContain(secret);
    expect(JSON.stringify(under.logged)).toContain("WITNESS_UNSATISFIABLE");
  });
});

function coordinates(bytes: number, fill = 0) {
  const list = (count: number) => Array.from({ length: count }, () => Buffer.alloc(bytes, fill));
  return { a: list(2), b: list(4), c: list(2) };
}

/** GetProof with a deadline of half a second, which does not allow for the wait. */
async function getWithWait(requestId: string, seconds: number) {
  const address = `127.0.0.1:${under.server.port}`;
  const caller = new Caller({ address, callMs: 500, patienceMs: 0 });
  try {
    return await caller.unary(ProverService.method.getProof, {
      reference: { case: "requestId", value: requestId },
      wait: { seconds: BigInt(seconds) },
    });
  } finally {
    caller.close();
  }
}
