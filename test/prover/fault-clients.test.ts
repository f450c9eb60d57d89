import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, constants } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { JobState } from "../../gen/prover/v1/job_pb.ts";
import {
  SubmitProofRequestSchema,
  WatchProofRequestSchema,
} from "../../gen/prover/v1/prover_pb.ts";
import { faultLine, JobLedger } from "./job-ledger.ts";
import { SeededRandom } from "./seeded-random.ts";
import { ServedProcess } from "./served-process.ts";
import { chainRequest, productRequest, stubbornRequest } from "./test-server.ts";

const TIMES = process.env.HEAVY ? 100 : 20;
const CLIENT = join(import.meta.dirname, "vanishing-client.ts");
const MB = 2 ** 20;

const random = new SeededRandom();
let folder: string;
let served: ServedProcess;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "clients-"));
  served = await ServedProcess.start({
    store: `sqlite:${join(folder, "jobs.sqlite")}`,
    settings: { PROVER_CIRCUITS: "product,chain,stubborn" },
  });
});
afterAll(async () => {
  await served[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** A message as gRPC frames it. */
function framed(bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** A call of HTTP/2 alone, so that it can be broken where it pleases. */
function openCall(method: string, settings: { initialWindowSize?: number } = {}) {
  const session = connect(`http://127.0.0.1:${served.port}`, { settings });
  session.on("error", () => {});
  const stream = session.request({
    [constants.HTTP2_HEADER_METHOD]: "POST",
    [constants.HTTP2_HEADER_PATH]: `/prover.v1.ProverService/${method}`,
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {});
  return { session, stream };
}

describe("prover / a client vanishes", () => {
  it(`after it has called Prove: its job is cancelled if it asked for that, else proved (SEED=${random.seed})`, async () => {
    const ledger = new JobLedger();
    const toCancel = new Set<string>();
    for (let time = 0; time < TIMES; time++) {
      const requestId = `vanish-${time}`;
      const isToCancel = time % 2 === 0;
      // One that would not end by itself, or one that does.
      const { circuitId, input } = isToCancel ? stubbornRequest() : chainRequest();
      const json = Buffer.from(input?.value as Uint8Array).toString();
      const address = `127.0.0.1:${served.port}`;
      const args = [CLIENT, address, requestId, circuitId as string, json];
      const child = spawn(process.execPath, [...args, isToCancel ? "cancel" : "keep"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const [jobId] = await once(createInterface({ input: child.stdout }), "line");
      ledger.accepted.set(requestId, jobId as string);
      if (isToCancel) toCancel.add(requestId);
      await sleep(random.below(400));
      child.kill("SIGKILL");
    }
    const tally = await ledger.audit(served.client);
    faultLine("kill -9 of a client in Prove", TIMES, tally, random.seed);
    expect(tally).toMatchObject({
      ...{ jobs: TIMES, proved: TIMES / 2, cancelled: TIMES / 2 },
      ...{ lost: 0, doubled: 0, attempts: 1 },
    });
    for (const requestId of toCancel) {
      expect((await served.client.get({ requestId })).state).toBe(JobState.CANCELLED);
    }
  }, 300_000);

  it("while it sends a large request: there is no job, and nothing is kept of it", async () => {
    const ledger = new JobLedger();
    const before = served.memoryBytes();
    for (let time = 0; time < TIMES; time++) {
      const requestId = `upload-${time}`;
      const value = new Uint8Array(8 * MB);
      const message = create(SubmitProofRequestSchema, {
        requestId,
        circuitId: "chain",
        input: { case: "wtns", value },
      });
      const bytes = framed(toBinary(SubmitProofRequestSchema, message));
      const { session, stream } = openCall("SubmitProof");
      stream.write(bytes.subarray(0, 1 + random.below(bytes.length - 1)));
      await sleep(random.below(50));
      session.destroy();
      await expect(served.client.get({ requestId })).rejects.toMatchObject({ code: "NOT_FOUND" });
      await ledger.submit(served.client, productRequest());
    }
    const tally = await ledger.audit(served.client);
    faultLine("a client vanishes while it sends 8 MiB", TIMES, tally, random.seed);
    expect(tally).toMatchObject({ proved: TIMES, lost: 0, doubled: 0 });
    // Some of what was sent may wait for the next collection; far from all of it.
    expect(served.memoryBytes() - before).toBeLessThan(TIMES * 8 * MB);
  }, 300_000);
});

describe("prover / slow readers of streams", () => {
  it("cost no memory, keep nobody waiting, and their jobs end", async () => {
    const readers = 100;
    const ledger = new JobLedger();
    const jobs = await Promise.all(
      Array.from({ length: 4 }, () => ledger.submit(served.client, chainRequest())),
    );
    const before = served.memoryBytes();
    const calls = Array.from({ length: readers }, (_, i) => {
      // No window: the server may not send one byte of an answer.
      const call = openCall("WatchProof", { initialWindowSize: 0 });
      const reference = { case: "jobId" as const, value: jobs[i % jobs.length]?.jobId ?? "" };
      const message = create(WatchProofRequestSchema, { reference });
      call.stream.end(framed(toBinary(WatchProofRequestSchema, message)));
      return call;
    });
    for (let i = 0; i < TIMES; i++) await ledger.submit(served.client, productRequest());
    const tally = await ledger.audit(served.client);
    faultLine("streams that nobody reads", readers, tally, random.seed);
    expect(tally).toMatchObject({ proved: TIMES + jobs.length, lost: 0, doubled: 0, attempts: 1 });
    // Connections have buffers; a job's events are not among them.
    expect(served.memoryBytes() - before).toBeLessThan(readers * MB + 100 * MB);
    for (const { session } of calls) session.destroy();
  }, 300_000);
});
