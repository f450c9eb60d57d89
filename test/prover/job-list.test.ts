import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { JobFilter, JobStore } from "../../prover/job-store.ts";
import { SCANNED_MAX } from "../../prover/stores/job-filter.ts";
import { MemoryStore } from "../../prover/stores/memory.ts";
import { SqliteStore } from "../../prover/stores/sqlite.ts";
import { LIMITS, newJob } from "./job-store-contract.ts";

const limits = { ...LIMITS, queueMax: 10_000, queueMaxBytes: 1_000_000_000 };
const ALL: JobFilter = { owner: undefined, states: [], circuitId: undefined, labels: {} };

/** Pages of a list until its end, as request ids. */
async function pages(store: JobStore, filter: Partial<JobFilter>, limit: number) {
  const all: string[][] = [];
  let cursor: number | undefined;
  do {
    const { jobs, nextCursor } = await store.list({ ...ALL, ...filter }, limit, cursor);
    all.push(jobs.map(({ requestId }) => requestId));
    cursor = nextCursor;
  } while (cursor !== undefined);
  return all;
}

const stores = {
  memory: async () => new MemoryStore(limits),
  sqlite: async (dir: string) => SqliteStore.open(join(dir, "jobs.sqlite"), limits),
};

describe("job store / lists of many jobs", () => {
  for (const [name, open] of Object.entries(stores)) {
    it(`in ${name} look at some jobs at a time, and find all that the filter wants`, async () => {
      const dir = await mkdtemp(join(tmpdir(), "list-"));
      const store = await open(dir);
      try {
        const count = 2 * SCANNED_MAX + 10;
        await store.submit(newJob("rare", { labels: { 'a "b': "\u00e9\n", rare: "x" } }));
        await store.submit(newJob("cancelled", { owner: "other" }));
        await store.cancel({ owner: "other", requestId: "cancelled" });
        const many = Array.from({ length: count - 2 }, (_, i) => store.submit(newJob(`r${i}`)));
        await Promise.all(many);
        const rare = await pages(store, { labels: { 'a "b': "\u00e9\n" } }, 5);
        // Two looks in vain, then the one that finds it.
        expect(rare).toEqual([[], [], ["rare"]]);
        expect(await pages(store, { labels: { 'a "b': "\u00e9" } }, 5)).toEqual([[], [], []]);
        const cancelled = await pages(store, { states: ["CANCELLED", "FAILED"] }, 5);
        expect(cancelled.flat()).toEqual(["cancelled"]);
        const whole = (await pages(store, {}, 500)).flat();
        expect(whole).toHaveLength(count);
        expect(new Set(whole).size).toBe(count);
        expect(whole.slice(-2)).toEqual(["cancelled", "rare"]);
        if (name !== "sqlite") return;
        // An index leads to these at once.
        expect(await pages(store, { states: ["CANCELLED"] }, 5)).toEqual([["cancelled"]]);
        expect(await pages(store, { owner: "other" }, 5)).toEqual([["cancelled"]]);
      } finally {
        await store.close();
        await rm(dir, { recursive: true });
      }
    });
  }
});
