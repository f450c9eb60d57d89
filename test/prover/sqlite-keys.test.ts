import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Claim, NewJob } from "../../prover/job-store.ts";
import type { SealingKey } from "../../prover/stores/input-sealer.ts";
import { SqliteStore } from "../../prover/stores/sqlite.ts";
import { AskedFile } from "./asked-file.ts";
import { LIMITS, newJob, PROVABLE } from "./job-store-contract.ts";
import { folderBytes, type StoredKey, storedKeys } from "./stored-keys.ts";

const MARKER = Buffer.from("planted-marker-8fe1c2");
const ROOMY = { ...LIMITS, queueMax: 100, queueMaxBytes: 10_000_000, keepFinishedMax: 1_000 };
const named = (requestId: string) => ({ owner: "", requestId });
const secret = (): NewJob["input"] => ({
  format: "json",
  bytes: new Uint8Array(Buffer.concat(Array.from({ length: 2_000 }, () => MARKER))),
  commit: { newRoot: 9n, txData: new Uint8Array(MARKER) },
});
const failed = (retryable: boolean) => ({
  kind: "failed" as const,
  failure: { reason: "X", message: "", retryable },
});

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "jobs-"));
  path = join(dir, "jobs.sqlite");
});
afterEach(() => rm(dir, { recursive: true }));

const outside: SealingKey[] = [{ id: "0123456789abcdef", bytes: new Uint8Array(randomBytes(32)) }];

describe.each([
  ["no key from outside", []],
  ["a key from outside", outside],
] as const)("keys of inputs in SQLite, with %s", (_, sealingKeys) => {
  it("are in no file once their jobs have ended, however they end; inputs never are", async () => {
    const store = await SqliteStore.open(path, ROOMY, { keys: sealingKeys });
    const foundOf = async (...wanted: StoredKey[]) => {
      const bytes = await folderBytes(dir);
      expect(bytes.includes(MARKER)).toBe(false);
      return wanted.flatMap(({ requestId, plain, wrapped }) => [
        ...(bytes.includes(plain) ? [`${requestId}, plain`] : []),
        ...(bytes.includes(wrapped) ? [`${requestId}, as stored`] : []),
      ]);
    };
    const asStored = (requestId: string) =>
      sealingKeys.length > 0
        ? [`${requestId}, as stored`]
        : [`${requestId}, plain`, `${requestId}, as stored`];
    try {
      const ends = ["cancel", "expire", "succeed", "fail", "bury", "purge", "wait"];
      for (const requestId of ends) {
        const input = secret();
        const expireMs = requestId === "expire" ? Date.now() + 300 : undefined;
        await store.submit(
          newJob(requestId, { input, expireMs, labels: { at: `here-${requestId}` } }),
        );
        // Wiped, or moved away.
        expect(input.bytes.length === 0 || input.bytes.every((byte) => byte === 0)).toBe(true);
        // The search finds what is there.
        expect((await folderBytes(dir)).includes(`here-${requestId}`)).toBe(true);
      }
      const { keys } = await storedKeys(path, sealingKeys);
      const key = (requestId: string) => keys.get(requestId) as StoredKey;
      expect(new Set([...keys.values()].map(({ slot }) => slot)).size).toBe(ends.length);
      for (const requestId of ends) {
        expect(await foundOf(key(requestId))).toEqual(asStored(requestId));
      }

      await store.cancel(named("cancel"));
      await new Promise((resolve) => setTimeout(resolve, 310));
      const claims = new Map<string, Claim>();
      for (let i = 0; i < 4; i++) {
        const claim = (await store.claim(PROVABLE)) as Claim;
        expect(Buffer.from(claim.input.bytes).equals(secret().bytes)).toBe(true);
        claims.set(claim.job.requestId, claim);
      }
      const lease = (requestId: string) => (claims.get(requestId) as Claim).lease;
      await store.settle(lease("succeed"), { kind: "succeeded", result: Uint8Array.of(1) });
      await store.settle(lease("fail"), failed(false));
      for (const requestId of ["bury", "purge"]) {
        await store.settle(lease(requestId), failed(true));
        await store.settle(((await store.claim(PROVABLE)) as Claim).lease, failed(true));
      }
      const states = await Promise.all(
        ends.map(async (end) => (await store.get(named(end)))?.state),
      );
      expect(states.join()).toBe("CANCELLED,EXPIRED,SUCCEEDED,FAILED,FAILED,FAILED,QUEUED");

      const left = async () => {
        // Not each sweep empties the log: it must not take all the time.
        await store.sweep();
        return foundOf(...keys.values());
      };
      // Of dead letters inputs are kept, and with them their keys.
      const kept = ["bury", "purge", "wait"].flatMap(asStored);
      await expect.poll(left, { timeout: 20_000 }).toEqual(kept);
      expect(await store.purge({ states: [], endedBeforeMs: undefined })).toBe(6);
      await expect.poll(left, { timeout: 20_000 }).toEqual(asStored("wait"));
      const claim = (await store.claim(PROVABLE)) as Claim;
      expect(claim.job.requestId).toBe("wait");
      expect(Buffer.from(claim.input.commit?.txData ?? []).equals(MARKER)).toBe(true);
    } finally {
      await store.close();
    }
  }, 60_000);
});

