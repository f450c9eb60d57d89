// What PostgreSQL adds to a job store: several processes on it, going away, secrets, size.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { parseConfig } from "../../prover/config.ts";
import { ProverError } from "../../prover/errors.ts";
import type { JobEvent } from "../../prover/job.ts";
import type { SealingKey } from "../../prover/stores/input-sealer.ts";
import { openStore } from "../../prover/stores/open.ts";
import { addressOf } from "../../prover/stores/postgres/address.ts";
import { Database } from "../../prover/stores/postgres/database.ts";
import { prepareSchema } from "../../prover/stores/postgres/schema.ts";
import * as sql from "../../prover/stores/postgres/statements.ts";
import { type PostgresDependencies, PostgresStore } from "../../prover/stores/postgres/store.ts";
import type { StoreLimits } from "../../prover/stores/transition.ts";
import { LIMITS, newJob, PROVABLE } from "./job-store-contract.ts";
import { announceSkip, type Cluster, startCluster, whyNoPostgres } from "./postgres-cluster.ts";

announceSkip("a PostgreSQL store that is shared, away, or large");

const NEVER = new AbortController().signal;
const LOOSE = {
  ...LIMITS,
  queueMax: 100_000,
  queueMaxBytes: 2 ** 30,
  keepFinishedMax: 1_000_000,
  leaseMs: 60_000,
};
const RESULT = Uint8Array.of(4, 5, 6);

