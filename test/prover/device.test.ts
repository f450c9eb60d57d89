import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { JobState } from "../../gen/prover/v1/job_pb.ts";
import type { SubmitRequest } from "../../prover/client.ts";
import { parseConfig } from "../../prover/config.ts";
import { chooseEngine } from "../../prover/engine.ts";
import type { StatusReport } from "../../prover/observe/status-report.ts";
import { FakeDevice } from "../worker/hosting/fake-device.ts";
import { smallCircuits } from "./small-circuits.ts";
import { chainRequest, productRequest, startTestServer, type TestServer } from "./test-server.ts";

const idOf = ({ requestId }: SubmitRequest) => ({ requestId: requestId as string });
const opened: TestServer[] = [];

afterEach(async () => {
  for (const under of opened.splice(0)) await under[Symbol.asyncDispose]();
});

async function serve(device: FakeDevice, settings: Record<string, string> = {}) {
  const under = await startTestServer(
    { PROVER_CIRCUITS: "product", PROVER_THREADS: "2", ...settings },
    undefined,
    device.opener,
  );
  opened.push(under);
  return under;
}

async function page({ server }: TestServer, path: string): Promise<Response> {
  return fetch(`http://127.0.0.1:${server.adminPort}${path}`);
}

async function metric(under: TestServer, name: string): Promise<number | undefined> {
  const text = await (await page(under, "/metrics")).text();
  const line = text.split("\n").find((each) => each.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.split(" ").at(-1));
}

/** The first that was logged under this text. */
const logged = (under: TestServer, text: string) =>
  under.logged.find(({ msg }) => String(msg).startsWith(text));

const soon = <T>(read: () => T) => expect.poll(read, { timeout: 30_000 });

async function proved(under: TestServer, request = productRequest()) {
  const job = await under.client.prove(request);
  expect(job.state).toBe(JobState.SUCCEEDED);
  return { engine: job.result.engine, attempts: job.attempts };
}

async function statusOf(under: TestServer): Promise<StatusReport> {
  return (await (await page(under, "/status.json")).json()) as StatusReport;
}

