import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { create } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { ProverService, SubmitProofRequestSchema } from "../../../gen/prover/v1/prover_pb.ts";
import { ConfigError, parseConfig } from "../../../prover/config.ts";
import { methodDefinition } from "../../../prover/grpc.ts";
import type { Job } from "../../../prover/job.ts";
import type { Span } from "../../../prover/observe/span-exporter.ts";
import { parseTraceparent } from "../../../prover/observe/trace-context.ts";
import { Traces } from "../../../prover/observe/traces.ts";
import {
  chainRequest,
  jsonInput,
  productRequest,
  startTestServer,
  type TestServer,
} from "../test-server.ts";

interface Received {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: { key: string; value: { stringValue?: string; doubleValue?: number } }[];
  readonly status: { code?: number; message?: string };
}

/** A collector that keeps what it gets. */
async function collector(status = 200) {
  const spans: Received[] = [];
  const bodies: string[] = [];
  const server = createServer(async (request, response) => {
    // biome-ignore lint/suspicious/noExplicitAny: what a stranger sends.
    const body: any = await json(request);
    bodies.push(JSON.stringify(body));
    if (status === 200) spans.push(...body.resourceSpans[0].scopeSpans[0].spans);
    response.writeHead(status, { "Content-Type": "application/json" }).end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1/traces`,
    spans,
    bodies,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";
const SAMPLED = `00-${TRACE}-${PARENT}-01`;

/** SubmitProof with metadata, as a caller with tracing sends it. */
function submitTraced(under: TestServer, requestId: string, traceparent: string): Promise<void> {
  const address = `127.0.0.1:${under.server.port}`;
  const client = new grpc.Client(address, grpc.credentials.createInsecure());
  const { path, requestSerialize, responseDeserialize } = methodDefinition(
    ProverService.method.submitProof,
  );
  const metadata = new grpc.Metadata();
  metadata.set("traceparent", traceparent);
  const request = create(SubmitProofRequestSchema, {
    ...productRequest({ requestId }),
  } as never);
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      (error) => {
        client.close();
        if (error === null) resolve();
        else reject(error);
      },
    );
  });
}

describe("prover / traces", () => {
  it("continue a caller's trace through call, line, attempt and stages", async () => {
    await using sink = await collector();
    {
      await using under = await startTestServer({ PROVER_TRACES_URL: sink.url });
      await submitTraced(under, "traced", SAMPLED);
      await under.client.wait({ requestId: "traced" });
    }
    const { spans } = sink;
    const named = (name: string) => {
      const found = spans.filter((span) => span.name === name);
      expect(found, name).toHaveLength(1);
      return found[0] as Received;
    };
    const attempt = named("attempt");
    for (const name of ["prover.v1.ProverService/SubmitProof", "wait in line", "attempt"]) {
      expect(named(name), name).toMatchObject({ traceId: TRACE, parentSpanId: PARENT, status: {} });
    }
    for (const name of ["witness", "prove", "verify"]) {
      const stage = named(name);
      expect(stage, name).toMatchObject({ traceId: TRACE, parentSpanId: attempt.spanId });
      expect(BigInt(stage.startTimeUnixNano)).toBeGreaterThanOrEqual(
        BigInt(attempt.startTimeUnixNano),
      );
      expect(BigInt(stage.endTimeUnixNano)).toBeGreaterThan(BigInt(stage.startTimeUnixNano));
    }
    expect(spans.every(({ spanId }) => /^[0-9a-f]{16}$/.test(spanId))).toBe(true);
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);
    const nowNs = BigInt(Date.now()) * 1_000_000n;
    expect(BigInt(attempt.endTimeUnixNano)).toBeLessThanOrEqual(nowNs);
  });

  it("are found by the job's id without a caller's trace, say what failed, and hold no input", async () => {
    await using sink = await collector();
    const ids: string[] = [];
    {
      await using under = await startTestServer({ PROVER_TRACES_URL: sink.url });
      const broken = productRequest({ input: jsonInput({ a: 777123, b: 5, product: [16] }) });
      const failed = under.client.prove(broken);
      await expect(failed).rejects.toMatchObject({ reason: "WITNESS_UNSATISFIABLE" });
      const retried = chainRequest();
      const { job } = await under.client.submit(retried);
      ids.push(job?.jobId as string);
      for await (const { job: now } of under.client.watch({ jobId: ids[0] as string })) {
        if (now?.stage !== 0) break;
      }
      await under.server.pool.slots[0]?.end();
      await under.client.wait({ jobId: ids[0] as string });
    }
    const failures = sink.spans.filter(({ status }) => status.code === 2);
    expect(failures.map(({ status }) => status.message).sort()).toEqual([
      "WITNESS_UNSATISFIABLE",
      "WORKER_LOST",
    ]);
    const ofJob = sink.spans.filter(({ traceId }) => traceId === ids[0]?.replaceAll("-", ""));
    expect(ofJob.filter(({ name }) => name === "attempt")).toHaveLength(2);
    expect(ofJob.filter(({ name }) => name === "wait in line")).toHaveLength(1);
    // Calls that bring no trace leave no span: whoever polls would make one each second.
    expect(sink.spans.filter(({ name }) => name.includes("/"))).toEqual([]);
    expect(sink.bodies.join()).not.toContain("777123");
  });

  it("are not made of what the caller does not keep", async () => {
    await using sink = await collector();
    {
      await using under = await startTestServer({
        PROVER_CIRCUITS: "product",
        PROVER_TRACES_URL: sink.url,
      });
      await submitTraced(under, "unsampled", `00-${TRACE}-${PARENT}-00`);
      await under.client.wait({ requestId: "unsampled" });
    }
    expect(sink.spans).toEqual([]);
  });

  it("change nothing when they are off", async () => {
    await using under = await startTestServer({ PROVER_CIRCUITS: "product" });
    await submitTraced(under, "off", SAMPLED);
    expect((await under.client.wait({ requestId: "off" })).labels).toEqual({});
  });

  it("are lost without harm when the collector is away or refuses, and the log says so once", async () => {
    await using refusing = await collector(400);
    await using gone = await collector();
    await gone[Symbol.asyncDispose]();
    for (const { url } of [refusing, gone]) {
      await using under = await startTestServer({
        PROVER_CIRCUITS: "product",
        PROVER_TRACES_URL: url,
      });
      for (let i = 0; i < 3; i++) await under.client.prove(productRequest());
      await under.server.close();
      const told = under.logged.filter(({ msg }) => msg === "traces cannot be sent");
      expect(told, url).toHaveLength(1);
    }
  });
});

describe("prover / spans of attempts", () => {
  it("are as long as each was, also when the next one begins before the last is reported", () => {
    let nowMs = 0;
    const lengths: number[] = [];
    const add = (span: Span) => {
      if (span.name === "attempt") lengths.push(span.endMs - span.startMs);
    };
    const traces = new Traces({ add, now: () => nowMs });
    const first = { jobId: "j", labels: {}, attempts: 1, createdMs: 0 } as Job;
    const second = { ...first, attempts: 2 };
    const end = (job: Job) =>
      traces.attemptEnded({
        ...{ job, outcome: "failed", reason: "WORKER_LOST" },
        ...{ isRetried: true, proved: undefined },
      });
    traces.attemptStarted(first);
    nowMs = 100;
    traces.attemptStarted(second);
    end(first);
    nowMs = 130;
    end(second);
    expect(lengths).toEqual([100, 30]);
  });
});

describe("prover / trace context", () => {
  it("is read from a traceparent, also of a later version", () => {
    const context = { traceId: TRACE, spanId: PARENT, isSampled: true };
    expect(parseTraceparent(SAMPLED)).toEqual(context);
    expect(parseTraceparent(`01-${TRACE}-${PARENT}-03-more`)).toEqual(context);
    expect(parseTraceparent(`00-${TRACE}-${PARENT}-02`)).toEqual({ ...context, isSampled: false });
  });

  it.each([
    ["nothing", undefined],
    ["no text", ""],
    ["capitals", SAMPLED.toUpperCase()],
    ["a trace of zeros", `00-${"0".repeat(32)}-${PARENT}-01`],
    ["a span of zeros", `00-${TRACE}-${"0".repeat(16)}-01`],
    ["the version that is none", `ff-${TRACE}-${PARENT}-01`],
    ["more than version 00 has", `${SAMPLED}-more`],
    ["markup", "<script>"],
  ])("is not read from %s", (_, text) => {
    expect(parseTraceparent(text)).toBeUndefined();
  });
});

describe("prover / PROVER_TRACES_URL", () => {
  it.each(["4318", "file:///etc/passwd", "http://user:geheim@collector/v1/traces"])(
    "refuses %s, and shows no password",
    (url) => {
      const parse = () => parseConfig({ PROVER_TRACES_URL: url, PROVER_STORE: "memory" });
      expect(parse).toThrow(ConfigError);
      expect(parse).not.toThrow("geheim");
    },
  );
});