describe.skipIf(whyNoPostgres)("job store / postgres, shared", () => {
  let cluster: Cluster;
  let schema = "";
  let schemas = 0;
  const opened: PostgresStore[] = [];
  const open = async (dependencies: PostgresDependencies = {}, limits: StoreLimits = LOOSE) => {
    const store = await PostgresStore.open(
      addressOf(cluster.url(schema), ""),
      limits,
      dependencies,
    );
    opened.push(store);
    return store;
  };
  /** A schema of its own, and stores on it as of so many processes. */
  const stores = async (count: number) => {
    schema = `shared_${++schemas}`;
    return Promise.all(Array.from({ length: count }, () => open()));
  };
  /** A connection that knows nothing of the store. */
  const psql = async <T>(work: (client: Client) => Promise<T>): Promise<T> => {
    const { client: options } = addressOf(cluster.url(schema), "");
    const client = new Client({ ...options, options: `-c search_path=${schema}` } as never);
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  };

  beforeAll(async () => {
    cluster = await startCluster();
  });
  afterAll(async () => {
    await Promise.all(opened.map((store) => store.close()));
    await cluster.close();
  });

  it("makes its tables once, however many processes start at once", async () => {
    const all = await stores(8);
    for (const [i, store] of all.entries()) await store.submit(newJob(`r${i}`));
    expect((await all[0]?.stats())?.queuedCount).toBe(8);
  });

  it("refuses tables of a newer release, and leaves them alone", async () => {
    await stores(1);
    await psql((client) => client.query("UPDATE schema_version SET version = 99"));
    await expect(open()).rejects.toThrow(`schema ${schema} has version 99`);
    await psql(async (client) => {
      await expect(prepareSchema(client, schema)).rejects.toThrow("a newer release made it");
    });
  });

  it("makes one job of the same request from two processes at once", async () => {
    const [a, b] = (await stores(2)) as [PostgresStore, PostgresStore];
    for (let round = 0; round < 20; round++) {
      const both = await Promise.all([a, b].map((store) => store.submit(newJob(`r${round}`))));
      expect(both.filter(({ created }) => created)).toHaveLength(1);
      expect(both[0]?.job.jobId).toBe(both[1]?.job.jobId);
    }
    await expect(b.submit(newJob("r0", { contentSha256: "other" }))).rejects.toMatchObject({
      code: "REQUEST_ID_REUSED",
    });
  });

  it("gives each job to one of many processes, in the order of one line", async () => {
    const all = await stores(4);
    for (let i = 0; i < 40; i++) await all[0]?.submit(newJob(`r${i}`));
    const claims = await Promise.all(
      Array.from({ length: 40 }, (_, i) => all[i % 4]?.claim(PROVABLE)),
    );
    const ids = claims.flatMap((claim) => claim?.job.jobId ?? []);
    expect(new Set(ids).size).toBe(ids.length);
    // All of the first, if not all: a claim that meets 32 others' hands comes back later.
    for (let i = ids.length; i < 40; i++)
      ids.push((await all[0]?.claim(PROVABLE))?.job.jobId ?? "");
    expect(new Set(ids).size).toBe(40);
    expect(await all[0]?.claim(PROVABLE)).toBeUndefined();
  });

  it("tells watchers in other processes of each change, and of work", async () => {
    const [api, worker] = (await stores(2)) as [PostgresStore, PostgresStore];
    const woken = new Promise<void>((resolve) => worker.onWork(resolve));
    const { job } = await api.submit(newJob("r"));
    await woken;
    const seen = collect(api.events({ jobId: job.jobId }, 0, NEVER));
    const claim = await worker.claim(PROVABLE);
    await worker.heartbeat(claim?.lease as never, "PROVING", 50);
    await worker.settle(claim?.lease as never, { kind: "succeeded", result: RESULT });
    const events = await seen;
    expect(events.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4]);
    expect(events.at(-1)?.job).toMatchObject({ state: "SUCCEEDED", result: RESULT });
  });

  it("tells of changes although every notice of them is lost", async () => {
    const [store] = (await stores(1)) as [PostgresStore];
    const { job } = await store.submit(newJob("r"));
    const seen = collect(store.events({ jobId: job.jobId }, 0, NEVER));
    // As another process would, whose NOTIFY does not arrive.
    await psql((client) =>
      client.query(
        "UPDATE jobs SET state = 'CANCELLED', ended_ms = 1, sequence = sequence + 1 WHERE job_id = $1",
        [job.jobId],
      ),
    );
    expect((await seen).map(({ job: { state } }) => state)).toEqual(["QUEUED", "CANCELLED"]);
  });

  it("ends a watch of a job that another process forgets", async () => {
    const [a, b] = (await stores(2)) as [PostgresStore, PostgresStore];
    const { job } = await a.submit(newJob("r"));
    await a.cancel({ jobId: job.jobId });
    const watch = a.events({ jobId: job.jobId }, 1, NEVER)[Symbol.asyncIterator]();
    await watch.next();
    const waiting = await a.submit(newJob("other"));
    const other = collect(a.events({ jobId: waiting.job.jobId }, 0, NEVER));
    await psql((client) => client.query("DELETE FROM jobs WHERE request_id = 'other'"));
    await expect(other).rejects.toMatchObject({ code: "JOB_UNKNOWN" });
    expect(await b.purge({ states: [], endedBeforeMs: undefined })).toBe(1);
  });

  it("stops a job that runs in another process when it is cancelled", async () => {
    const [api, worker] = (await stores(2)) as [PostgresStore, PostgresStore];
    const { job } = await api.submit(newJob("r"));
    const claim = await worker.claim(PROVABLE);
    await api.cancel({ jobId: job.jobId });
    await expect.poll(() => claim?.revoked.reason).toBe("cancelled");
    await worker.settle(claim?.lease as never, { kind: "succeeded", result: RESULT });
    expect((await api.get({ jobId: job.jobId }))?.state).toBe("CANCELLED");
  });

  it("stops it at the next heartbeat if the notice is lost", async () => {
    const [worker] = (await stores(1)) as [PostgresStore];
    await worker.submit(newJob("r"));
    const claim = await worker.claim(PROVABLE);
    await psql((client) =>
      client.query("UPDATE jobs SET cancel_requested = true, sequence = sequence + 1"),
    );
    expect(claim?.revoked.aborted).toBe(false);
    expect(await worker.heartbeat(claim?.lease as never, "PROVING", 1)).toBe(true);
    expect(claim?.revoked.reason).toBe("cancelled");
  });

  it("goes by the database's clock: a process whose own is wrong takes no lease away", async () => {
    const [right, wrong] = (await stores(2)) as [PostgresStore, PostgresStore];
    const { job } = await right.submit(newJob("r", { expireMs: Date.now() + 600_000 }));
    const claim = await right.claim(PROVABLE);
    const hour = vi.spyOn(Date, "now").mockReturnValue(Date.now() + 3_600_000);
    try {
      await wrong.sweep();
      expect(await wrong.get({ jobId: job.jobId })).toMatchObject({ state: "RUNNING" });
      expect(await right.heartbeat(claim?.lease as never, "PROVING", 1)).toBe(true);
      expect(claim?.revoked.aborted).toBe(false);
    } finally {
      hour.mockRestore();
    }
  });

  it("fails calls while the database is away, and goes on by itself when it is back", async () => {
    const [store] = (await stores(1)) as [PostgresStore];
    const { job } = await store.submit(newJob("running"));
    const claim = await store.claim(PROVABLE);
    await cluster.stop("immediate");
    const away = { code: "STORE_UNAVAILABLE" };
    await expect(store.submit(newJob("r"))).rejects.toMatchObject(away);
    await expect(store.get({ jobId: job.jobId })).rejects.toMatchObject(away);
    await expect(store.claim(PROVABLE)).rejects.toMatchObject(away);
    await expect(store.heartbeat(claim?.lease as never, "PROVING", 1)).rejects.toMatchObject(away);
    await expect(store.sweep()).rejects.toMatchObject(away);
    await expect(store.stats()).rejects.toMatchObject(away);
    await cluster.start();
    expect((await store.submit(newJob("r"))).created).toBe(true);
    expect(await store.heartbeat(claim?.lease as never, "PROVING", 2)).toBe(true);
    const settled = await store.settle(claim?.lease as never, {
      kind: "succeeded",
      result: RESULT,
    });
    expect(settled).toMatchObject({ state: "SUCCEEDED", attempts: 1 });
    const seen = await collect(store.events({ jobId: job.jobId }, 1, NEVER));
    expect(seen.at(-1)?.job.state).toBe("SUCCEEDED");
  });

  it("gives back a job whose claim was made although its answer was lost, at no attempt's cost", async () => {
    const [store] = (await stores(1)) as [PostgresStore];
    const { job } = await store.submit(newJob("r"));
    const query = Database.prototype.query;
    const lossy = vi.spyOn(Database.prototype, "query").mockImplementationOnce(async function (
      this: Database,
      ...call
    ) {
      await query.apply(this, call);
      throw new ProverError("STORE_UNAVAILABLE", "the connection broke");
    });
    await expect(store.claim(PROVABLE)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    lossy.mockRestore();
    expect(await store.get({ jobId: job.jobId })).toMatchObject({ state: "RUNNING", attempts: 1 });
    await store.sweep();
    expect(await store.get({ jobId: job.jobId })).toMatchObject({ state: "QUEUED", attempts: 0 });
    expect((await store.claim(PROVABLE))?.job.jobId).toBe(job.jobId);
  });

  describe("a dead letter that is put back into the line", () => {
    const hoarding = { ...LOOSE, keepDeadMs: 600_000, keepFinishedMs: 600_000 };
    const deadLetter = async (store: PostgresStore) => {
      const { job } = await store.submit(newJob("r"));
      const failure = { reason: "WORKER_LOST", message: "", retryable: true };
      for (let attempt = 0; attempt < LOOSE.attemptsMax; attempt++) {
        const claim = await store.claim(PROVABLE);
        await store.settle(claim?.lease as never, { kind: "failed", failure });
      }
      return job;
    };
    const rowOf = async (client: Client, jobId: string) =>
      (await client.query("SELECT * FROM jobs WHERE job_id = $1", [jobId])).rows[0];

    it.each([
      [
        "purges",
        (store: PostgresStore) => store.purge({ states: [], endedBeforeMs: undefined }),
        {},
      ],
      ["forgets", (store: PostgresStore) => store.sweep(), { keepFinishedMs: 0 }],
      ["buries", (store: PostgresStore) => store.sweep(), { keepDeadMs: 0 }],
    ])("stays with its input although another process %s it meanwhile", async (_, act, limits) => {
      await stores(0);
      const store = await open({}, hoarding);
      const other = await open({}, { ...hoarding, ...limits });
      const { jobId } = await deadLetter(store);
      await psql(async (client) => {
        const { number, sequence } = await rowOf(client, jobId);
        await client.query("BEGIN");
        const again = [number, sequence, "QUEUED", 0, false, null, false, false, false, true];
        const { rowCount } = await client.query(sql.CHANGE.text, [null, ...again, null, false]);
        expect(rowCount).toBe(1);
        const acting = act(other);
        await expect
          .poll(() =>
            psql(
              async (look) => (await look.query("SELECT FROM pg_locks WHERE NOT granted")).rowCount,
            ),
          )
          .toBeGreaterThan(0);
        await client.query("COMMIT");
        await acting;
      });
      const claim = await store.claim(PROVABLE);
      expect(claim).toMatchObject({ job: { jobId, attempts: 1 } });
      expect(claim?.input.bytes.length).toBeGreaterThan(0);
    });

    it("is refused if it has lost its input since it was read", async () => {
      await stores(0);
      const store = await open({}, hoarding);
      const { jobId } = await deadLetter(store);
      const query = Database.prototype.query;
      const between = vi.spyOn(Database.prototype, "query").mockImplementation(async function (
        this: Database,
        statement,
        values,
      ) {
        if (statement.name === sql.CHANGE.name) {
          between.mockRestore();
          const buried = await psql((client) => client.query(sql.BURY.text, [null, -1, 0]));
          expect(buried.rowCount).toBe(1);
        }
        return (await query.call(this, statement, values)) as never;
      });
      await expect(store.retry({ jobId })).rejects.toMatchObject({ code: "JOB_NOT_RETRYABLE" });
      expect(await store.get({ jobId })).toMatchObject({ state: "FAILED" });
    });
  });

  it("shows a job as it stands to a watcher whose events the database has lost, and goes on", async () => {
    const [store] = (await stores(1)) as [PostgresStore];
    const { job } = await store.submit(newJob("r"));
    const { lease } = (await store.claim(PROVABLE)) as never as { lease: never };
    for (const percent of [1, 2, 3, 4]) await store.heartbeat(lease, "PROVING", percent);
    const seen: number[] = [];
    const watching = (async () => {
      for await (const event of store.events({ jobId: job.jobId }, 2, NEVER)) {
        seen.push(event.sequence);
      }
    })();
    await expect.poll(() => seen).toEqual([3, 4, 5, 6]);
    await psql(async (client) => {
      await client.query("DELETE FROM events WHERE sequence > 2");
      await client.query("UPDATE jobs SET sequence = 3, stage = NULL, progress_percent = 0");
    });
    await store.settle(lease, { kind: "succeeded", result: RESULT });
    await watching;
    expect(seen.at(-1)).toBe(4);
  });

  it("keeps no input of a job that has ended, and no copy elsewhere", async () => {
    const [store] = (await stores(1)) as [PostgresStore];
    const marker = "witness-of-somebody";
    const ends = ["succeeded", "failed", "cancelled", "expired"] as const;
    for (const end of ends) {
      const bytes = Buffer.from(`${marker} ${end}`);
      const expireMs = end === "expired" ? 1 : undefined;
      const input = { format: "json" as const, bytes: new Uint8Array(bytes), commit: undefined };
      const { job } = await store.submit(newJob(end, { input, expireMs }));
      expect(Buffer.from(input.bytes).toString(), "wiped").not.toContain(marker);
      if (end === "cancelled") await store.cancel({ jobId: job.jobId });
      if (end === "expired") await store.sweep();
      const claim = await store.claim(PROVABLE);
      if (claim === undefined) continue;
      const failure = { reason: "INPUT_MALFORMED", message: "", retryable: false };
      await store.settle(
        claim.lease,
        end === "failed" ? { kind: "failed", failure } : { kind: "succeeded", result: RESULT },
      );
    }
    const everything = await psql(async (client) => {
      const { rows } = await client.query(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = $1",
        [schema],
      );
      const texts: string[] = [];
      for (const { table_name } of rows) {
        texts.push(JSON.stringify((await client.query(`SELECT * FROM ${table_name}`)).rows));
      }
      return texts.join("\n");
    });
    expect(everything).toContain("SUCCEEDED");
    expect(everything).not.toContain(marker);
    expect(everything).not.toContain(Buffer.from(marker).toString("hex"));
    expect(everything).not.toContain(JSON.stringify([...Buffer.from(marker)]).slice(1, -1));
  });

  it("writes sealed inputs only, if it has a key, and refuses to start without it", async () => {
    schema = `shared_${++schemas}`;
    const keys = [{ id: "0123456789abcdef", bytes: new Uint8Array(32).fill(7) }];
    const store = await open({ keys });
    const marker = "sealed-witness-of-somebody";
    const input = { format: "json" as const, bytes: Buffer.from(marker), commit: undefined };
    await store.submit(newJob("r", { input: { ...input, bytes: new Uint8Array(input.bytes) } }));
    await psql((client) => client.query("CHECKPOINT"));
    expect(filesOf(join(cluster.dir, "data")).some((bytes) => bytes.includes("shared_1"))).toBe(
      true,
    );
    expect(filesOf(join(cluster.dir, "data")).some((bytes) => bytes.includes(marker))).toBe(false);
    await expect(open()).rejects.toMatchObject({ code: "STORE_KEY_REFUSED" });
    const claim = await (await open({ keys })).claim(PROVABLE);
    expect(Buffer.from(claim?.input.bytes ?? []).toString()).toBe(marker);
  });

  it("leaves jobs to others that were sealed with a key which it lacks, and says so", async () => {
    schema = `shared_${++schemas}`;
    const [older, newer] = [1, 2].map((byte) => ({
      id: `${byte}`.repeat(16),
      bytes: new Uint8Array(32).fill(byte),
    })) as [SealingKey, SealingKey];
    const behind = await open({ keys: [older] });
    const ahead = await open({ keys: [newer, older] });
    const { job } = await ahead.submit(newJob("newer"));
    await behind.submit(newJob("older"));
    expect((await behind.claim(PROVABLE))?.job.requestId).toBe("older");
    let wakes = 0;
    behind.onWork(() => wakes++);
    // News of the two submissions may still come, but a claim that was refused makes none: its own
    // would be an endless loop.
    const claims = 20;
    for (let i = 0; i < claims; i++) {
      await expect(behind.claim(PROVABLE)).rejects.toMatchObject({ code: "STORE_KEY_REFUSED" });
    }
    expect(wakes).toBeLessThan(claims / 2);
    expect(await ahead.get({ jobId: job.jobId })).toMatchObject({ state: "QUEUED", sequence: 1 });
    expect((await ahead.claim(PROVABLE))?.job.requestId).toBe("newer");
  });

  it("answers in a time that does not grow with the jobs that there are", async () => {
    const [store] = (await stores(1)) as [PostgresStore];
    await store.submit(newJob("first"));
    const { job } = await store.submit(newJob("second"));
    const pagesOfFew = await psql((client) => pagesRead(client, job.jobId));
    await psql((client) => client.query(MANY));
    await store.submit(newJob("last"));
    expect((await store.stats()).queuedCount).toBe(10_003);
    const pagesOfMany = await psql((client) => pagesRead(client, job.jobId));
    for (const [name, pages] of Object.entries(pagesOfMany)) {
      // Deeper indexes: some pages more, where reading all would be thousands.
      expect(pages, `${name}: ${pagesOfFew[name]} pages among few jobs`).toBeLessThan(
        (pagesOfFew[name] ?? 0) + 60,
      );
    }
  }, 240_000);

  it("is counted by one query for an autoscaler", async () => {
    const [store] = (await stores(1)) as [PostgresStore];
    for (const id of ["a", "b", "c"]) await store.submit(newJob(id));
    await store.claim(PROVABLE);
    await store.cancel({ owner: "", requestId: "b" });
    const { rows } = await psql((client) => client.query(AUTOSCALER));
    expect(Number(rows[0]?.count)).toBe(2);
  });

  it("shows no password in any error", async () => {
    const secret = "hunter2-of-the-database";
    for (const url of [
      `postgres://me:${secret}@127.0.0.1:1/db`,
      `postgres://me:${secret}@127.0.0.1:1/db?sslmode=verify-full`,
    ]) {
      const error = await openStore(url as never, LIMITS).catch((caught: Error) => caught);
      expect(error).toMatchObject({ code: "STORE_UNAVAILABLE" });
      expect(String((error as Error).stack)).not.toContain(secret);
    }
  });
});

