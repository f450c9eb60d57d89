import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import type { Claim } from "../../prover/job-store.ts";
import { InputSealer, type SealingKey } from "../../prover/stores/input-sealer.ts";
import { MIGRATIONS } from "../../prover/stores/sqlite/schema.ts";
import { SqliteStore } from "../../prover/stores/sqlite.ts";
import { AskedFile } from "./asked-file.ts";
import { LIMITS, newJob, PROVABLE } from "./job-store-contract.ts";
import { SeededRandom } from "./seeded-random.ts";
import { folderBytes } from "./stored-keys.ts";

/** A file as the first version wrote it: one job waits, one runs, one has ended. */
function firstVersion(path: string): void {
  const db = new DatabaseSync(path);
  db.exec("PRAGMA application_id = 1347250803");
  db.exec(MIGRATIONS[0] as string);
  db.exec("PRAGMA user_version = 1");
  const job = (number: number, name: string, state: string, ended: number | null) => {
    const values = {
      number,
      job_id: `id-${name}`,
      owner: "",
      request_id: name,
      circuit_id: PROVABLE[0].circuitId,
      zkey_sha256: PROVABLE[0].zkeySha256,
      input_kind: "WTNS",
      content_sha256: "content",
      priority: "NORMAL",
      place: number,
      labels: '{"block":"7"}',
      development_keys: 1,
      created_ms: 1_700_000_000_000,
      state,
      progress_percent: 0,
      attempts: state === "QUEUED" ? 0 : 1,
      cancel_requested: 0,
      ended_ms: ended,
      sequence: 1,
      input_bytes: ended === null ? 3 : 0,
    };
    const names = Object.keys(values);
    db.prepare(
      `INSERT INTO jobs (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`,
    ).run(...Object.values(values));
    if (ended !== null) return;
    db.prepare("INSERT INTO inputs VALUES (?, 'wtns', ?, '5', ?)").run(
      number,
      Uint8Array.of(1, 2, number),
      Uint8Array.of(9),
    );
  };
  job(1, "ended", "SUCCEEDED", Date.now());
  db.prepare("INSERT INTO results VALUES (1, ?)").run(Uint8Array.of(4, 5));
  job(2, "running", "RUNNING", null);
  job(3, "waiting", "QUEUED", null);
  db.close();
}

const random = new SeededRandom();

/** Of each 64 bytes the first 16. */
function partsOf(bytes: Buffer): Buffer[] {
  const count = Math.floor(bytes.length / 64);
  return Array.from({ length: count }, (_, i) => bytes.subarray(64 * i, 64 * i + 16));
}

/**
 * A file as the second version wrote it, after others have come and gone: SQLite has moved rows.
 *
 * @returns inputs of jobs that wait, by request id, but for the first, which is damaged; and all that ever were in the file, as it had them.
 */
function secondVersion(path: string, sealingKeys: readonly SealingKey[]) {
  const db = new DatabaseSync(path);
  db.exec("PRAGMA page_size = 8192; PRAGMA secure_delete = ON; PRAGMA application_id = 1347250803");
  for (const step of MIGRATIONS.slice(0, 2)) db.exec(step);
  db.exec("PRAGMA user_version = 2");
  const sealer = new InputSealer(sealingKeys);
  const waiting = new Map<string, Buffer>();
  const all: Buffer[] = [];
  for (let number = 1; number <= 120; number++) {
    const plain = randomBytes(64 + random.below(number % 6 === 0 ? 40_000 : 1_500));
    const values = {
      number,
      job_id: `id-${number}`,
      owner: "",
      request_id: `old${number}`,
      circuit_id: PROVABLE[0].circuitId,
      zkey_sha256: PROVABLE[0].zkeySha256,
      input_kind: "JSON",
      content_sha256: "content",
      priority: "NORMAL",
      place: number,
      labels: "{}",
      development_keys: 1,
      created_ms: 1_700_000_000_000,
      state: "QUEUED",
      progress_percent: 0,
      attempts: 0,
      cancel_requested: 0,
      sequence: 1,
      input_bytes: plain.length,
    };
    const { keyId, bytes } = sealer.seal(values.job_id, {
      format: "json",
      bytes: plain,
      commit: undefined,
    });
    const row = { ...values, input_key: keyId ?? null };
    const names = Object.keys(row);
    db.prepare(
      `INSERT INTO jobs (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`,
    ).run(...Object.values(row));
    db.prepare("INSERT INTO inputs VALUES (?, 'json', ?, NULL, NULL)").run(number, bytes);
    waiting.set(values.request_id, plain);
    all.push(Buffer.from(bytes));
  }
  for (let gone = 0; gone < 60; gone++) {
    const number = 2 + random.below(119);
    db.prepare("DELETE FROM jobs WHERE number = ?").run(number);
    waiting.delete(`old${number}`);
  }
  db.exec("UPDATE inputs SET bytes = x'00' WHERE number = 1");
  waiting.delete("old1");
  db.close();
  return { waiting, all };
}

