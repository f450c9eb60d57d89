import { randomInt, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { JobState } from "../../../gen/prover/v1/job_pb.ts";
import { wideCircuit } from "../small-circuits.ts";
import {
  productRequest,
  startTestServer,
  stubbornRequest,
  type TestServer,
} from "../test-server.ts";
import { Wire } from "../wire.ts";
import { bufCurl } from "./buf-curl.ts";
import { type Certificates, makeCertificates } from "./certificates.ts";
import { connect } from "./connect.ts";
import type { Answer, CallOptions, IndependentClient } from "./independent-client.ts";
import { python } from "./python.ts";

const SERVICE = "prover.v1.ProverService";
/** Pings far more often than any sensible client: a server that minds them would end the connection. */
const KEEPALIVE_MS = 100;

let under: TestServer;
let wide: TestServer;
let secured: TestServer;
let certificates: Certificates;

beforeAll(async () => {
  under = await startTestServer();
  wide = await startTestServer({ PROVER_CIRCUITS_DIR: await wideCircuit() });
  certificates = await makeCertificates();
  secured = await startTestServer({
    PROVER_CIRCUITS: "product",
    PROVER_TLS_CERT: certificates.path("server.pem"),
    PROVER_TLS_KEY: certificates.path("server.key"),
    PROVER_TLS_CLIENT_CA: certificates.path("ca.pem"),
  });
});
afterAll(async () => {
  for (const each of [under, wide, secured, certificates]) await each?.[Symbol.asyncDispose]();
});

/** `inputs` as the bytes of `input_json`, in protobuf's JSON. */
const inputJson = (inputs: unknown) => Buffer.from(JSON.stringify(inputs)).toString("base64");

const submission = (circuitId: string, inputs: unknown) => ({
  requestId: randomUUID(),
  circuitId,
  inputJson: inputJson(inputs),
});
/** Numbers far apart: what a pretty-printer makes of a large input, 5 MB of it. */
function wideSubmission() {
  const numbers = Array.from({ length: 20_000 }, () => `"${randomInt(2 ** 40)}"`);
  const json = `{ "x": [ ${numbers.join(`,${" ".repeat(240)}`)} ] }`;
  const inputJson = Buffer.from(json).toString("base64");
  return { requestId: randomUUID(), circuitId: "wide", inputJson };
}
const product = () => submission("product", { a: 3, b: 5, product: 15 });
const chain = () => submission("chain", { start: 3 });
const stubborn = () => submission("stubborn", { steps: 1_000_000_000 });

for (const kind of [bufCurl, connect, python]) {
  const { name, whyUnavailable, lacks } = kind;
  const title = `prover / ${name}${whyUnavailable ? ` (skipped: ${whyUnavailable})` : ""}`;

  describe.skipIf(whyUnavailable !== undefined)(title, () => {
    let client: IndependentClient;
    beforeAll(async () => {
      client = await kind.open({ port: under.server.port, keepaliveMs: KEEPALIVE_MS });
    });
    afterAll(() => client?.[Symbol.asyncDispose]());

    const call = (method: string, request: object, options?: CallOptions): Promise<Answer[]> =>
      client.call(`${SERVICE}/${method}`, request as Answer, options);
    const one = async (method: string, request: object, options?: CallOptions) => {
      const answers = await call(method, request, options);
      expect(answers).toHaveLength(1);
      return answers[0];
    };

    it("submits, waits for the proof, and has it verified", async () => {
      const request = product();
      const { job, created } = await one("SubmitProof", request);
      expect(created).toBe(true);
      // A field that is false is left out of JSON.
      expect((await one("SubmitProof", request)).created).toBeUndefined();
      const { job: ended } = await one("GetProof", { jobId: job.jobId, wait: "60s" });
      expect(ended).toMatchObject({ state: "JOB_STATE_SUCCEEDED", requestId: request.requestId });
      const { proof, publicSignals } = ended.result;
      expect(BigInt(`0x${Buffer.from(publicSignals[0], "base64").toString("hex")}`)).toBe(15n);
      const claim = { circuitId: "product", proof, publicSignals };
      expect(await one("VerifyProof", claim)).toMatchObject({ valid: true });
      const [a0, a1] = proof.a;
      const swapped = { ...claim, proof: { ...proof, a: [a0, a1], c: proof.a } };
      expect((await one("VerifyProof", swapped)).valid).toBeUndefined();
    });

    it("submits and watches in one call", async () => {
      const answers = await call("Prove", { submit: chain() });
      const states = answers.map(({ event }) => event.job.state);
      expect(answers[0].event.snapshot).toBe(true);
      expect(states).toContain("JOB_STATE_RUNNING");
      expect(states.at(-1)).toBe("JOB_STATE_SUCCEEDED");
      expect(answers.at(-1).event.job.result.proof.a).toHaveLength(2);
    });

    it("leaves a watch and goes on where it left, without loss or repetition", async () => {
      const request = chain();
      const { job } = await one("SubmitProof", request);
      const before = await call("WatchProof", { jobId: job.jobId }, { cancelAfter: 2 });
      const { sequence: afterSequence } = before.at(-1).event;
      const after = await call("WatchProof", { jobId: job.jobId, afterSequence });
      const sequences = after.map(({ event }) => Number(event.sequence));
      expect(sequences).toEqual(sequences.map((_, i) => Number(afterSequence) + 1 + i));
      expect(after.every(({ event }) => event.snapshot === undefined)).toBe(true);
      expect(after.at(-1).event.job.state).toBe("JOB_STATE_SUCCEEDED");
    });

    it("ends at its deadline, and the job goes on", async () => {
      const request = stubborn();
      const { requestId } = request;
      await one("SubmitProof", request);
      try {
        const watch = call("WatchProof", { requestId }, { timeoutMs: 2_500 });
        await expect(watch).rejects.toMatchObject({ code: 4 });
        // A long poll answers shortly before the deadline.
        const options = { timeoutMs: 8_000 };
        const { job } = await one("GetProof", { requestId, wait: "60s" }, options);
        expect(job.state).toBe("JOB_STATE_RUNNING");
        await one("CancelProof", { requestId });
        const { state } = await under.client.get({ requestId }, { waitMs: 30_000 });
        expect(state).toBe(JobState.CANCELLED);
      } finally {
        // The tests that follow need the thread.
        await under.client.cancel({ requestId });
      }
    });

    it("cancels a call, and its job only if that was agreed", async () => {
      for (const cancelOnDisconnect of [true, false]) {
        const submit = stubborn();
        const { requestId } = submit;
        try {
          const left = await call("Prove", { submit, cancelOnDisconnect }, { cancelAfter: 1 });
          expect(left).toHaveLength(1);
          const waitMs = cancelOnDisconnect ? 30_000 : 1_000;
          const { state } = await under.client.get({ requestId }, { waitMs });
          if (cancelOnDisconnect) expect(state).toBe(JobState.CANCELLED);
          else expect([JobState.QUEUED, JobState.RUNNING]).toContain(state);
        } finally {
          await under.client.cancel({ requestId });
        }
      }
    });

    it("reads what is wrong, where, and whether to repeat", async () => {
      const wrong = { ...submission("product", { a: 3 }), requestId: "no spaces please" };
      await expect(call("SubmitProof", wrong)).rejects.toMatchObject({
        code: 3,
        reason: "REQUEST_MALFORMED",
        fields: ["request_id"],
        retryDelay: undefined,
      });
      const incomplete = submission("product", { a: 3, b: ["x"], product: 15 });
      await expect(call("SubmitProof", incomplete)).rejects.toMatchObject({
        code: 3,
        reason: "INPUT_MALFORMED",
        fields: [expect.stringMatching(/^input_json\.b/)],
      });
      const unknown = call("WatchProof", { jobId: randomUUID() });
      await expect(unknown).rejects.toMatchObject({ code: 5, reason: "JOB_UNKNOWN" });
      const request = product();
      await one("SubmitProof", request);
      const other = { ...request, inputJson: inputJson({ a: 1, b: 15, product: 15 }) };
      await expect(call("SubmitProof", other)).rejects.toMatchObject({
        code: 6,
        reason: "REQUEST_ID_REUSED",
      });
    });

    it("hears when to come back to a full line", async () => {
      await using full = await startTestServer({ PROVER_QUEUE_MAX: "1" });
      const running = stubbornRequest();
      await full.client.submit(running);
      await expect
        .poll(async () => (await full.client.getServerInfo()).runningCount, { timeout: 30_000 })
        .toBe(1);
      await full.client.submit(productRequest());
      await using caller = await kind.open({ port: full.server.port });
      await expect(caller.call(`${SERVICE}/SubmitProof`, product())).rejects.toMatchObject({
        code: 8,
        reason: "QUEUE_FULL",
        retryDelay: { seconds: expect.any(BigInt) },
      });
    });

    it("sends inputs of 5 MB and gets them proved; 17 MB are refused", async () => {
      await using caller = await kind.open({ port: wide.server.port });
      const request = wideSubmission();
      expect(Buffer.byteLength(request.inputJson, "base64")).toBeGreaterThan(5_000_000);
      await caller.call(`${SERVICE}/SubmitProof`, request);
      const wait = { requestId: request.requestId, wait: "60s" };
      const [{ job }] = await caller.call(`${SERVICE}/GetProof`, wait);
      expect(job.state).toBe("JOB_STATE_SUCCEEDED");
      const huge = { ...request, inputJson: Buffer.alloc(17_000_000, 0x20).toString("base64") };
      await expect(caller.call(`${SERVICE}/SubmitProof`, huge)).rejects.toMatchObject({ code: 8 });
      const [again] = await caller.call(`${SERVICE}/GetProof`, wait);
      expect(again.job.state).toBe("JOB_STATE_SUCCEEDED");
    });

    it.skipIf(lacks.includes("gzip"))(
      "compresses requests, which does not lift the limit",
      async () => {
        await using caller = await kind.open({ port: wide.server.port });
        const gzip = { gzip: true };
        const request = wideSubmission();
        await caller.call(`${SERVICE}/SubmitProof`, request, gzip);
        const wait = { requestId: request.requestId, wait: "60s" };
        const [{ job }] = await caller.call(`${SERVICE}/GetProof`, wait, gzip);
        expect(job.state).toBe("JOB_STATE_SUCCEEDED");
        const bomb = { ...request, inputJson: Buffer.alloc(40_000_000, 0x20).toString("base64") };
        const refused = caller.call(`${SERVICE}/SubmitProof`, bomb, gzip);
        await expect(refused).rejects.toMatchObject({ code: 8 });
      },
    );

    it("asks for health", async () => {
      for (const service of ["", SERVICE]) {
        const answer = await client.call("grpc.health.v1.Health/Check", { service });
        expect(answer).toEqual([{ status: "SERVING" }]);
      }
      const unknown = client.call("grpc.health.v1.Health/Check", { service: "nobody" });
      await expect(unknown).rejects.toMatchObject({ code: 5 });
      const options = { cancelAfter: 1 };
      const watched = await client.call(
        "grpc.health.v1.Health/Watch",
        { service: SERVICE },
        options,
      );
      expect(watched).toEqual([{ status: "SERVING" }]);
    });

    it.skipIf(lacks.includes("reflection"))(
      "learns the messages from both reflections",
      async () => {
        for (const reflection of ["v1", "v1alpha"] as const) {
          await using caller = await kind.open({ port: under.server.port, reflection });
          const [info] = await caller.call(`${SERVICE}/GetServerInfo`, {});
          expect(info, reflection).toMatchObject({ state: "SERVER_STATE_SERVING", workerCount: 1 });
        }
      },
    );

    it("shows its certificate, and is refused without one", async () => {
      const { port } = secured.server;
      const ca = certificates.path("ca.pem");
      const [cert, key] = [certificates.path("caller.pem"), certificates.path("caller.key")];
      await using known = await kind.open({ port, tls: { ca, cert, key } });
      const answers = await known.call(`${SERVICE}/Prove`, { submit: product() });
      expect(answers.at(-1).event.job.state).toBe("JOB_STATE_SUCCEEDED");
      await using stranger = await kind.open({ port, tls: { ca } });
      const timeoutMs = 10_000;
      await expect(
        stranger.call(`${SERVICE}/GetServerInfo`, {}, { timeoutMs }),
      ).rejects.toBeInstanceOf(Error);
      await using plain = await kind.open({ port });
      await expect(
        plain.call(`${SERVICE}/GetServerInfo`, {}, { timeoutMs }),
      ).rejects.toBeInstanceOf(Error);
    });

    it.skipIf(lacks.includes("one connection"))(
      "has a hundred calls at once on one connection",
      async () => {
        await using wire = await Wire.to(under.server.port);
        const port = Number(wire.address.split(":")[1]);
        await using caller = await kind.open({ port, keepaliveMs: KEEPALIVE_MS });
        const request = chain();
        const { requestId } = request;
        await caller.call(`${SERVICE}/SubmitProof`, request);
        const watches = Array.from({ length: 50 }, () =>
          caller.call(`${SERVICE}/WatchProof`, { requestId }),
        );
        const polls = Array.from({ length: 50 }, () =>
          caller.call(`${SERVICE}/GetProof`, { requestId, wait: "60s" }),
        );
        for (const answers of await Promise.all(watches)) {
          expect(answers.at(-1)?.event.job.state).toBe("JOB_STATE_SUCCEEDED");
        }
        for (const [answer] of await Promise.all(polls)) {
          expect(answer?.job.state).toBe("JOB_STATE_SUCCEEDED");
        }
        expect(wire.connections).toBe(1);
      },
    );
  });
}
