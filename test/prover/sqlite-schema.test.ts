import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import type { Claim } from "../../prover/job-store.ts";
import { MIGRATIONS } from "../../prover/stores/sqlite/schema.ts";
import { SqliteStore } from "../../prover/stores/sqlite.ts";
import { LIMITS, newJob, PROVABLE } from "./job-store-contract.ts";

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
});