describe("job store / sqlite, a file of an older release", () => {
  it("becomes one of today with all that is in it", async () => {
    const dir = await mkdtemp(join(tmpdir(), "schema-"));
    const path = join(dir, "jobs.sqlite");
    firstVersion(path);
    try {
      const store = await SqliteStore.open(path, LIMITS);
      try {
        expect(await store.get({ jobId: "id-ended" })).toMatchObject({
          state: "SUCCEEDED",
          result: Uint8Array.of(4, 5),
          labels: { block: "7" },
        });
        for (const [number, requestId, attempts] of [
          [2, "running", 2],
          [3, "waiting", 1],
        ] as const) {
          const { job, input } = (await store.claim(PROVABLE)) as Claim;
          expect(job).toMatchObject({ requestId, attempts });
          expect(input).toEqual({
            format: "wtns",
            bytes: Uint8Array.of(1, 2, number),
            commit: { newRoot: 5n, txData: Uint8Array.of(9) },
          });
        }
        expect((await store.submit(newJob("new"))).created).toBe(true);
      } finally {
        await store.close();
      }
      const file = new DatabaseSync(path);
      expect(file.prepare("PRAGMA user_version").get()).toEqual({
        user_version: MIGRATIONS.length,
      });
      file.close();
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  describe.each([
    ["plain", []],
    ["sealed", [{ id: "0123456789abcdef", bytes: new Uint8Array(randomBytes(32)) }]],
  ] as const)("with %s inputs", (_, sealingKeys) => {
    it(`seals them anew, and leaves no byte of what they were (seed ${random.seed})`, async () => {
      const dir = await mkdtemp(join(tmpdir(), "schema-"));
      const path = join(dir, "jobs.sqlite");
      const { waiting, all } = secondVersion(path, sealingKeys);
      // Parts, since what is left of one may be a part.
      const partsLeft = async () => {
        const disk = await folderBytes(dir);
        return all.flatMap((bytes, i) =>
          partsOf(bytes).some((part) => disk.includes(part)) ? [i] : [],
        );
      };
      expect((await partsLeft()).length).toBeGreaterThanOrEqual(waiting.size);
      const limits = { ...LIMITS, queueMax: 1_000, queueMaxBytes: 1e8 };
      const file = await new AskedFile(path, limits, sealingKeys).open();
      try {
        expect(await partsLeft()).toEqual([]);
        expect(file.ask("get", { jobId: "id-1" })).toMatchObject({ state: "QUEUED" });
        for (const [requestId, plain] of waiting) {
          const claimed = file.claim();
          expect(claimed?.job.requestId).toBe(requestId);
          expect(Buffer.from(claimed?.input.bytes ?? [])).toEqual(plain);
          const result = Uint8Array.of(1);
          file.ask("settle", claimed?.lease as never, { kind: "succeeded", result });
        }
        const failure = { reason: "INPUT_DAMAGED" };
        expect(file.ask("get", { jobId: "id-1" })).toMatchObject({ state: "FAILED", failure });
        expect(await partsLeft()).toEqual([]);
      } finally {
        file.close();
        await rm(dir, { recursive: true });
      }
    });
  });
});
