import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Claim, Lease } from "../../prover/job-store.ts";
import { SqliteStore } from "../../prover/stores/sqlite.ts";
import { LIMITS, newJob, PROVABLE } from "./job-store-contract.ts";

const limits = { ...LIMITS, queueMaxBytes: 100_000_000, leaseMs: 500 };
const NEVER = new AbortController().signal;
const RESULT = Uint8Array.of(1, 2, 3);
const UNAVAILABLE = { code: "STORE_UNAVAILABLE", retryAfterMs: expect.any(Number) };

/** As the scheduler does while the store is away. */
async function settle(store: SqliteStore, lease: Lease, failures: unknown[] = []) {
  for (;;) {
    try {
      return await store.settle(lease, { kind: "succeeded", result: RESULT });
    } catch (error) {
      failures.push(error);
      await sleep(100);
    }
  }
}

const input = (bytes: number) => ({
  format: "json" as const,
  bytes: new Uint8Array(bytes).fill(7),
  commit: undefined,
});
const named = (requestId: string) => ({ owner: "", requestId });

describe("job store / sqlite, when its disk is full", () => {
  let dir: string;
  let isMounted = false;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "full-"));
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", dir], { stdio: "ignore" });
      isMounted = true;
    } catch {
      isMounted = false;
    }
  });
  afterEach(async () => {
    if (isMounted) execFileSync("umount", [dir]);
    await rm(dir, { recursive: true });
  });

  it("refuses what is new, keeps what it has, and goes on by itself when there is room", async ({
    skip,
  }) => {
    if (!isMounted) return skip("a small file system cannot be mounted here: not root");
    const path = join(dir, "jobs.sqlite");
    const store = await SqliteStore.open(path, limits);
    try {
      await store.submit(newJob("running", { input: input(100_000) }));
      const claim = await store.claim(PROVABLE);
      await store.submit(newJob("waiting", { input: input(100_000) }));
      await store.sweep();
      const filler = join(dir, "filler");
      await writeFile(filler, new Uint8Array(8_000_000)).catch(() => {});

      const late = (i: number) => store.submit(newJob(`late ${i}`, { input: input(400_000) }));
      const refused = await Promise.allSettled([1, 2, 3].map(late));
      for (const each of refused) {
        expect(each).toMatchObject({ status: "rejected", reason: UNAVAILABLE });
      }
      expect((refused[0] as PromiseRejectedResult).reason.message).toMatch(/disk is full/);
      const failures: unknown[] = [];
      const settled = settle(store, (claim as Claim).lease, failures);
      // Longer than a lease: whoever could not hear its workers must not call them silent.
      for (let i = 0; i < 10; i++) {
        await store.sweep().catch(() => {});
        await sleep(100);
      }
      expect(failures[0]).toMatchObject(UNAVAILABLE);
      expect(await store.get(named("running"))).toMatchObject({ state: "RUNNING", attempts: 1 });
      expect(await store.get(named("late 1"))).toBeUndefined();
      expect(await store.stats()).toMatchObject({ queuedCount: 1, runningCount: 1 });

      await rm(filler);
      // The first that has room again is not a worker.
      await store.sweep();
      expect(await settled).toMatchObject({ state: "SUCCEEDED", attempts: 1, result: RESULT });
      expect((await late(1)).created).toBe(true);
      expect((await store.claim(PROVABLE))?.job.requestId).toBe("waiting");
    } finally {
      await store.close();
    }
    const next = await SqliteStore.open(path, limits);
    expect(await next.get(named("running"))).toMatchObject({ state: "SUCCEEDED" });
    expect(await next.stats()).toMatchObject({ queuedCount: 2 });
    await next.close();
  });
});

describe("job store / sqlite, when its thread dies", () => {
  it("starts another one, which has all jobs, claims and watchers of the first", async () => {
    const dir = await mkdtemp(join(tmpdir(), "thread-"));
    const store = await SqliteStore.open(join(dir, "jobs.sqlite"), { ...limits, leaseMs: 60_000 });
    try {
      for (const id of ["running", "first", "second"]) await store.submit(newJob(id));
      const claim = await store.claim(PROVABLE);
      const states: string[] = [];
      const watching = (async () => {
        for await (const { job } of store.events(named("running"), 0, NEVER))
          states.push(job.state);
      })();
      await expect.poll(() => states).toEqual(["RUNNING"]);
      // Answered after what the watcher asks next: it only waits now.
      await sleep(50);
      await store.get(named("running"));
      const cut = store.submit(newJob("cut off"));
      const killed = store.killThread();
      await cut.then(
        () => {},
        (error) => expect(error).toMatchObject(UNAVAILABLE),
      );
      await killed;
      await expect(store.get(named("first"))).rejects.toMatchObject(UNAVAILABLE);
      const settled = await settle(store, (claim as Claim).lease);
      expect(settled).toMatchObject({ state: "SUCCEEDED", attempts: 1 });
      await watching;
      expect(states).toEqual(["RUNNING", "SUCCEEDED"]);
      const second = await store.get(named("second"));
      expect(await store.position(second?.jobId as string)).toBe(1);
      expect((await store.claim(PROVABLE))?.job.requestId).toBe("first");
    } finally {
      await store.close();
      await rm(dir, { recursive: true });
    }
  });

  it("counts no claim that was settled, although the answer was lost with the thread", async () => {
    const dir = await mkdtemp(join(tmpdir(), "thread-"));
    const store = await SqliteStore.open(join(dir, "jobs.sqlite"), { ...limits, leaseMs: 60_000 });
    try {
      await store.submit(newJob("r"));
      const { lease } = (await store.claim(PROVABLE)) as Claim;
      const emit = Worker.prototype.emit;
      const lossy = vi.spyOn(Worker.prototype, "emit");
      const lost = new Promise<void>((resolve) => {
        lossy.mockImplementation(function (this: Worker, ...event: Parameters<typeof emit>) {
          const [name, message] = event as unknown as [string, { news?: { kind: string }[] }];
          const isEnd = name === "message" && message.news?.some(({ kind }) => kind === "ended");
          if (!isEnd) return emit.apply(this, event);
          resolve();
          return true;
        } as never);
      });
      const cut = expect(
        store.settle(lease, { kind: "succeeded", result: RESULT }),
      ).rejects.toMatchObject(UNAVAILABLE);
      await lost;
      lossy.mockRestore();
      await store.killThread();
      await cut;
      expect(await settle(store, lease)).toBeUndefined();
      expect(await store.get(named("r"))).toMatchObject({ state: "SUCCEEDED" });
      expect(await store.stats()).toMatchObject({ queuedCount: 0, runningCount: 0 });
    } finally {
      await store.close();
      await rm(dir, { recursive: true });
    }
  });
});