describe("slots for keys of inputs in SQLite", () => {
  let file: AskedFile;
  beforeEach(async () => {
    file = await new AskedFile(path, ROOMY).open();
  });
  afterEach(() => file.close());

  const bad = (requestId: string) => newJob(requestId, { circuitId: null as never });
  const requestIds = (jobs: number, from = 0) =>
    Array.from({ length: jobs }, (_, i) => `r${from + i}`);
  const submitAll = (ids: readonly string[], ...more: NewJob[]) =>
    file.askAll(
      ...[...ids.map((id) => newJob(id)), ...more].map((job) => ["submit", job] as const),
    );
  /** Each job that waits has a slot of its own, whose key opens its input. */
  const expectOpen = async (ids: readonly string[]) => {
    const { keys } = await storedKeys(path);
    expect([...keys.keys()].sort()).toEqual([...ids].sort());
    expect(new Set([...keys.values()].map(({ slot }) => slot)).size).toBe(ids.length);
    for (const id of ids) {
      expect(file.claim()?.job.requestId, id).toBe(id);
    }
  };

  it("are used again: one job after the other needs few", async () => {
    for (let i = 0; i < 100; i++) {
      file.ask("submit", newJob(`cancelled ${i}`));
      file.ask("cancel", named(`cancelled ${i}`));
      file.ask("submit", newJob(`done ${i}`));
      const lease = file.claim()?.lease as never;
      file.ask("settle", lease, { kind: "succeeded", result: Uint8Array.of(1) });
    }
    expect((await storedKeys(path)).rowCount).toBeLessThan(4);
    // Also by the next process.
    file.close();
    await file.open();
    file.ask("submit", newJob("next"));
    expect((await storedKeys(path)).rowCount).toBeLessThan(4);
    await expectOpen(["next"]);
  });

  it("that a failed transaction took are free again, and no more than they were", async () => {
    submitAll(requestIds(6));
    for (const id of requestIds(6)) file.ask("cancel", named(id));
    // Takes free slots and new ones, fails at its end, and is then done call by call.
    for (let round = 0; round < 3; round++) {
      const ids = requestIds(9, 10 + 10 * round);
      expect(submitAll(ids, bad("bad")).at(-1)).toBe("STORE_UNAVAILABLE");
      expect((await storedKeys(path)).rowCount).toBe(9);
      for (const id of ids) file.ask("cancel", named(id));
    }
    const ids = requestIds(9, 100);
    submitAll(ids);
    expect((await storedKeys(path)).rowCount).toBe(9);
    await expectOpen(ids);
  });

  it("that a failed transaction freed hold their keys, and are freed once", async () => {
    submitAll(requestIds(4));
    // Fails at its end as well.
    const answers = file.askAll(
      ["cancel", named("r0")],
      ["submit", bad("bad")],
      ["cancel", named("r1")],
      ["settle", { jobId: null as never, token: {} as never }, failed(false)],
    );
    expect(answers).toMatchObject([
      { state: "CANCELLED" },
      "STORE_UNAVAILABLE",
      { state: "CANCELLED" },
      "STORE_UNAVAILABLE",
    ]);
    const ids = requestIds(4, 10);
    submitAll(ids);
    expect((await storedKeys(path)).rowCount).toBe(6);
    await expectOpen(["r2", "r3", ...ids]);
  });
});

