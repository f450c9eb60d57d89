import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { JobState } from "../../gen/prover/v1/job_pb.ts";
import { productRequest, startTestServer } from "./test-server.ts";

/** How many threads of this process have that niceness. */
function threadsWith(niceness: number): number {
  const stats = readdirSync("/proc/self/task").flatMap((thread) => {
    try {
      return [readFileSync(`/proc/self/task/${thread}/stat`, "utf8")];
    } catch {
      // It has ended since.
      return [];
    }
  });
  // proc(5): the name, which may hold anything, then the fields from the third on; nice is the 19th.
  return stats.filter((stat) => {
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(fields[19 - 3]) === niceness;
  }).length;
}

describe.skipIf(process.platform !== "linux")("prover / priority", () => {
  it("is lower for threads that prove, also for those that replace others, and for no others", async () => {
    await using under = await startTestServer({ PROVER_THREADS: "2", PROVER_NICE: "7" });
    expect(threadsWith(7)).toBe(2);
    await under.server.pool.slots[0]?.end();
    await under.server.pool.slots[1]?.end();
    expect(threadsWith(7)).toBe(0);
    const jobs = await Promise.all([1, 2].map(() => under.client.prove(productRequest())));
    expect(jobs.map(({ state }) => state)).toEqual([JobState.SUCCEEDED, JobState.SUCCEEDED]);
    expect(threadsWith(7)).toBeGreaterThan(0);
  });

  it("stays as it is when that is asked for", async () => {
    const before = threadsWith(0);
    await using under = await startTestServer({ PROVER_NICE: "0" });
    expect((await under.client.prove(productRequest())).state).toBe(JobState.SUCCEEDED);
    expect(threadsWith(0)).toBeGreaterThan(before);
  });
});
