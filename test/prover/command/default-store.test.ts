import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { JobState } from "../../../gen/prover/v1/job_pb.ts";
import { ProverClient } from "../../../prover/client.ts";
import { smallCircuits } from "../small-circuits.ts";
import { productRequest } from "../test-server.ts";
import { type Service, startServiceIn } from "./run-command.ts";

describe("proofmill serve, with the preset store", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "proofmill-default-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const start = async (...nodeFlags: string[]): Promise<Service> => {
    const circuits = ["--circuits-dir", await smallCircuits(), "--circuits", "product"];
    const rest = ["--allow-dev-keys", "--threads", "1", "--log-level", "silent"];
    return startServiceIn(folder, nodeFlags, [...circuits, ...rest]);
  };

  it("keeps jobs in its folder from one run to the next, and lets one server at a time use them", async () => {
    const request = productRequest();
    const ids: (string | undefined)[] = [];
    for (let run = 0; run < 2; run++) {
      const service = await start();
      const client = new ProverClient({ address: service.address });
      try {
        const { job, created } = await client.submit(request);
        expect(created).toBe(run === 0);
        ids.push(job?.jobId);
        const reference = { requestId: request.requestId as string };
        expect((await client.wait(reference)).state).toBe(JobState.SUCCEEDED);
        await expect(start()).rejects.toThrow(/ended with 3: .*PROVER_STORE=.* another server/s);
      } finally {
        client.close();
        expect(await service.stop()).toBe(0);
      }
    }
    expect(ids[1]).toBe(ids[0]);
    expect(await readdir(folder)).toEqual(["proofmill-jobs.sqlite"]);
  });

  it("names the remedy in one line where Node has no SQLite", async () => {
    await expect(start("--no-experimental-sqlite")).rejects.toThrow(
      /^serve ended with 3: proofmill: [^\n]*Node \d[^\n]* no SQLite[^\n]*PROVER_STORE=memory[^\n]*\n$/,
    );
    expect(await readdir(folder)).toEqual([]);
  });
});
