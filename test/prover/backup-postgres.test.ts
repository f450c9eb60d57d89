import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { JobState } from "../../gen/prover/v1/job_pb.ts";
import { announceSkip, type Cluster, startCluster, whyNoPostgres } from "./postgres-cluster.ts";
import { chainRequest, productRequest, startTestServer } from "./test-server.ts";

announceSkip("copies of jobs in PostgreSQL");

describe.skipIf(whyNoPostgres)("prover / copies of jobs in PostgreSQL", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster();
  });
  afterAll(() => cluster.close());

  it("made by pg_dump while jobs are proved hold all that were accepted, and all of them end", async () => {
    const tool = (program: string, ...words: string[]) =>
      promisify(execFile)(program, ["--host", cluster.dir, "--username", "postgres", ...words]);
    const file = join(cluster.dir, "jobs.dump");
    const accepted = new Map<string, string>();
    {
      await using first = await startTestServer({ PROVER_STORE: cluster.url("jobs") });
      for (let i = 0; i < 12; i++) {
        const request = i % 4 === 0 ? chainRequest : productRequest;
        const { job } = await first.client.submit(request({ requestId: `dumped-${i}` }));
        accepted.set(`dumped-${i}`, job?.jobId as string);
      }
      await tool("pg_dump", "--format=custom", "--schema=jobs", "--file", file, "postgres");
    }
    await tool("createdb", "restored");
    await tool("pg_restore", "--dbname", "restored", file);
    const url = cluster.url("jobs").replace("/postgres?", "/restored?");
    // Leases of the first server run out here: its end was after the dump.
    await using second = await startTestServer({
      PROVER_STORE: url,
      PROVER_LEASE_MS: "3000",
      PROVER_ATTEMPTS_MAX: "3",
    });
    for (const [requestId, jobId] of accepted) {
      const job = await second.client.wait({ requestId });
      expect(job, requestId).toMatchObject({ jobId, state: JobState.SUCCEEDED });
    }
  });
});
