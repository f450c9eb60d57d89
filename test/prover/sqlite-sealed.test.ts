import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Claim } from "../../prover/job-store.ts";
import { readSealingKeys } from "../../prover/stores/input-sealer.ts";
import { openStore } from "../../prover/stores/open.ts";
import { SqliteStore } from "../../prover/stores/sqlite.ts";
import { jobStoreContract, LIMITS, newJob, PROVABLE } from "./job-store-contract.ts";

const MARKER = Buffer.from("planted-marker-51d0aa");
const secret = () => ({
  format: "json" as const,
  bytes: new Uint8Array(Buffer.concat(Array.from({ length: 500 }, () => MARKER))),
  commit: { newRoot: 9n, txData: new Uint8Array(MARKER) },
});
const named = (requestId: string) => ({ owner: "", requestId });

jobStoreContract("sqlite with sealed inputs", async (now) => {
  const dir = await mkdtemp(join(tmpdir(), "sealed-"));
  const keyFile = join(dir, "keys");
  await writeFile(keyFile, randomBytes(32).toString("hex"));
  const keys = await readSealingKeys(keyFile);
  const store = await SqliteStore.open(join(dir, "jobs.sqlite"), LIMITS, { now, keys });
  return {
    store,
    close: async () => {
      await store.close();
      await rm(dir, { recursive: true });
    },
  };
});

describe("job store / sqlite, with a key for its inputs", () => {
  const [old, current] = [randomBytes(32).toString("hex"), randomBytes(32).toString("base64")];
  let dir: string;
  let path: string;
  const open: { close(): Promise<void> }[] = [];
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "sealed-"));
    path = join(dir, "jobs.sqlite");
  });
  afterEach(async () => {
    for (const store of open.splice(0)) await store.close();
    await rm(dir, { recursive: true });
  });

  const reopen = async (...keys: string[]) => {
    for (const store of open.splice(0)) await store.close();
    const storeKeyFile = keys.length === 0 ? "" : join(dir, "keys");
    if (keys.length > 0) await writeFile(storeKeyFile, keys.join("\n"));
    const limits = { ...LIMITS, queueMaxBytes: 1_000_000, storeKeyFile };
    const store = await openStore(`sqlite:${path}`, limits);
    open.push(store);
    return store;
  };
  const isOnDisk = async () => {
    const names = await readdir(dir);
    const files = await Promise.all(names.map((name) => readFile(join(dir, name))));
    return files.some((bytes) => bytes.includes(MARKER));
  };

  it("has no byte of an input in any file while its job waits, runs and is a dead letter", async () => {
    const store = await reopen(current);
    await store.submit(newJob("r", { input: secret() }));
    expect(await isOnDisk()).toBe(false);
    for (let attempt = 0; attempt < LIMITS.attemptsMax; attempt++) {
      const { lease, input } = (await store.claim(PROVABLE)) as Claim;
      expect(Buffer.from(input.bytes).equals(secret().bytes)).toBe(true);
      expect(Buffer.from(input.commit?.txData ?? []).equals(MARKER)).toBe(true);
      expect(await isOnDisk()).toBe(false);
      const failure = { reason: "WORKER_LOST", message: "", retryable: true };
      await store.settle(lease, { kind: "failed", failure });
    }
    await store.sweep();
    expect((await store.retry(named("r"))).state).toBe("QUEUED");
    expect(await isOnDisk()).toBe(false);
    // The search would find it.
    await store.submit(newJob("labelled", { labels: { note: MARKER.toString() } }));
    expect(await isOnDisk()).toBe(true);
  });

  it("fails a job whose stored input has changed by a bit, and goes on with the next", async () => {
    let store = await reopen(current);
    await store.submit(newJob("changed", { input: secret() }));
    await store.submit(newJob("whole", { input: secret() }));
    await store.close();
    open.length = 0;
    const file = new DatabaseSync(path);
    const { bytes } = file.prepare("SELECT bytes FROM inputs ORDER BY number LIMIT 1").get() as {
      bytes: Uint8Array;
    };
    bytes[777] = (bytes[777] as number) ^ 4;
    file.prepare("UPDATE inputs SET bytes = ? WHERE number = 1").run(bytes);
    file.close();
    store = await reopen(current);
    expect((await store.claim(PROVABLE))?.job.requestId).toBe("whole");
    expect(await store.get(named("changed"))).toMatchObject({
      state: "FAILED",
      failure: { reason: "INPUT_DAMAGED", retryable: false },
    });
    expect(await store.stats()).toMatchObject({ queuedCount: 0, runningCount: 1 });
  });

  it("takes over plain inputs, rotates its keys, and refuses to start without one that is in use", async () => {
    await (await reopen()).submit(newJob("plain", { input: secret() }));
    await (await reopen(old)).submit(newJob("old", { input: secret() }));
    let store = await reopen(current, old);
    await store.submit(newJob("current", { input: secret() }));
    for (const keys of [[], [current], [old]]) {
      await expect(reopen(...keys), keys.join()).rejects.toMatchObject({
        code: "STORE_KEY_REFUSED",
        message: expect.stringContaining("PROVER_STORE_KEY_FILE"),
      });
    }
    store = await reopen(current, old);
    for (const requestId of ["plain", "old", "current"]) {
      const { job, lease, input } = (await store.claim(PROVABLE)) as Claim;
      expect(job.requestId).toBe(requestId);
      expect(Buffer.from(input.bytes).equals(secret().bytes), requestId).toBe(true);
      if (requestId === "current") break;
      await store.settle(lease, { kind: "succeeded", result: Uint8Array.of(1) });
    }
    // Nothing is sealed with it any more: the old key may go.
    store = await reopen(current);
    expect((await store.claim(PROVABLE))?.job).toMatchObject({ requestId: "current", attempts: 2 });
  });
});
