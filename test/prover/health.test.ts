import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { protoPath } from "grpc-health-check";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { AdminClient } from "../../prover/admin-client.ts";
import { parseConfig } from "../../prover/config.ts";
import type { StoreStats } from "../../prover/job-store.ts";
import { EventLoopWatch } from "../../prover/observe/event-loop.ts";
import { Health } from "../../prover/observe/health.ts";
import { StoreWatch } from "../../prover/observe/store-watch.ts";
import { startServer } from "../../prover/server.ts";
import { MemoryStore } from "../../prover/stores/memory.ts";
import { LIMITS } from "./job-store-contract.ts";
import { smallCircuits } from "./small-circuits.ts";
import { startTestServer } from "./test-server.ts";

describe("prover / health answers", () => {
  it("are ready only while serving with a store, and started for ever after loading", () => {
    const health = new Health();
    expect(health.answers).toEqual({ startup: false, readiness: false, liveness: true });
    health.update({ phase: "serving" });
    expect(health.answers).toEqual({ startup: true, readiness: true, liveness: true });
    health.update({ isStoreUp: false });
    expect(health.answers).toEqual({ startup: true, readiness: false, liveness: true });
    health.update({ isStoreUp: true, phase: "draining" });
    expect(health.answers).toEqual({ startup: true, readiness: false, liveness: true });
    health.update({ isResponsive: false });
    expect(health.answers.liveness).toBe(false);
  });

  it("stay those of a draining server, whatever finishes loading meanwhile", () => {
    const health = new Health();
    health.update({ phase: "draining" });
    health.update({ phase: "serving" });
    expect(health).toMatchObject({ phase: "draining", answers: { readiness: false } });
  });
});

describe("prover / event loop watch", () => {
  it("notices a block at the first tick after it, and forgets it in time", async () => {
    const seen: boolean[] = [];
    const options = { tickMs: 5, blockedMs: 100, rememberedMs: 200 };
    const watch = new EventLoopWatch(options, (_, isResponsive) => seen.push(isResponsive));
    await until(() => seen.length >= 2);
    const before = seen.length;
    block(150);
    await until(() => seen.length > before);
    expect(seen[before]).toBe(false);
    await until(() => seen.at(-1) === true);
    watch.stop();
  });
});

describe("prover / store watch", () => {
  const stats: StoreStats = {
    queuedCount: 1,
    queuedByPriority: { HIGH: 0, NORMAL: 1, LOW: 0 },
    queuedBytes: 8,
    runningCount: 0,
    oldestQueuedMs: 5,
    circuits: [],
  };
  const failing = () => Promise.reject(new Error("gone"));
  const silent = () => new Promise<never>(() => {});

  it.each([
    ["fails", failing],
    ["does not answer", silent],
  ])("says so when the store %s, once, and again when it is back", async (_, broken) => {
    let answer: () => Promise<StoreStats> = async () => stats;
    let hang: (() => void) | undefined;
    const told: boolean[] = [];
    const watch = new StoreWatch(
      { pollMs: 5, patienceMs: 20 },
      {
        // A question that hangs is answered at last, as by a driver that gives up.
        store: {
          stats: () =>
            Promise.race([
              answer(),
              new Promise<never>((_, reject) => {
                hang = () => reject(new Error("gave up"));
              }),
            ]),
        },
        log: pino({ level: "silent" }),
        onChange: (isUp) => told.push(isUp),
      },
    );
    await until(() => watch.stats !== undefined);
    answer = broken;
    await until(() => told.length === 1);
    expect(watch.stats).toBeUndefined();
    expect(watch.awaySinceMs).toBeDefined();
    answer = async () => stats;
    hang?.();
    await until(() => told.length === 2);
    expect(watch.stats).toEqual(stats);
    expect(told).toEqual([false, true]);
    watch.stop();
  });

  it("says nothing of a store that is closed while it is asked", async () => {
    let close = () => {};
    const answer = new Promise<never>((_, reject) => {
      close = () => reject(new Error("closed"));
    });
    const told: boolean[] = [];
    const onChange = (isUp: boolean) => told.push(isUp);
    const log = pino({ level: "silent" });
    const watch = new StoreWatch({}, { store: { stats: () => answer }, log, onChange });
    watch.stop();
    close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toEqual([]);
  });
});

