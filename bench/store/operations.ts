/** What each operation of a store takes, one at a time. */
import type { JobFilter, JobStore } from "../../prover/job-store.ts";
import { type Percentiles, percentilesOf } from "./result.ts";
import { CIRCUIT, RESULT_BYTES, sampleJob } from "./sample-jobs.ts";

const ALL: JobFilter = { owner: undefined, states: [], circuitId: undefined, labels: {} };
const INPUT_BYTES = 1_000;

/**
 * @param from  number of the first job that is not in the store.
 * @returns by operation; jobs that were made have ended.
 */
export async function timeOperations(
  store: JobStore,
  samples: number,
  from: number,
): Promise<Map<string, Percentiles>> {
  const times = new Map<string, number[]>();
  const timed = async <T>(operation: string, work: () => Promise<T>): Promise<T> => {
    const startMs = performance.now();
    const result = await work();
    times.set(operation, [...(times.get(operation) ?? []), performance.now() - startMs]);
    return result;
  };
  const list = (name: string, filter: Partial<JobFilter>) =>
    timed(name, () => store.list({ ...ALL, ...filter }, 50, undefined));
  for (let i = 0; i < samples; i++) {
    const wanted = sampleJob(from + i, INPUT_BYTES);
    const { job } = await timed("submit", () => store.submit(wanted));
    await timed("get", () => store.get({ jobId: job.jobId }));
    await timed("position", () => store.position(job.jobId));
    await timed("stats", () => store.stats());
    await list("list, first page", {});
    await list("list by state", { states: ["FAILED"] });
    await list("list by owner", { owner: "owner 3" });
    await list("list by label", { labels: { block: "7" } });
    const claim = await timed("claim", () => store.claim([CIRCUIT]));
    if (claim === undefined) throw new Error("a sample job is missing from the line");
    await timed("heartbeat", () => store.heartbeat(claim.lease, "PROVING", 50));
    const result = new Uint8Array(RESULT_BYTES);
    await timed("settle", () => store.settle(claim.lease, { kind: "succeeded", result }));
    await timed("sweep", () => store.sweep());
  }
  return new Map([...times].map(([operation, all]) => [operation, percentilesOf(all)]));
}