describe("prover / device", () => {
  it("proves on a device that was found, several at once, and says so everywhere", async () => {
    const device = new FakeDevice();
    const under = await serve(device);
    device.delayMs = 300;
    const proofs = await Promise.all([proved(under), proved(under)]);
    for (const { engine } of proofs) expect(engine).toBe("fake (test)");
    expect(device.seen("runningMost")).toBe(2);
    expect(device.seen("loadCount")).toBe(1);
    const { engines, refusedEngines } = await under.client.getServerInfo();
    expect(engines).toEqual(["fake (test)", expect.stringMatching(/^wasm/)]);
    expect(refusedEngines).toEqual([]);
    const [circuit] = await under.client.listCircuits();
    expect(circuit?.engines).toEqual(engines);
    expect(logged(under, "engine chosen")).toMatchObject({
      engine: "fake (test)",
      device: { kind: "discrete" },
    });
    expect(
      await metric(under, 'proofmill_device_info{device="fake",kind="discrete",driver="1"}'),
    ).toBe(1);
    expect(await metric(under, "proofmill_device_up")).toBe(1);
    expect(await metric(under, "proofmill_engine_fallback")).toBe(0);
    expect(await metric(under, "proofmill_device_batched_total")).toBe(2);
    expect(await metric(under, "proofmill_device_allocated_bytes")).toBe(1000);
    const status = await statusOf(under);
    expect(status.engine).toMatchObject({
      name: "fake (test)",
      device: { name: "fake", state: "ready", keys: 1, batched: 2 },
    });
  });

  it("opens a lost device again, and the job goes on at no attempt's cost", async () => {
    const device = new FakeDevice();
    const under = await serve(device);
    device.fail("lost");
    expect(await proved(under)).toEqual({ engine: "fake (test)", attempts: 1 });
    expect(device.seen("openCount")).toBe(2);
    expect(logged(under, "device lost")).toMatchObject({ failure: "lost", level: 40 });
    expect(logged(under, "device is back")).toBeDefined();
    expect(await metric(under, 'proofmill_device_failures_total{failure="lost"}')).toBe(1);
    expect(await metric(under, "proofmill_device_reopened_total")).toBe(1);
  });

  it.each(["hang", "driver", "wrong", "death"] as const)(
    "goes on without a device after the failure %s, when it was not asked for by name",
    async (failure) => {
      const device = new FakeDevice();
      const under = await serve(device);
      device.fail(failure);
      // A thread that dies may only be its own fault: the device is tried again.
      if (failure === "death") device.refuse("device");
      const jobs = await Promise.all([proved(under), proved(under)]);
      for (const { attempts } of jobs) expect(attempts).toBe(1);
      expect(jobs.some(({ engine }) => engine.startsWith("wasm"))).toBe(true);
      expect((await proved(under)).engine).toMatch(/^wasm/);
      const { engines, refusedEngines } = await under.client.getServerInfo();
      expect(engines).toEqual([expect.stringMatching(/^wasm/)]);
      expect(refusedEngines).toEqual([expect.stringContaining("fake (test): ")]);
      expect(logged(under, "device given up")).toMatchObject({ level: 50 });
      expect(await metric(under, "proofmill_engine_fallback")).toBe(1);
      expect(await metric(under, "proofmill_device_up")).toBe(0);
      expect((await page(under, "/readyz")).status).toBe(200);
      const status = await statusOf(under);
      expect(status.engine?.device).toMatchObject({ state: "away", isGivenUp: true });
    },
  );

  it("discards a wrong proof, and says so where nothing else can make a right one", async () => {
    const device = new FakeDevice();
    const under = await serve(device, { PROVER_ENGINE: "vulkan" });
    device.fail("wrong");
    await expect(under.client.prove(productRequest())).rejects.toMatchObject({
      reason: "PROOF_REJECTED",
    });
    expect(await metric(under, 'proofmill_proofs_rejected_total{circuit="product"}')).toBe(1);
    expect((await proved(under)).engine).toBe("fake (test)");
  });

  it("waits for a device that was asked for by name, and is not ready meanwhile", async () => {
    const device = new FakeDevice();
    const under = await serve(device, { PROVER_ENGINE: "vulkan" });
    expect((await under.client.getServerInfo()).engines).toEqual(["fake (test)"]);
    device.refuse("device");
    device.fail("hang");
    const request = productRequest();
    await under.client.submit(request);
    await soon(async () => (await page(under, "/readyz")).status).toBe(503);
    expect((await page(under, "/livez")).status).toBe(200);
    expect(logged(under, "device away")).toMatchObject({ failure: "hang", level: 50 });
    const second = productRequest();
    await under.client.submit(second);
    await soon(() => device.seen("openCount")).toBeGreaterThan(2);
    expect((await under.client.get(idOf(second))).state).toBe(JobState.QUEUED);
    device.refuse(undefined);
    for (const each of [request, second]) {
      const job = await under.client.wait(idOf(each));
      expect(job.state).toBe(JobState.SUCCEEDED);
      expect(job.result.engine).toBe("fake (test)");
    }
    expect((await page(under, "/readyz")).status).toBe(200);
  });

  it("proves without the device what does not fit into its memory", async () => {
    const device = new FakeDevice();
    device.keysMax = 1;
    const under = await serve(device, { PROVER_CIRCUITS: "product,stubborn" });
    expect((await proved(under)).engine).toBe("fake (test)");
    device.fail("memory", 2);
    expect(await proved(under)).toMatchObject({
      engine: expect.stringMatching(/^wasm/),
      attempts: 1,
    });
    expect(logged(under, "device too small")).toMatchObject({ failure: "memory" });
    const byName = new Map(
      (await under.client.listCircuits()).map((each) => [each.circuitId, each]),
    );
    expect(byName.get("product")?.engines).toEqual([expect.stringMatching(/^wasm/)]);
    expect(byName.get("stubborn")?.engines[0]).toBe("fake (test)");
    expect((await under.client.getServerInfo()).engines[0]).toBe("fake (test)");
  });

  it("says that memory is short where nothing else computes, and goes on", async () => {
    const device = new FakeDevice();
    const under = await serve(device, { PROVER_ENGINE: "vulkan", PROVER_ATTEMPTS_MAX: "1" });
    device.fail("memory", 2);
    await expect(under.client.prove(productRequest())).rejects.toMatchObject({
      reason: "MEMORY_SHORT",
    });
    expect((await proved(under)).engine).toBe("fake (test)");
  });

  it("makes no more proofs at a time than there is memory for their witnesses", async () => {
    const device = new FakeDevice();
    const manifest = await readFile(join(await smallCircuits(), "chain/manifest.json"), "utf8");
    const { wires } = JSON.parse(manifest) as { wires: number };
    // What the process takes by itself with three threads, and one witness and a half, five times.
    const memory = 2 ** 20 * (384 + 3 * 32) + Math.floor(1.5 * wires * 160);
    const under = await serve(device, {
      PROVER_CIRCUITS: "chain",
      PROVER_THREADS: "3",
      PROVER_MEMORY_MAX_BYTES: String(memory),
      PROVER_ENGINE: "vulkan",
    });
    device.delayMs = 300;
    device.fail("fault", 3);
    const requests = [1, 2, 3].map(() => chainRequest());
    await Promise.allSettled(requests.map((request) => under.client.prove(request)));
    expect(device.seen("runningMost")).toBe(1);
  });

  it("takes no software device unless it is asked for by name", async () => {
    const software = new FakeDevice({ kind: "software" });
    const under = await serve(software);
    const { engines, refusedEngines } = await under.client.getServerInfo();
    expect(engines).toEqual([expect.stringMatching(/^wasm/)]);
    expect(refusedEngines).toEqual([
      expect.stringContaining("vulkan: only a software device (fake)"),
    ]);
    expect(logged(under, "engine chosen")).toMatchObject({
      engine: engines[0],
      refused: refusedEngines,
    });
    const named = await serve(software, { PROVER_ENGINE: "vulkan" });
    expect((await proved(named)).engine).toBe("fake (test)");
  });

  it("opens no device in a process that proves nothing", async () => {
    const device = new FakeDevice();
    for (const engine of ["auto", "vulkan"]) {
      const config = parseConfig({ PROVER_ENGINE: engine });
      const { opener } = device;
      const { keeper, name } = await chooseEngine(config, { isProving: false, opener });
      expect(keeper).toBeUndefined();
      expect(name).toMatch(engine === "auto" ? /^wasm/ : "vulkan");
    }
    expect(device.seen("openCount")).toBe(0);
  });

  it("does not start without a device that was asked for by name, and starts on another engine else", async () => {
    const device = new FakeDevice();
    device.refuse("library");
    await expect(serve(device, { PROVER_ENGINE: "vulkan" })).rejects.toMatchObject({
      code: "ENGINE_UNAVAILABLE",
      detail: { gpu: "library" },
    });
    const under = await serve(device);
    expect((await proved(under)).engine).toMatch(/^wasm/);
    expect((await under.client.getServerInfo()).refusedEngines).toEqual([
      "vulkan: fake: got told not to open",
    ]);
  });
});
