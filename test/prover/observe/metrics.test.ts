import { describe, expect, it } from "vitest";
import { ProverError } from "../../../prover/errors.ts";
import type { Job } from "../../../prover/job.ts";
import { Health } from "../../../prover/observe/health.ts";
import { History } from "../../../prover/observe/history.ts";
import { Metrics } from "../../../prover/observe/metrics.ts";
import { Overview } from "../../../prover/observe/overview.ts";
import { MemoryStore } from "../../../prover/stores/memory.ts";
import { LIMITS } from "../job-store-contract.ts";
import {
  chainRequest,
  jsonInput,
  productRequest,
  startTestServer,
  type TestServer,
} from "../test-server.ts";
import { type Family, parseExposition } from "./exposition.ts";
import { hasPromtool, promtool, promtoolMissing } from "./promtool.ts";

async function scrape(under: TestServer): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${under.server.adminPort}/metrics`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  return response.text();
}

/** The value of the one sample with these labels among others. */
function sampleOf(
  families: Map<string, Family>,
  name: string,
  labels: Record<string, string> = {},
  suffix = "",
): number | undefined {
  const found = families
    .get(name)
    ?.samples.filter(
      (sample) =>
        sample.name === `${name}${suffix}` &&
        Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    );
  expect(found?.length ?? 0, `${name} ${JSON.stringify(labels)}`).toBeLessThanOrEqual(1);
  return found?.[0]?.value;
}

const MARK = "MARKER7f3a";

/** A server with one job of each outcome behind it. */
async function busyServer(): Promise<TestServer> {
  const under = await startTestServer();
  await under.client.prove(productRequest({ requestId: `${MARK}-1`, labels: { note: MARK } }));
  const broken = productRequest({ input: jsonInput({ a: 3, b: 5, product: [16] }) });
  await expect(under.client.prove(broken)).rejects.toMatchObject({
    reason: "WITNESS_UNSATISFIABLE",
  });
  const retried = chainRequest();
  await under.client.submit(retried);
  for await (const { job } of under.client.watch({ requestId: retried.requestId as string })) {
    if (job?.stage !== 0) break;
  }
  const waiting = chainRequest({ requestId: `${MARK}-2` });
  await under.client.submit(waiting);
  await under.client.cancel({ requestId: `${MARK}-2` });
  await under.server.pool.slots[0]?.end();
  await under.client.wait({ requestId: retried.requestId as string });
  const unknown = productRequest({ circuitId: MARK });
  await expect(under.client.submit(unknown)).rejects.toMatchObject({ reason: "CIRCUIT_UNKNOWN" });
  return under;
}

describe("prover / metrics", () => {
  it("tell what happened, in Prometheus's format, and name no job, caller or input", async () => {
    await using under = await busyServer();
    const text = await scrape(under);
    const families = parseExposition(text);
    const value = (name: string, labels?: Record<string, string>, suffix?: string) =>
      sampleOf(families, `proofmill_${name}`, labels, suffix);

    const product = { circuit: "product" };
    const chain = { circuit: "chain" };
    expect(value("jobs_accepted_total", { ...product, priority: "NORMAL" })).toBe(2);
    expect(value("jobs_ended_total", { ...product, outcome: "succeeded" })).toBe(1);
    const failed = { ...product, outcome: "failed", reason: "WITNESS_UNSATISFIABLE" };
    expect(value("jobs_ended_total", failed)).toBe(1);
    expect(value("jobs_ended_total", { ...chain, outcome: "succeeded" })).toBe(1);
    expect(value("jobs_ended_total", { ...chain, outcome: "cancelled" })).toBe(1);
    expect(value("attempts_total", { ...chain, reason: "WORKER_LOST" })).toBe(1);
    expect(value("retries_total", { ...chain, reason: "WORKER_LOST" })).toBe(1);
    expect(value("thread_restarts_total")).toBe(1);
    expect(value("proofs_rejected_total", product)).toBe(0);
    // Three jobs began; that one of them began twice is no wait of its own.
    expect(value("queue_wait_seconds", { priority: "NORMAL" }, "_count")).toBe(3);
    expect(value("job_seconds", product, "_count")).toBe(1);
    for (const stage of ["witness", "prove", "verify"]) {
      expect(value("stage_seconds", { ...product, stage }, "_count"), stage).toBe(1);
    }
    const engines = families.get("proofmill_stage_seconds")?.samples.map((s) => s.labels.engine);
    expect(new Set(engines).size).toBe(1);
    const submit = { method: "ProverService/SubmitProof" };
    expect(value("calls_total", { ...submit, code: "NOT_FOUND" })).toBe(1);
    expect(value("calls_total", { ...submit, code: "OK", reason: "" })).toBe(4);
    expect(value("call_seconds", submit, "_count")).toBe(5);
    expect(value("store_operation_seconds", { operation: "submit" }, "_count")).toBe(4);
    expect(value("development_keys", product)).toBe(1);
    expect(value("state", { state: "serving" })).toBe(1);
    expect(value("probe", { probe: "readiness" })).toBe(1);
    expect(value("queue_jobs", { priority: "NORMAL" })).toBe(0);
    expect(value("workers")).toBe(1);
    expect(value("memory_bytes", { kind: "resident" })).toBeGreaterThan(1e7);
    const [circuit] = families.get("proofmill_circuit_info")?.samples ?? [];
    expect(circuit?.labels.zkey_sha256).toMatch(/^[0-9a-f]{16}$/);

    expect(text).not.toContain(MARK);
    expect(text).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}/);
  });

  it("have names of their own, base units and a help text each", async () => {
    await using under = await startTestServer({ PROVER_CIRCUITS: "product" });
    const families = [...parseExposition(await scrape(under)).values()];
    expect(families.length).toBeGreaterThan(25);
    for (const { name, type } of families) {
      expect(name).toMatch(/^proofmill_[a-z_]+$/);
      expect(name.endsWith("_total"), name).toBe(type === "counter");
      expect(name, "milliseconds, kilobytes").not.toMatch(/_(ms|milliseconds|kb|mb|percent)(_|$)/);
      if (type === "histogram") expect(name).toMatch(/_seconds$/);
    }
    const helps = families.map(({ help }) => help);
    expect(new Set(helps).size).toBe(helps.length);
  });

  it("stay as many, however many jobs, requests and circuits callers make up", async () => {
    await using under = await startTestServer({ PROVER_CIRCUITS: "product" });
    const once = async (i: number) => {
      await under.client.prove(productRequest({ labels: { [`label-${i}`]: `${i}` } }));
      const unknown = under.client.submit(productRequest({ circuitId: `made-up-${i}` }));
      await expect(unknown).rejects.toThrow();
    };
    // Rows of a family, whose series depend on what was called: not on how often.
    const series = (text: string) =>
      text.split("\n").flatMap((line) => (line.startsWith("#") ? [] : line.replace(/ \S+$/, "")));
    let before: string[] = [];
    // A proof may be made between two looks at its progress.
    while (!before.some((line) => line.includes('operation="heartbeat"'))) {
      await once(0);
      before = series(await scrape(under));
    }
    for (let i = 1; i <= 5; i++) await once(i);
    const after = series(await scrape(under));
    expect(after.filter((line) => !before.includes(line))).toEqual([]);
  });

  it("tell when the certificate ends, only where there is one", async () => {
    const limits = {
      queueMax: 1,
      queueMaxBytes: 1,
      intakeMax: 1,
      threads: 1,
      role: "all",
    } as const;
    const overview = new Overview(limits, { health: new Health() });
    const metrics = new Metrics(overview);
    const end = "proofmill_certificate_end_time_seconds";
    expect(parseExposition(await metrics.text()).get(end)?.samples).toEqual([]);
    const value = { context: {}, untimely: [], endMs: 1_800_000_000_000 };
    overview.show({ certificates: { value } });
    expect(sampleOf(parseExposition(await metrics.text()), end)).toBe(1_800_000_000);
  });

  it("count a proof that the service's own verification refused", async () => {
    const limits = {
      queueMax: 1,
      queueMaxBytes: 1,
      intakeMax: 1,
      threads: 1,
      role: "all",
    } as const;
    const metrics = new Metrics(new Overview(limits, { health: new Health() }));
    const history = new History();
    for (const reason of ["PROOF_REJECTED", "WORKER_LOST"]) {
      const ended = { outcome: "failed", isRetried: false, proved: undefined } as const;
      const job = { circuitId: "c", priority: "NORMAL" } as Job;
      metrics.attemptEnded({ ...ended, job, reason });
      history.attemptEnded({ ...ended, job, reason });
    }
    const families = parseExposition(await metrics.text());
    expect(sampleOf(families, "proofmill_proofs_rejected_total")).toBe(1);
    expect(history.counts.rejected).toBe(1);
  });

  it("count failures of the store apart from its refusals, and say when it is away", async () => {
    const store = new MemoryStore({ ...LIMITS, queueMaxBytes: 1e6, leaseMs: 60_000 });
    await using under = await startTestServer({ PROVER_CIRCUITS: "product" }, store);
    await under.client.prove(productRequest({ requestId: "once" }));
    const reused = productRequest({
      requestId: "once",
      input: jsonInput({ a: 1, b: 1, product: ["1"] }),
    });
    await expect(under.client.submit(reused)).rejects.toMatchObject({
      reason: "REQUEST_ID_REUSED",
    });
    const broken = () => Promise.reject(new ProverError("STORE_UNAVAILABLE", "gone"));
    store.submit = broken;
    store.stats = broken;
    await expect(under.client.submit(productRequest())).rejects.toMatchObject({
      reason: "STORE_UNAVAILABLE",
    });
    let families = parseExposition(await scrape(under));
    while (sampleOf(families, "proofmill_store_up") !== 0) {
      families = parseExposition(await scrape(under));
    }
    const failures = families.get("proofmill_store_failures_total")?.samples ?? [];
    const failed = failures.filter(({ value }) => value > 0);
    // A submission asks for the room first.
    expect(failed.map(({ labels }) => labels.reason)).toEqual(["STORE_UNAVAILABLE"]);
    // What is not known is not told.
    expect(families.get("proofmill_queue_jobs")?.samples).toEqual([]);
    expect(families.get("proofmill_queue_oldest_age_seconds")?.samples).toEqual([]);
  });

  it.skipIf(!hasPromtool)(
    `are as Prometheus's checker wants them${hasPromtool ? "" : ` (${promtoolMissing})`}`,
    async () => {
      await using under = await busyServer();
      expect(await promtool(["check", "metrics"], await scrape(under))).toBe("");
    },
  );
});

describe("test / reader of metrics", () => {
  it.each([
    ["a value that is no number", "# HELP a b\n# TYPE a gauge\na x\n"],
    ["a sample before its type", "a 1\n"],
    ["a series twice", '# HELP a b\n# TYPE a gauge\na{x="1"} 1\na{x="1"} 2\n'],
    ["a quote in a label", '# HELP a b\n# TYPE a gauge\na{x="1"2"} 1\n'],
    [
      "buckets that fall",
      '# HELP a b\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
    ],
    ["no end of the last line", "# HELP a b\n# TYPE a gauge\na 1"],
  ])("refuses %s", (_, text) => {
    expect(() => parseExposition(text)).toThrow();
  });
});
