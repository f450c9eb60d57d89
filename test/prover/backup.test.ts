import {
  copyFile,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { JobState } from "../../gen/prover/v1/job_pb.ts";
import { copyDatabase } from "../../prover/stores/sqlite/copy.ts";
import { proofmill, startService } from "./command/run-command.ts";
import { storedKeys } from "./stored-keys.ts";
import { chainRequest, jsonInput, productRequest, startTestServer } from "./test-server.ts";

/** The field's modulus is larger, and no other value in the file looks like it. */
const MARKER = "1234567890987654321234567890987654321";

let dir: string;
const inDir = (...path: string[]) => join(dir, ...path);

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "backup-"));
});
afterEach(() => rm(dir, { recursive: true }));

const startStored = (settings: Record<string, string> = {}) =>
  startTestServer({
    PROVER_STORE: `sqlite:${inDir("jobs.sqlite")}`,
    PROVER_BACKUP_DIR: inDir("copies"),
    ...settings,
  });

/** Whether the copy has the input of the job "secret", or what is left of it. */
function holdsInput(path: string): boolean {
  const db = new DatabaseSync(path, { readOnly: true });
  const sql = "SELECT 1 FROM inputs JOIN jobs USING (number) WHERE request_id = 'secret'";
  const row = db.prepare(sql).get();
  db.close();
  return row !== undefined;
}