describe("PROVER_STORE=postgres://...", () => {
  const secret = "hunter2-of-the-database";

  it("is refused with what is wrong of it, and without what is secret in it", () => {
    for (const [url, rule] of [
      [`postgres://me:${secret}@host/db?sslmode=require`, "sslmode to be one of"],
      [`postgres://me:${secret}@host/db?sslmode=verify-ca`, "sslrootcert"],
      [`postgres://me:${secret}@host/db?password=${secret}`, "parameters of"],
      [`postgres://me:${secret}%@host/db`, "special characters"],
      [`postgres:me:${secret}@host/db`, "begins with postgres://"],
      [`postgres://me:${secret}@host/db?schema=Robert'); DROP`, "a schema of"],
    ] as const) {
      let message = "";
      try {
        parseConfig({ PROVER_STORE: url });
      } catch (error) {
        message = (error as Error).message;
      }
      expect(message, url).toContain(rule);
      expect(message, url).not.toContain(secret);
    }
  });

  it("means TLS with a server that proves who it is, unless the database is on this machine", () => {
    const ssl = (url: string) => addressOf(url, "").client.ssl;
    expect(ssl("postgres://me@db.example/jobs")).toMatchObject({ rejectUnauthorized: true });
    expect(ssl("postgres://me@db.example/jobs?sslmode=disable")).toBe(false);
    expect(ssl("postgres://me@127.0.0.1/jobs")).toBe(false);
    expect(ssl("postgres://me@/jobs?host=%2Frun%2Fpostgresql")).toBe(false);
    expect(ssl("postgres://me@127.0.0.1.example/jobs")).not.toBe(false);
  });
});

