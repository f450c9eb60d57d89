import { describe, expect, it } from "vitest";
import { timeAcceptance } from "../../bench/store/acceptance.ts";
import { timeOperations } from "../../bench/store/operations.ts";
import { parseStoreOptions } from "../../bench/store/options.ts";
import { percentilesOf, type StoreResult } from "../../bench/store/result.ts";
import { fill, LIMITS } from "../../bench/store/sample-jobs.ts";
import { storeSummary } from "../../bench/store/summary.ts";
import { MemoryStore } from "../../prover/stores/memory.ts";

describe("bench / store", () => {
  it("takes the least value that so many percent do not exceed", () => {
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(percentilesOf(hundred)).toEqual({ p50: 50, p90: 90, p99: 99, max: 100 });
    expect(() => percentilesOf([])).toThrow("no samples");
  });

  it("fills a store with what it says, and leaves it so after its operations", async () => {
    const store = new MemoryStore(LIMITS);
    const ofState = async (state: "SUCCEEDED" | "QUEUED") => {
      const filter = { owner: undefined, states: [state], circuitId: undefined, labels: {} };
      return (await store.list(filter, 1_000, undefined)).jobs.length;
    };
    await fill(store, { finished: 250, waiting: 30 }, () => {});
    expect([await ofState("SUCCEEDED"), await ofState("QUEUED")]).toEqual([250, 30]);
    const times = await timeOperations(store, 3, 280);
    expect([...times.keys()]).toContain("list by label");
    expect(await ofState("QUEUED")).toBe(30);
  });

  it("submits as many as the rate says, while jobs end beside it", async () => {
    const store = new MemoryStore(LIMITS);
    const found = await timeAcceptance(store, { rate: 100, latencyMs: 500 });
    expect(found).toMatchObject({ perSecond: 100, inputBytes: 100_000 });
    const { jobs } = await store.list(
      { owner: undefined, states: [], circuitId: undefined, labels: {} },
      1_000,
      undefined,
    );
    expect(jobs).toHaveLength(50);
  });

  it("reads its flags, and refuses what is no number", () => {
    expect(parseStoreOptions([])).toMatchObject({ finished: 100_000, waiting: 10_000, rate: 200 });
    expect(parseStoreOptions(["--quick", "--rate", "7"])).toMatchObject({ isQuick: true, rate: 7 });
    expect(parseStoreOptions(["--help"])).toBeUndefined();
    expect(() => parseStoreOptions(["--rate", "many"])).toThrow('--rate: got "many"');
    expect(() => parseStoreOptions(["--what"])).toThrow();
  });

  it("shows each operation in the empty and the full store", () => {
    const times = { p50: 1.25, p90: 2, p99: 3, max: 4 };
    const result: StoreResult = {
      formatVersion: 1,
      startedAt: "2026-01-01T00:00:00.000Z",
      minutes: 1,
      commit: { id: "0123456789", isDirty: false },
      machine: {
        ...{ cpu: "a CPU", cores: 2, memoryBytes: 1, os: "an OS", node: "26.0.0", v8: "14" },
        loadAverage: [0, 0, 0],
      },
      isQuick: false,
      finished: 100_000,
      waiting: 10_000,
      stores: [{ name: "sqlite", operations: [{ operation: "claim", empty: times, full: times }] }],
      acceptance: { perSecond: 200, inputBytes: 100_000, submit: times, mainThread: times },
    };
    const shown = storeSummary(result);
    expect(shown).toMatch(/claim +1\.25 +1\.25 +3\.00 +3\.00/);
    expect(shown).toMatch(/100000 jobs that have ended, 10000 that wait/);
  });
});
