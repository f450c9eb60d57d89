import { mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openStore } from "../../prover/stores/open.ts";
import { SqliteStore } from "../../prover/stores/sqlite.ts";
import type { StoreLimits } from "../../prover/stores/transition.ts";
import { jobStoreContract, LIMITS, newJob, PROVABLE } from "./job-store-contract.ts";
import { copyStore, folderBytes, storedKeys } from "./stored-keys.ts";

jobStoreContract("sqlite", async (now) => {
  const dir = await mkdtemp(join(tmpdir(), "jobs-"));
  const store = await SqliteStore.open(join(dir, "jobs.sqlite"), LIMITS, { now });
  return {
    store,
    close: async () => {
      await store.close();
      await rm(dir, { recursive: true });
    },
  };
});

describe("job store / sqlite, over the life of its file", () => {
  let dir: string;
  let path: string;
  let open: SqliteStore[];
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "jobs-"));
    path = join(dir, "jobs.sqlite");
    open = [];
  });
  afterEach(async () => {
    for (const store of open) await store.close();
    await rm(dir, { recursive: true });
  });

  const reopen = async (changes: Partial<StoreLimits> = {}): Promise<SqliteStore> => {
    for (const store of open.splice(0)) await store.close();
    const store = await SqliteStore.open(path, { ...LIMITS, ...changes });
    open.push(store);
    return store;
  };

  it("fails a job whose input is gone or cut, and goes on to the next", async () => {
    let store = await reopen();
    for (const requestId of ["gone", "cut", "good"]) await store.submit(newJob(requestId));
    await store.close();
    const db = new DatabaseSync(path);
    db.exec("PRAGMA foreign_keys = OFF");
    db.exec("DELETE FROM inputs WHERE number = 1");
    db.exec("UPDATE inputs SET bytes = x'00' WHERE number = 2");
    db.close();
    store = await reopen();
    expect((await store.claim(PROVABLE))?.job.requestId).toBe("good");
    for (const requestId of ["gone", "cut"]) {
      const job = await store.get({ owner: "", requestId });
      expect(job).toMatchObject({ state: "FAILED", failure: { reason: "INPUT_DAMAGED" } });
    }
  });

  it("knows every job again, with its place, input, result and events", async () => {
    let store = await reopen();
    await store.submit(newJob("low", { priority: "LOW" }));
    const commit = { newRoot: 2n ** 200n + 3n, txData: Uint8Array.of(9, 8) };
    const input = () => ({ format: "wtns", bytes: Uint8Array.of(1, 2, 3), commit }) as const;
    await store.submit(newJob("first", { input: input() }));
    await store.submit(newJob("second", { labels: { block: "7" }, expireMs: 9e15 }));
    await store.submit(newJob("done", { priority: "HIGH" }));
    const claim = await store.claim(PROVABLE);
    await store.heartbeat(claim?.lease as never, "PROVING", 30);
    await store.settle(claim?.lease as never, { kind: "succeeded", result: Uint8Array.of(7) });
    const ids = ["low", "first", "second", "done"];
    const all = (from: SqliteStore) =>
      Promise.all(ids.map((requestId) => from.get({ owner: "", requestId })));
    const before = await all(store);
    const stats = await store.stats();
    store = await reopen();
    expect(await all(store)).toEqual(before);
    expect(await store.stats()).toEqual(stats);
    const events = [];
    for await (const event of store.events(
      { owner: "", requestId: "done" },
      1,
      new AbortController().signal,
    )) {
      events.push(event.job.state);
    }
    expect(events).toEqual(["RUNNING", "RUNNING", "SUCCEEDED"]);
    const order = [];
    for (let i = 0; i < 3; i++) order.push(await store.claim(PROVABLE));
    expect(order.map((claimed) => claimed?.job.requestId)).toEqual(["first", "second", "low"]);
    expect(order[0]?.input).toEqual(input());
    expect(await store.submit(newJob("done"))).toMatchObject({ created: false });
  });

  it("gives jobs that ran when the process ended to the next one, in front, as an attempt used", async () => {
    let store = await reopen();
    await store.submit(newJob("running"));
    await store.submit(newJob("waiting"));
    const late = await store.claim(PROVABLE);
    store = await reopen();
    expect(await store.stats()).toMatchObject({ queuedCount: 2, runningCount: 0 });
    const again = await store.claim(PROVABLE);
    expect(again?.job).toMatchObject({ requestId: "running", attempts: 2 });
    const settlement = { kind: "succeeded", result: Uint8Array.of(1) } as const;
    expect(await store.settle(late?.lease as never, settlement)).toBeUndefined();
    store = await reopen();
    // Its second attempt was lost as well: it must not kill a server again and again.
    expect(await store.get({ owner: "", requestId: "running" })).toMatchObject({
      state: "FAILED",
      failure: { reason: "WORKER_LOST" },
    });
    expect((await store.retry({ owner: "", requestId: "running" })).state).toBe("QUEUED");
  });

  it("resumes a stream that another process began", async () => {
    let store = await reopen();
    await store.submit(newJob("r"));
    const claim = await store.claim(PROVABLE);
    for (let percent = 1; percent < 9; percent++) {
      await store.heartbeat(claim?.lease as never, "PROVING", percent);
    }
    const seen = (await store.get({ owner: "", requestId: "r" }))?.sequence as number;
    store = await reopen();
    const rest: string[] = [];
    const watching = (async () => {
      for await (const { job } of store.events(
        { owner: "", requestId: "r" },
        seen,
        new AbortController().signal,
      )) {
        rest.push(job.state);
      }
    })();
    await store.cancel({ owner: "", requestId: "r" });
    await watching;
    expect(rest).toEqual(["QUEUED", "CANCELLED"]);
  });

  it.each([":memory:", "file:jobs?mode=memory"])(
    "is a file, also by the name of %s",
    async (name) => {
      const before = process.cwd();
      process.chdir(dir);
      try {
        for (const created of [true, false]) {
          const store = await openStore(`sqlite:${name}`, LIMITS);
          expect((await store.submit(newJob("r"))).created).toBe(created);
          await store.close();
        }
      } finally {
        process.chdir(before);
      }
    },
  );

  it("is for its owner's eyes only, and so is its log", async () => {
    const path = join(dir, "private.sqlite");
    const before = process.umask(0o022);
    try {
      const store = await SqliteStore.open(path, LIMITS);
      await store.submit(newJob("r"));
      for (const name of [path, `${path}-wal`]) {
        expect((await stat(name)).mode & 0o777, name).toBe(0o600);
      }
      await store.close();
    } finally {
      process.umask(before);
    }
  });

  it("empties the log of a process that died before it could, of keys", async () => {
    const store = await reopen();
    await store.submit(newJob("r"));
    const key = (await storedKeys(path)).keys.get("r")?.plain as Buffer;
    await store.cancel({ owner: "", requestId: "r" });
    // What the disk holds at this moment, as a process killed now would leave it.
    const [folder, left] = [join(dir, "left"), join(dir, "left", "jobs.sqlite")];
    await mkdir(folder);
    await copyStore(path, left);
    expect((await folderBytes(folder)).includes(key)).toBe(true);
    const next = await SqliteStore.open(left, LIMITS);
    try {
      expect((await folderBytes(folder)).includes(key)).toBe(false);
      expect((await next.get({ owner: "", requestId: "r" }))?.state).toBe("CANCELLED");
    } finally {
      await next.close();
    }
  });

  it("refuses a file in use, of another program, of a newer release, and what is no database", async () => {
    await reopen();
    await expect(SqliteStore.open(path, LIMITS)).rejects.toThrow(/locked/);
    await expect(
      openStore(`sqlite:${path}`, { ...LIMITS, storeKeyFile: "" }),
    ).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining("another server"),
    });
    for (const store of open.splice(0)) await store.close();
    const other = join(dir, "other.sqlite");
    const foreign = new DatabaseSync(other);
    foreign.exec("CREATE TABLE theirs (x)");
    foreign.close();
    await expect(SqliteStore.open(other, LIMITS)).rejects.toThrow(/another program/);
    const newer = new DatabaseSync(path);
    newer.exec("PRAGMA user_version = 99");
    newer.close();
    await expect(SqliteStore.open(path, LIMITS)).rejects.toThrow(/version 99/);
    await expect(SqliteStore.open(join(dir, "absent/jobs.sqlite"), LIMITS)).rejects.toThrow();
  });

  it("answers each of many calls made at once, and those after a failed one", async () => {
    const store = await reopen({ queueMax: 1_000, queueMaxBytes: 1_000_000 });
    const jobs = Array.from({ length: 200 }, (_, i) => store.submit(newJob(`r${i}`)));
    const unknown = store.cancel({ owner: "", requestId: "?" });
    const twice = store.submit(newJob("r0"));
    await expect(unknown).rejects.toMatchObject({ code: "JOB_UNKNOWN" });
    expect(new Set((await Promise.all(jobs)).map(({ job }) => job.jobId)).size).toBe(200);
    expect((await twice).created).toBe(false);
    // What SQLite itself refuses fails alone.
    const [good, bad] = await Promise.allSettled([
      store.submit(newJob("good")),
      store.submit(newJob("bad", { circuitId: null as never })),
    ]);
    expect(good).toMatchObject({ status: "fulfilled" });
    expect(bad).toMatchObject({ status: "rejected", reason: { code: "STORE_UNAVAILABLE" } });
    expect((await store.stats()).queuedCount).toBe(201);
    expect(await store.get({ owner: "", requestId: "bad" })).toBeUndefined();
  });
});
