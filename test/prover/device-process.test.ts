// The service in a process of its own, on a real device: the machine's GPU or its software driver.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { JobState } from "../../gen/prover/v1/job_pb.ts";
import { openAny, whyNoDevice } from "../worker/gpu/device-fixture.ts";
import { exitOf, ServedProcess, spawnService } from "./served-process.ts";
import { productRequest } from "./test-server.ts";

let folder: string;
let device: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "device-process-"));
});
afterAll(() => rm(folder, { recursive: true }));

const reason = whyNoDevice === undefined ? "" : ` (${whyNoDevice})`;

describe.skipIf(whyNoDevice !== undefined)(`prover / process on a device${reason}`, () => {
  beforeAll(async () => {
    const opened = await openAny();
    device = opened.name;
    await opened.close();
  });

  const serve = (settings: Record<string, string>) =>
    ServedProcess.start({
      store: `sqlite:${join(folder, `${Math.random()}.sqlite`)}`,
      settings: { PROVER_CIRCUITS: "product", PROVER_THREADS: "3", ...settings },
    });

  it("proves on the device that it is told, several proofs at once, and ends when it is told", async () => {
    await using served = await serve({ PROVER_ENGINE: "vulkan", PROVER_GPU_DEVICE: device });
    const { engines } = await served.client.getServerInfo();
    expect(engines).toEqual([`vulkan (${device})`]);
    const jobs = await Promise.all([1, 2, 3].map(() => served.client.prove(productRequest())));
    for (const { state, result } of jobs) {
      expect(state).toBe(JobState.SUCCEEDED);
      expect(result.engine).toBe(`vulkan (${device})`);
    }
    const metrics = await fetch(`http://127.0.0.1:${served.adminPort}/metrics`);
    const text = await metrics.text();
    expect(text).toContain("proofmill_device_batched_total 3");
    expect(text).toContain("proofmill_device_keys 1");
    expect(text).toMatch(/proofmill_device_allocated_bytes [1-9]/);
    served.signal("SIGTERM");
    expect(await served.ended).toEqual({ code: 0, signal: null });
  });

  it("says what is wrong with a device that it does not have, and does not start", async () => {
    const child = await spawnService({
      store: "memory",
      settings: { PROVER_ENGINE: "vulkan", PROVER_GPU_DEVICE: "no such device" },
    });
    let said = "";
    child.stderr?.on("data", (bytes) => {
      said += bytes;
    });
    expect(await exitOf(child)).toMatchObject({ code: expect.any(Number), signal: null });
    expect(said).toContain('expected a device with "no such device" in its name');
  });
});