describe("prover / probes over gRPC", () => {
  it("are answered while keys are loaded, and admin calls say that they come too early", async () => {
    const config = parseConfig({
      PROVER_LISTEN: "127.0.0.1:0",
      PROVER_ADMIN_LISTEN: "127.0.0.1:0",
      PROVER_CIRCUITS_DIR: await smallCircuits(),
      PROVER_ALLOW_DEV_KEYS: "true",
      PROVER_THREADS: "1",
      PROVER_STORE: "memory",
    });
    let opened = (_: number) => {};
    const admin = new Promise<number>((resolve) => {
      opened = resolve;
    });
    const write = (line: string) => {
      const { msg, adminPort } = JSON.parse(line);
      if (msg === "loading") opened(adminPort);
    };
    const starting = startServer(config, { log: pino({ level: "info" }, { write }) });
    const port = await admin;
    const client = new AdminClient({ address: `127.0.0.1:${port}`, patienceMs: 0 });
    try {
      expect(await probe(port, "startup")).toBe("NOT_SERVING");
      expect(await probe(port, "readiness")).toBe("NOT_SERVING");
      expect(await probe(port, "liveness")).toBe("SERVING");
      const page = await fetch(`http://127.0.0.1:${port}/status.json`);
      expect(await page.json()).toMatchObject({
        state: "loading",
        loading: { step: expect.any(String), circuit: expect.any(String), totalCount: 3 },
      });
      await expect(client.listWorkers()).rejects.toMatchObject({
        code: "UNAVAILABLE",
        reason: "LOADING",
      });
    } finally {
      const server = await starting;
      expect(await probe(port, "startup")).toBe("SERVING");
      client.close();
      await server.close();
    }
  });

  it("deny readiness alone while the store is away or the server drains, on both ports", async () => {
    const store = new MemoryStore({ ...LIMITS, leaseMs: 60_000 });
    const { stats } = store;
    await using under = await startTestServer({ PROVER_CIRCUITS: "product" }, store);
    const { port, adminPort } = under.server;
    const answers = async () =>
      Promise.all(["startup", "readiness", "liveness"].map((name) => probe(adminPort, name)));
    expect(await answers()).toEqual(["SERVING", "SERVING", "SERVING"]);
    store.stats = () => Promise.reject(new Error("gone"));
    await until(async () => (await probe(port, "readiness")) === "NOT_SERVING");
    expect(await probe(port, "")).toBe("NOT_SERVING");
    expect(await answers()).toEqual(["SERVING", "NOT_SERVING", "SERVING"]);
    store.stats = stats;
    await until(async () => (await probe(port, "readiness")) === "SERVING");
    await under.admin.drain();
    expect(await answers()).toEqual(["SERVING", "NOT_SERVING", "SERVING"]);
    expect(await probe(port, "readiness")).toBe("NOT_SERVING");
  });
});

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
}

function block(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

/** Asks by the published health.proto, as a probe does. */
async function probe(port: number, service: string): Promise<string> {
  // biome-ignore lint/suspicious/noExplicitAny: grpc-js makes untyped clients at run time.
  const loaded: any = grpc.loadPackageDefinition(loadSync(protoPath, { enums: String }));
  const client = new loaded.grpc.health.v1.Health(
    `127.0.0.1:${port}`,
    grpc.credentials.createInsecure(),
  );
  try {
    return await new Promise((resolve, reject) => {
      client.check({ service }, (error: Error | null, answer: { status: string }) =>
        error === null ? resolve(answer.status) : reject(error),
      );
    });
  } finally {
    client.close();
  }
}