describe("prover / copies of the job store", () => {
  it("hold every job accepted before, made while others are accepted and proved; all of them end", async () => {
    const accepted = new Map<string, string>();
    let copied: { path: string; before: ReadonlyMap<string, string> } | undefined;
    {
      await using first = await startStored({ PROVER_THREADS: "2", PROVER_QUEUE_MAX: "1000" });
      const isOver = { now: false };
      const submitters = [1, 2, 3].map(async (lane) => {
        for (let i = 0; !isOver.now; i++) {
          const requestId = `lane-${lane}-${i}`;
          // Some take long, so that a line forms.
          const request = i % 20 === 0 ? chainRequest : productRequest;
          const { job } = await first.client.submit(request({ requestId }));
          accepted.set(requestId, job?.jobId as string);
          await sleep(10);
        }
      });
      for (let round = 0; round < 3; round++) {
        const count = accepted.size;
        while (accepted.size < count + 20) await sleep(5);
        const before = new Map(accepted);
        const { path, sizeBytes } = await first.admin.backup();
        expect(Number(sizeBytes)).toBe((await stat(path)).size);
        copied = { path, before };
      }
      isOver.now = true;
      await Promise.all(submitters);
    }
    if (copied === undefined) throw new Error("no copy");
    expect((await stat(copied.path)).mode & 0o777).toBe(0o600);
    const database = new DatabaseSync(copied.path, { readOnly: true });
    expect(database.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
    database.close();

    await copyFile(copied.path, inDir("restored.sqlite"));
    await using second = await startStored({
      PROVER_STORE: `sqlite:${inDir("restored.sqlite")}`,
      PROVER_THREADS: "2",
    });
    for (const [requestId, jobId] of copied.before) {
      const job = await second.client.wait({ requestId });
      expect(job.jobId, requestId).toBe(jobId);
      expect(job.state, `${requestId}: ${job.failure?.message}`).toBe(JobState.SUCCEEDED);
    }
    // An id keeps its meaning over the restoration.
    const [requestId] = copied.before.keys();
    const other = productRequest({ requestId: requestId as string, input: jsonInput({ a: 1 }) });
    await expect(second.client.submit(other)).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
  });

  it("hold keys to inputs of jobs that wait, and none to those of jobs that have ended", async () => {
    await using server = await startStored();
    const secret = productRequest({
      requestId: "secret",
      input: jsonInput({ a: MARKER, b: "1", product: [MARKER] }),
    });
    // The one thread is busy meanwhile.
    await server.client.submit(chainRequest({ requestId: "first" }));
    await server.client.submit(secret);
    const { path: before } = await server.admin.backup();
    const key = (await storedKeys(before)).keys.get("secret")?.plain as Buffer;
    expect((await readFile(before)).includes(key)).toBe(true);
    expect(holdsInput(before)).toBe(true);
    expect((await server.client.wait({ requestId: "secret" })).state).toBe(JobState.SUCCEEDED);
    const { path } = await server.admin.backup();
    expect((await readFile(path)).includes(key)).toBe(false);
    expect(holdsInput(path)).toBe(false);
    // Its public signal is the marker too, as 32 bytes; the input's text is what nobody may read.
    for (const copy of [before, path]) expect((await readFile(copy)).includes(MARKER)).toBe(false);
  });

  it("are kept by number, the newest, and what else is in the folder stays", async () => {
    await using server = await startStored({ PROVER_BACKUP_KEEP: "2" });
    const paths: string[] = [];
    paths.push((await server.admin.backup()).path);
    await writeFile(inDir("copies", "jobs-of-mine.sqlite"), "");
    for (let i = 0; i < 3; i++) paths.push((await server.admin.backup()).path);
    const kept = [...paths.slice(-2).map((path) => basename(path)), "jobs-of-mine.sqlite"];
    expect((await readdir(inDir("copies"))).sort()).toEqual(kept.sort());
  });

  it("take away what a process left that ended while it wrote one", async () => {
    await using server = await startStored();
    const { path } = await server.admin.backup();
    const left = "jobs-20260101T000000.000Z.sqlite.part";
    for (const name of [left, `${left}-journal`]) await writeFile(inDir("copies", name), MARKER);
    const { path: next } = await server.admin.backup();
    expect((await readdir(inDir("copies"))).sort()).toEqual([path, next].map((p) => basename(p)));
  });

  it("stay if they are the newest, although the clock was set back", async () => {
    await using server = await startStored({ PROVER_BACKUP_KEEP: "1" });
    const { path: first } = await server.admin.backup();
    await rename(first, inDir("copies", "jobs-29990101T000000.000Z.sqlite"));
    const { path } = await server.admin.backup();
    expect(await readdir(inDir("copies"))).toEqual([basename(path)]);
  });

  it("asked for at once are one, after the one that is being written", async () => {
    await using server = await startStored();
    const asked = await Promise.all([1, 2, 3].map(() => server.admin.backup()));
    const paths = new Set(asked.map(({ path }) => path));
    expect(paths.size).toBeLessThanOrEqual(2);
    expect((await readdir(inDir("copies"))).length).toBe(paths.size);
  });

  it("are refused without a folder, and of a store that is no file", async () => {
    const refused = { code: "FAILED_PRECONDITION", reason: "BACKUP_REFUSED" };
    await using nowhere = await startStored({ PROVER_BACKUP_DIR: "" });
    await expect(nowhere.admin.backup()).rejects.toMatchObject(refused);
    await using memory = await startStored({ PROVER_STORE: "memory" });
    await expect(memory.admin.backup()).rejects.toMatchObject(refused);
  });

  it("that cannot be written leave nothing behind, and the service works on", async () => {
    await writeFile(inDir("copies"), "a file where the folder should be");
    await using server = await startStored();
    await expect(server.admin.backup()).rejects.toMatchObject({
      code: "UNAVAILABLE",
      reason: "STORE_UNAVAILABLE",
    });
    expect((await readdir(dir)).filter((name) => name.includes(".part"))).toEqual([]);
    const { job } = await server.client.submit(productRequest());
    expect((await server.client.wait({ jobId: job?.jobId as string })).state).toBe(
      JobState.SUCCEEDED,
    );
  });
});

describe("prover / copying a database", () => {
  it("follows no link, and writes into no file that is there", async () => {
    const database = new DatabaseSync(inDir("source.sqlite"));
    await writeFile(inDir("target"), "mine");
    await symlink(inDir("target"), inDir("copy.sqlite.part"));
    await expect(copyDatabase(database, inDir("copy.sqlite"))).rejects.toMatchObject({
      code: "EEXIST",
    });
    expect(await readFile(inDir("target"), "utf8")).toBe("mine");
    database.close();
  });

  it("waits for a transaction under way, and has it then", async () => {
    const database = new DatabaseSync(inDir("source.sqlite"));
    database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL");
    database.exec("CREATE TABLE numbers (n INTEGER); BEGIN IMMEDIATE");
    database.exec("INSERT INTO numbers VALUES (1)");
    const copied = copyDatabase(database, inDir("copy.sqlite"));
    await sleep(50);
    database.exec("INSERT INTO numbers VALUES (2); COMMIT");
    await copied;
    database.close();
    const copy = new DatabaseSync(inDir("copy.sqlite"));
    expect(copy.prepare("SELECT sum(n) AS sum FROM numbers").get()).toEqual({ sum: 3 });
    copy.close();
  });
});

describe("proofmill backup", () => {
  it("prints the file that the service has written, and says why it has not", async () => {
    const service = await startService(
      ...["--circuits", "batch-tiny", "--allow-dev-keys", "--threads", "1"],
      ...["--store", `sqlite:${inDir("jobs.sqlite")}`, "--backup-dir", inDir("copies")],
    );
    try {
      const made = await proofmill("backup", "--server", service.adminAddress);
      expect(made).toMatchObject({ code: 0, stderr: "" });
      expect(made.stdout.startsWith(inDir("copies", "jobs-"))).toBe(true);
      expect((await stat(made.stdout.trim())).size).toBeGreaterThan(0);
    } finally {
      expect(await service.stop()).toBe(0);
    }
    expect((await proofmill("backup", "--server", service.adminAddress)).code).toBe(4);
  });
});