describe("damage to inputs in SQLite and their keys", () => {
  const change = (sql: string) => {
    const db = new DatabaseSync(path);
    expect(db.prepare(sql).run().changes).toBeGreaterThan(0);
    db.close();
  };
  const flip = (table: string, column: string, where: string, at: number) => {
    const db = new DatabaseSync(path);
    const row = db.prepare(`SELECT ${column} AS bytes FROM ${table} WHERE ${where}`).get();
    const bytes = row?.bytes as Uint8Array;
    bytes[at] = (bytes[at] as number) ^ 4;
    db.prepare(`UPDATE ${table} SET ${column} = ? WHERE ${where}`).run(bytes);
    db.close();
  };
  const DAMAGES: Record<string, [damage: () => void, damaged: number]> = {
    "a bit of the input": [() => flip("inputs", "bytes", "number = 1", 777), 1],
    "a bit of the published data": [() => flip("inputs", "tx_data", "number = 1", 20), 1],
    "a bit of the key": [() => flip("input_keys", "key", "slot = 1", 14), 1],
    "a key cut short": [() => change("UPDATE input_keys SET key = x'00' WHERE slot = 1"), 1],
    "a key of zeros": [() => change("UPDATE input_keys SET key = zeroblob(60) WHERE slot = 1"), 1],
    "a key that is missing": [() => change("DELETE FROM input_keys WHERE slot = 1"), 1],
    "a slot that is missing": [
      () => change("UPDATE jobs SET input_slot = NULL WHERE number = 1"),
      1,
    ],
    "another job's key": [() => change("UPDATE jobs SET input_slot = 2 WHERE number = 1"), 2],
    "keys of two jobs exchanged": [
      () => change("UPDATE jobs SET input_slot = 3 - input_slot WHERE number < 3"),
      2,
    ],
  };

  describe.each([
    ["plain", []],
    ["wrapped", outside],
  ] as const)("(%s)", (_, sealingKeys) => {
    it.each(Object.entries(DAMAGES))(
      "%s fails the jobs that it is about, and no later one",
      async (_name, [damage, damaged]) => {
        const file = await new AskedFile(path, ROOMY, sealingKeys).open();
        const ids = ["first", "second", "third"];
        for (const id of ids) file.ask("submit", newJob(id, { input: secret() }));
        file.close();
        damage();
        await file.open();
        // It gets a free slot, if one is thought to be free.
        file.ask("submit", newJob("fourth", { input: secret() }));
        const expected = [...ids.slice(damaged), "fourth"];
        for (const id of expected) expect(file.claim()?.job.requestId).toBe(id);
        expect(file.claim()).toBeUndefined();
        for (const id of ids.slice(0, damaged)) {
          expect(file.ask("get", named(id))).toMatchObject({
            state: "FAILED",
            failure: { reason: "INPUT_DAMAGED", retryable: false },
          });
        }
        const later = ["fifth", "sixth", "seventh"];
        for (const id of later) file.ask("submit", newJob(id, { input: secret() }));
        const { keys } = await storedKeys(path, sealingKeys);
        expect(new Set([...keys.values()].map(({ slot }) => slot)).size).toBe(keys.size);
        for (const id of later) {
          const claimed = file.claim();
          expect(claimed?.job.requestId).toBe(id);
          expect(Buffer.from(claimed?.input.bytes ?? []).equals(secret().bytes)).toBe(true);
        }
        file.close();
      },
    );
  });
});
