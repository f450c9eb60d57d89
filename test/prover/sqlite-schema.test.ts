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

/** A file as the second version wrote it, with jobs that wait. @returns their inputs, by request id */
function secondVersion(path: string, sealingKeys: readonly SealingKey[]) {
  const db = new DatabaseSync(path);
  db.exec("PRAGMA page_size = 8192; PRAGMA secure_delete = ON; PRAGMA application_id = 1347250803");
  for (const step of MIGRATIONS.slice(0, 2)) db.exec(step);
  db.exec("PRAGMA user_version = 2");
  const sealer = new InputSealer(sealingKeys);
  const inputs = new Map<string, { readonly plain: Buffer; readonly bytes: Buffer }>();
  for (let number = 1; number <= 60; number++) {
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
    inputs.set(values.request_id, { plain, bytes: Buffer.from(bytes) });
  }
  db.close();
  return inputs;
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
    it(`opens them, and leaves no byte of those whose jobs have ended (seed ${random.seed})`, async () => {
      const dir = await mkdtemp(join(tmpdir(), "schema-"));
      const path = join(dir, "jobs.sqlite");
      const stored = secondVersion(path, sealingKeys);
      // Some bytes of each: what is left of one may be a part.
      const partsLeft = async () => {
        const disk = await folderBytes(dir);
        return [...stored].flatMap(([requestId, { bytes }]) =>
          Array.from({ length: Math.floor(bytes.length / 64) }, (_, i) =>
            disk.includes(bytes.subarray(64 * i, 64 * i + 16)),
          ).some((isThere) => isThere)
            ? [requestId]
            : [],
        );
      };
      expect(await partsLeft()).toHaveLength(stored.size);
      const limits = { ...LIMITS, queueMax: 1_000, queueMaxBytes: 1e8, keepFinishedMax: 1_000 };
      const file = await new AskedFile(path, limits, sealingKeys).open();
      try {
        // New ones come and go beside them, so that rows move from page to page.
        let count = 0;
        const come = () => {
          const bytes = new Uint8Array(randomBytes(1 + random.below(3_000)));
          const input = { format: "json", bytes, commit: undefined } as const;
          file.ask("submit", newJob(`new${count++}`, { input, priority: "LOW" }));
        };
        const go = (requestId: string) => file.ask("cancel", { owner: "", requestId });
        const waiting = [...stored.keys()];
        const half = waiting.length / 2;
        while (waiting.length > 0) {
          come();
          if (random.chance(0.5)) go(`new${random.below(count)}`);
          if (waiting.length > half) {
            const claimed = file.claim();
            const requestId = claimed?.job.requestId as string;
            expect(Buffer.from(claimed?.input.bytes ?? [])).toEqual(stored.get(requestId)?.plain);
            const result = Uint8Array.of(1);
            file.ask("settle", claimed?.lease as never, { kind: "succeeded", result });
            waiting.splice(waiting.indexOf(requestId), 1);
          } else {
            const [requestId] = waiting.splice(random.below(waiting.length), 1);
            go(requestId as string);
          }
          if (waiting.length !== half) continue;
          // The next process finds some of them, too.
          file.close();
          expect((await partsLeft()).sort()).toEqual([...waiting].sort());
          await file.open();
        }
      } finally {
        file.close();
      }
      expect(await partsLeft()).toEqual([]);
    });
  });
});