/** As docs/several-machines.md has it. */
const AUTOSCALER = "SELECT coalesce(sum(queued_count + running_count), 0) AS count FROM job_load";

/** 100,000 ended jobs and 10,000 waiting ones. */
const MANY = `
  INSERT INTO jobs (job_id, owner, request_id, circuit_id, zkey_sha256, input_kind, content_sha256,
    priority, place, labels, development_keys, created_ms, changed_ms, state, progress_percent,
    attempts, cancel_requested, ended_ms, sequence, input_bytes)
  SELECT 'job ' || i, '', 'many ' || i, 'c', repeat('c0', 32), 'JSON', 'content',
    'NORMAL', nextval('place_normal'), '{}', true, i, i,
    CASE WHEN i > 100000 THEN 'QUEUED' ELSE 'SUCCEEDED' END, 0, 1, false,
    CASE WHEN i > 100000 THEN NULL ELSE i END, 1, 8
  FROM generate_series(1, 110000) AS i;
  ANALYZE jobs;`;

/** Pages that each statement of a job's life touches. */
async function pagesRead(client: Client, jobId: string): Promise<Record<string, number>> {
  const lease = [PROVABLE.map(({ circuitId }) => circuitId), PROVABLE.map((c) => c.zkeySha256)];
  const statements = {
    claim: [sql.CLAIM, [null, ...lease, "token", 1_000, []]],
    "get by job id": [sql.BY_JOB_ID, [jobId]],
    "get by request id": [sql.BY_REQUEST_ID, ["", "second"]],
    position: [sql.POSITION, [jobId]],
    stats: [sql.LOAD, []],
    "oldest waiting": [sql.OLDEST, []],
    "what is due": [sql.IS_DUE, [null, 9e12, 9e12, 1_000_000, 9e12]],
    events: [sql.EVENTS, [1, 0]],
  } as const;
  const pages: Record<string, number> = {};
  await client.query(`SET plan_cache_mode = force_generic_plan`);
  // Sums of what came in one go are made by the next sweep.
  await client.query(sql.FOLD.text);
  await client.query("VACUUM ANALYZE load_changes");
  for (const [name, [{ text }, values]] of Object.entries(statements)) {
    await client.query("BEGIN");
    const explained = {
      text: `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`,
      values: [...values],
    };
    const { rows } = await client.query(explained as never);
    await client.query("ROLLBACK");
    const { Plan: plan } = rows[0]["QUERY PLAN"][0];
    pages[name] = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"];
  }
  return pages;
}

function filesOf(dir: string): Buffer[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    return entry.isDirectory() ? filesOf(path) : entry.isFile() ? [readFileSync(path)] : [];
  });
}

async function collect(events: AsyncIterable<JobEvent>): Promise<JobEvent[]> {
  const all: JobEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}
