import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { Agent, get, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { hashOfToken, newToken } from "../../../prover/access/token.ts";
import type { Job } from "../../../prover/job.ts";
import { History } from "../../../prover/observe/history.ts";
import type { StatusReport } from "../../../prover/observe/status-report.ts";
import { MemoryStore } from "../../../prover/stores/memory.ts";
import { LIMITS } from "../job-store-contract.ts";
import {
  chainRequest,
  jsonInput,
  productRequest,
  startTestServer,
  type TestServer,
} from "../test-server.ts";

const urlOf = (under: TestServer, path: string) =>
  `http://127.0.0.1:${under.server.adminPort}${path}`;

async function report(under: TestServer): Promise<StatusReport> {
  const response = await fetch(urlOf(under, "/status.json"));
  expect(response.status).toBe(200);
  return (await response.json()) as StatusReport;
}

describe("prover / pages of the admin port", () => {
  it("answer probes with yes or no, and with nothing else", async () => {
    const store = new MemoryStore({ ...LIMITS, leaseMs: 60_000 });
    await using under = await startTestServer({ PROVER_CIRCUITS: "product" }, store);
    const answers = async () =>
      Promise.all(
        ["/startupz", "/readyz", "/livez"].map(async (path) => {
          const response = await fetch(urlOf(under, path));
          return `${response.status} ${await response.text()}`;
        }),
      );
    expect(await answers()).toEqual(["200 yes\n", "200 yes\n", "200 yes\n"]);
    await under.admin.drain();
    expect(await answers()).toEqual(["200 yes\n", "503 no\n", "200 yes\n"]);
  });

  it("deny that the process is alive after its main thread stood still, but not that it is ready", async () => {
    await using under = await startTestServer({ PROVER_CIRCUITS: "product" });
    expect((await fetch(urlOf(under, "/livez"))).status).toBe(200);
    const endMs = performance.now() + 5_500;
    while (performance.now() < endMs);
    expect((await fetch(urlOf(under, "/livez"))).status).toBe(503);
    expect((await fetch(urlOf(under, "/readyz"))).status).toBe(200);
  });

  it("are for callers with the right to see everything, except probes", async () => {
    const dir = await mkdtemp(join(tmpdir(), "access-"));
    try {
      const token = newToken();
      const tokenSha256 = [hashOfToken(token).toString("hex")];
      const identity = { name: "watcher", rights: ["read-all"], tokenSha256 };
      const path = join(dir, "access.json");
      await writeFile(path, JSON.stringify({ identities: [identity] }));
      await chmod(path, 0o600);
      await using under = await startTestServer({
        PROVER_CIRCUITS: "product",
        PROVER_ACCESS_FILE: path,
      });
      for (const page of ["/", "/metrics", "/status.json", "/page.js", "/livez/../metrics"]) {
        expect((await fetch(urlOf(under, page))).status, page).toBe(401);
        const headers = { Authorization: `Bearer ${token}` };
        expect((await fetch(urlOf(under, page), { headers })).status, page).toBe(200);
      }
      for (const probe of ["/startupz", "/readyz", "/livez"]) {
        expect((await fetch(urlOf(under, probe))).status, probe).toBe(200);
      }
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it("are read only, have no other paths, and may run scripts of their own alone", async () => {
    await using under = await startTestServer({ PROVER_CIRCUITS: "product" });
    const page = await fetch(urlOf(under, "/"));
    expect(page.headers.get("content-security-policy")).toMatch(
      /default-src 'none'; script-src 'self'; style-src 'self';/,
    );
    expect(await page.text()).not.toMatch(/style="|<script(?! src)| on\w+=|https?:\/\/(?!www\.w3)/);
    for (const path of ["/status.json", "/metrics", "/"]) {
      expect((await fetch(urlOf(under, path), { method: "POST" })).status).toBe(405);
    }
    for (const path of ["/page/page.html", "/../server.ts", "/__proto__", "/constructor"]) {
      expect((await fetch(urlOf(under, path))).status, path).toBe(404);
    }
    const head = await fetch(urlOf(under, "/page.js"), { method: "HEAD" });
    expect(Number(head.headers.get("content-length"))).toBeGreaterThan(1_000);
  });

  it("leave nothing behind on a connection that asks again and again", async () => {
    await using under = await startTestServer({ PROVER_CIRCUITS: "product" });
    const warnings: string[] = [];
    const warned = ({ name }: Error) => warnings.push(name);
    process.on("warning", warned);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < 25; i++) {
      const answer = await new Promise<IncomingMessage>((resolve, reject) => {
        get(urlOf(under, "/status.json"), { agent }, resolve).on("error", reject);
      });
      await text(answer);
    }
    agent.destroy();
    process.off("warning", warned);
    expect(warnings).toEqual([]);
  });
});

describe("prover / status report", () => {
  it("shows state, queue, workers, circuits, and jobs without their inputs and results", async () => {
    await using under = await startTestServer();
    await under.client.prove(productRequest({ requestId: "good", labels: { net: "main" } }));
    const broken = productRequest({
      requestId: "bad",
      input: jsonInput({ a: 777123, b: 5, product: [16] }),
    });
    await expect(under.client.prove(broken)).rejects.toThrow();
    const running = chainRequest({ requestId: "slow" });
    await under.client.submit(running);
    await under.client.submit(productRequest({ requestId: "next", priority: 1 }));
    const seen = await report(under);
    const { queue, workers, circuits, recentJobs, recentFailures, counts, latencies } = seen;

    expect(seen).toMatchObject({ state: "serving", loading: null, storeAwaySinceMs: null });
    expect(seen.probes).toEqual({ startup: true, readiness: true, liveness: true });
    expect(seen.engine?.name).toMatch(/^wasm/);
    expect(queue).toMatchObject({ limit: 256, foreign: 0 });
    expect(workers).toHaveLength(1);
    expect(workers[0]?.job).toMatchObject({ requestId: "slow", circuitId: "chain", attempt: 1 });
    expect(circuits.map(({ circuitId }) => circuitId)).toEqual(["chain", "product", "stubborn"]);
    expect(circuits[0]).toMatchObject({ developmentKeys: true, constraintCount: 30_000 });
    expect(recentJobs?.map(({ requestId }) => requestId)).toEqual(["slow", "bad", "good"]);
    expect(recentJobs?.at(-1)).toMatchObject({ state: "SUCCEEDED", labels: { net: "main" } });
    expect(recentFailures).toMatchObject([
      { requestId: "bad", failure: { reason: "WITNESS_UNSATISFIABLE" } },
    ]);
    expect(counts).toMatchObject({ succeeded: 1, failed: 1, rejected: 0 });
    expect(latencies.proof.count).toBe(1);
    expect(latencies.queueWait.count).toBe(3);
    const proofs = seen.throughput.buckets.reduce((sum, { succeeded }) => sum + succeeded, 0);
    expect(proofs).toBe(1);
    expect(JSON.stringify(seen)).not.toContain("777123");
  });

  it("says that the store is away, and still answers", async () => {
    const store = new MemoryStore({ ...LIMITS, leaseMs: 60_000 });
    await using under = await startTestServer({ PROVER_CIRCUITS: "product" }, store);
    store.stats = () => Promise.reject(new Error("gone"));
    store.list = () => new Promise(() => {});
    let seen = await report(under);
    while (seen.storeAwaySinceMs === null) seen = await report(under);
    expect(seen).toMatchObject({ queue: null, recentJobs: null, probes: { readiness: false } });
  });
});

describe("prover / history", () => {
  const job = (changes: Partial<Job>): Job =>
    ({
      state: "SUCCEEDED",
      attempts: 1,
      createdMs: 0,
      startedMs: 0,
      endedMs: 0,
      ...changes,
    }) as Job;

  it("gives times that there were, by nearest rank, of the latest thousand", () => {
    const history = new History();
    expect(history.latencies.queueWait).toEqual({
      count: 0,
      p50Ms: null,
      p90Ms: null,
      p99Ms: null,
    });
    history.attemptStarted(job({ startedMs: 9_999 }));
    for (let ms = 1; ms <= 1_000; ms++) history.attemptStarted(job({ startedMs: ms }));
    expect(history.latencies.queueWait).toEqual({
      count: 1_001,
      p50Ms: 500,
      p90Ms: 900,
      p99Ms: 990,
    });
  });

  it("takes no second attempt and no clock that was set back for a wait", () => {
    const history = new History();
    history.attemptStarted(job({ attempts: 2, startedMs: 50 }));
    history.attemptStarted(job({ createdMs: 100, startedMs: 50 }));
    expect(history.latencies.queueWait).toMatchObject({ count: 1, p99Ms: 0 });
  });

  it("counts ends in bars of ten seconds, and forgets those of more than ten minutes ago", () => {
    let nowMs = 1_700_000_000_000;
    const history = new History({ now: () => nowMs });
    history.jobEnded(job({}));
    nowMs += 10_000;
    history.jobEnded(job({ state: "FAILED" }));
    history.jobEnded(job({ state: "CANCELLED" }));
    expect(history.throughput.buckets.slice(-2)).toEqual([
      { succeeded: 1, failed: 0 },
      { succeeded: 0, failed: 1 },
    ]);
    nowMs += 590_000;
    expect(history.throughput.buckets[0]).toEqual({ succeeded: 0, failed: 1 });
    nowMs += 10_000;
    const { buckets } = history.throughput;
    expect(buckets).toHaveLength(60);
    expect(buckets.every(({ succeeded, failed }) => succeeded + failed === 0)).toBe(true);
    expect(history.counts).toMatchObject({ succeeded: 1, failed: 1, cancelled: 1 });
  });
});
