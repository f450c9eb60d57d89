import { readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ProverClient } from "../../prover/client.ts";
import { faultLine, JobLedger } from "./job-ledger.ts";
import { ServedProcess } from "./served-process.ts";
import { chainRequest, productRequest } from "./test-server.ts";

const MB = 2 ** 20;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "burst-"));
});
afterEach(() => rm(folder, { recursive: true }));

const OPEN_FILES_MAX = 96;

const start = (settings: Record<string, string>, openFilesMax?: number) =>
  ServedProcess.start({
    store: `sqlite:${join(folder, "jobs.sqlite")}`,
    settings,
    ...(openFilesMax && { openFilesMax }),
  });

describe("prover / a burst", () => {
  it("of 10,000 submissions at once: what it takes it proves, and the rest hears when to come again", async () => {
    await using served = await start({ PROVER_QUEUE_MAX: "200", PROVER_INTAKE_MAX: "100" });
    const before = served.memoryBytes();
    const ledger = new JobLedger();
    let mostBytes = 0;
    const watching = setInterval(() => {
      mostBytes = Math.max(mostBytes, served.memoryBytes());
    }, 50);
    /** Those that were refused for a while, with the pause that they were told. */
    const told: (number | undefined)[] = [];
    await Promise.all(
      Array.from({ length: 10_000 }, async () => {
        const request = productRequest();
        try {
          const { job } = await served.client.submit(request, { timeoutMs: 300_000 });
          ledger.accepted.set(request.requestId as string, job?.jobId ?? "");
        } catch (error) {
          const { code, retryAfterMs } = error as { code: string; retryAfterMs?: number };
          expect(code).toBe("RESOURCE_EXHAUSTED");
          told.push(retryAfterMs);
        }
      }),
    );
    clearInterval(watching);
    const tally = await ledger.audit(served.client);
    faultLine("a burst of 10,000 submissions", 1, tally);
    expect(tally).toMatchObject({ proved: ledger.accepted.size, lost: 0, doubled: 0, attempts: 1 });
    expect(tally.jobs + told.length).toBe(10_000);
    expect(tally.jobs).toBeGreaterThanOrEqual(200);
    expect(told.filter((ms) => !(ms !== undefined && ms > 0))).toEqual([]);
    // Calls that wait have buffers; they are let in by the connection's limit.
    expect(mostBytes - before).toBeLessThan(500 * MB);
  }, 300_000);

  it("of large requests: memory follows the limits, not the callers", async () => {
    await using served = await start({
      PROVER_QUEUE_MAX_BYTES: String(8 * MB),
      PROVER_INTAKE_MAX: "4",
    });
    const before = served.memoryBytes();
    const ledger = new JobLedger();
    const inputs = { start: 3 };
    const spaces = Buffer.alloc(60_000, " ");
    const value = Buffer.concat([Buffer.from(JSON.stringify(inputs)), spaces]);
    let mostBytes = 0;
    for (let round = 0; round < 5; round++) {
      await Promise.all(
        Array.from({ length: 200 }, () =>
          ledger.submit(served.client, chainRequest({ input: { case: "inputJson", value } })),
        ),
      );
      mostBytes = Math.max(mostBytes, served.memoryBytes());
      // Room for the next burst.
      for (const requestId of ledger.accepted.keys()) await served.client.cancel({ requestId });
    }
    const tally = await ledger.audit(served.client);
    faultLine("bursts of large requests", 5, tally);
    expect(tally).toMatchObject({ lost: 0, doubled: 0, failed: 0, expired: 0 });
    expect([...ledger.refused.keys()]).toEqual(["RESOURCE_EXHAUSTED"]);
    expect(mostBytes - before).toBeLessThan(400 * MB);
  }, 300_000);
});

describe.skipIf(process.platform !== "linux")("prover / no file descriptor is left", () => {
  it("because of connections that do nothing: jobs go on, and new callers come in when they have gone", async () => {
    await using served = await start({}, OPEN_FILES_MAX);
    const ledger = new JobLedger();
    for (let i = 0; i < 4; i++) await ledger.submit(served.client, chainRequest());
    const idle: Socket[] = [];
    for (let i = 0; i < 200; i++) {
      const socket = connect(served.port, "127.0.0.1");
      socket.on("error", () => {});
      idle.push(socket);
    }
    // Nearly: what is short-lived takes one now and then.
    const open = () => readdirSync(`/proc/${served.pid}/fd`).length;
    await expect.poll(open).toBeGreaterThan(OPEN_FILES_MAX - 8);
    // A caller who is in already is served.
    for (let i = 0; i < 10; i++) await ledger.submit(served.client, productRequest());
    expect(ledger.refused.size).toBe(0);
    for (const requestId of ledger.accepted.keys()) {
      await served.client.get({ requestId }, { waitMs: 120_000 });
    }
    for (const socket of idle) socket.destroy();
    const late = new ProverClient({ address: `127.0.0.1:${served.port}`, patienceMs: 30_000 });
    await ledger.submit(late, productRequest());
    const tally = await ledger.audit(late);
    faultLine("no file descriptor left", 200, tally);
    expect(tally).toMatchObject({ proved: 15, lost: 0, doubled: 0, attempts: 1 });
    late.close();
  }, 300_000);
});
