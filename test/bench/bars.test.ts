import { describe, expect, it } from "vitest";
import { judgeBars } from "../../bench/report/bars.ts";
import type { BenchResult } from "../../bench/report/result.ts";
import { latencies, rates, sampleResult } from "./sample-result.ts";

function judged(id: string, change: Partial<BenchResult> = {}) {
  const bar = judgeBars(sampleResult(change)).find((one) => one.id === id);
  if (bar === undefined) throw new RangeError(`no bar ${id}`);
  return bar;
}

describe("judgeBars", () => {
  it("has a state for each bar, with a number for those that were measured", () => {
    for (const { state, worst, id } of judgeBars(sampleResult())) {
      expect(worst === undefined, id).toBe(state === "not measured");
    }
  });

  it("takes the better arrangement on both sides of proofs per second, and the worse fixture", () => {
    const bar = judged("throughput-rapidsnark");
    expect(bar.findings).toEqual([
      { where: "dense-16", value: 4.1 / 1.25 },
      { where: "dense-17", value: 2.05 / 0.6 },
    ]);
    expect(bar).toMatchObject({ state: "met", limit: "≥ 3", worst: { where: "dense-16" } });
    const throughput = [...rates("dense-16", { wasm: [2.9, 2.8], rapidsnark: [1, 0.5] })];
    expect(judged("throughput-rapidsnark", { throughput }).state).toBe("not met");
  });

  it("judges a limit from above by the largest value", () => {
    expect(judged("latency-rapidsnark")).toMatchObject({ state: "not met", worst: { value: 0.5 } });
    const latency = [
      ...latencies("dense-16", { wasm: 300, rapidsnark: 1000 }),
      ...latencies("dense-17", { wasm: 400, rapidsnark: 1000 }),
    ];
    const bar = judged("latency-rapidsnark", { latency });
    expect(bar).toMatchObject({ state: "met", worst: { where: "dense-17", value: 0.4 } });
  });

  it("judges speed on batch circuits and dense witnesses from 2^15 up", () => {
    const fixtures = (["dense", "bits", "batch"] as const).flatMap((kind) =>
      [14, 15].map((log2) => ({
        id: `${kind}-${log2}`,
        kind,
        log2,
        constraints: 2 ** log2,
        zkeyBytes: 1e7,
      })),
    );
    const latency = fixtures.flatMap(({ id }) => latencies(id, { wasm: 1, rapidsnark: 2 }));
    const { findings } = judged("latency-rapidsnark", { fixtures, latency });
    expect(findings.map(({ where }) => where)).toEqual(["dense-15", "batch-15"]);
  });

  it("compares workers with independent processes", () => {
    expect(judged("workers").worst?.value).toBeCloseTo(2 / 2.05, 10);
    const throughput = rates("dense-17", { wasm: [1.9, 2] });
    expect(judged("workers", { throughput })).toMatchObject({ state: "not met" });
  });

  it("gives the growth by one doubling, also where sizes between are missing", () => {
    expect(judged("size").findings).toEqual([{ where: "2^16 to 2^17", value: 2 }]);
    const [small, large] = sampleResult().fixtures as [
      BenchResult["fixtures"][number],
      BenchResult["fixtures"][number],
    ];
    const fixtures = [
      { ...large, id: "dense-18", log2: 18 },
      { ...small, id: "dense-16" },
    ];
    const latency = [
      ...latencies("dense-16", { wasm: 100 }),
      ...latencies("dense-18", { wasm: 900 }),
    ];
    const bar = judged("size", { fixtures, latency });
    expect(bar.findings).toEqual([{ where: "2^16 to 2^18", value: 3 }]);
    expect(bar.state).toBe("not met");
  });

  it("holds peak memory against the key's size from 2^17 up", () => {
    expect(judged("memory").findings).toEqual([{ where: "dense-17", value: 300 / 360 }]);
  });

  it("leaves the first key load out, and scales to 100 MB", () => {
    const latency = latencies("dense-16", { wasm: 1 }).map((row) => ({
      ...row,
      keyLoadMs: [9000, 200],
    }));
    const bar = judged("key-load", { latency, throughput: [] });
    expect(bar.findings).toEqual([{ where: "dense-16", value: 0.5 }]);
  });

  it("compares multi-scalar multiplications of 2^16 only", () => {
    expect(judged("msm-g1")).toMatchObject({ state: "met", worst: { value: 17 } });
    expect(judged("msm-g2").state).toBe("not measured");
    const msm = sampleResult().msm.map((row) => ({ ...row, log2: 12 }));
    expect(judged("msm-g1", { msm }).state).toBe("not measured");
  });

  it("lets another of our engines stand for the project where the main one is missing", () => {
    const contenders = sampleResult().contenders.map((one) =>
      one.id === "wasm" ? { ...one, id: "wasm-plain" } : one,
    );
    const latency = latencies("dense-16", { "wasm-plain": 100, rapidsnark: 1000 });
    expect(judged("latency-rapidsnark", { contenders, latency }).worst?.value).toBe(0.1);
  });
});
