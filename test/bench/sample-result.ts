import type { BenchResult, Latency, Throughput } from "../../bench/report/result.ts";

/** One proof of each contender on a fixture, by id: milliseconds. */
export function latencies(fixture: string, msById: Readonly<Record<string, number>>): Latency[] {
  return Object.entries(msById).map(([contender, ms]) => ({
    fixture,
    contender,
    firstMs: 2 * ms,
    samplesMs: [ms, ms * 1.1, ms * 0.9],
    keyLoadMs: [50],
  }));
}

/** Rates of each contender's one process and of its processes. */
export function rates(
  fixture: string,
  rateById: Readonly<Record<string, readonly [one: number, many: number]>>,
): Throughput[] {
  return Object.entries(rateById).flatMap(([contender, [one, many]]) => [
    rate(fixture, contender, "one process", one),
    rate(fixture, contender, "processes", many),
  ]);
}

function rate(
  fixture: string,
  contender: string,
  arrangement: Throughput["arrangement"],
  proofs: number,
): Throughput {
  const processes = arrangement === "processes" ? 2 : 1;
  return {
    fixture,
    contender,
    arrangement,
    processes,
    inFlight: 1,
    proofsPerSecond: [proofs],
    keyLoadMs: [60],
    peakBytes: 300e6,
  };
}

/** A made-up run on two fixtures; its numbers are round so that ratios are seen at once. */
export function sampleResult(change: Partial<BenchResult> = {}): BenchResult {
  const contender = (id: string, title: string, role: "ours" | "peer") =>
    ({ id, title, role, threads: "all", engineName: id, includesKeyLoad: false }) as const;
  return {
    formatVersion: 1,
    startedAt: "2026-01-02T03:04:05.000Z",
    minutes: 1.5,
    command: "npm run bench --",
    isQuick: false,
    commit: { id: "0123456789", isDirty: false },
    machine: {
      cpu: "Made-up <CPU> & more",
      cores: 2,
      memoryBytes: 8e9,
      os: "linux",
      node: "26.10.0",
      v8: "14",
      loadAverage: [0, 0, 0],
    },
    fixtures: [
      { id: "dense-16", kind: "dense", log2: 16, constraints: 65533, zkeyBytes: 40e6 },
      { id: "dense-17", kind: "dense", log2: 17, constraints: 131069, zkeyBytes: 80e6 },
    ],
    contenders: [
      contender("wasm", "proofmill", "ours"),
      contender("rapidsnark", "rapidsnark", "peer"),
      contender("snarkjs", "snarkjs", "peer"),
    ],
    missing: [],
    latency: [
      ...latencies("dense-16", { wasm: 500, rapidsnark: 1000, snarkjs: 6000 }),
      ...latencies("dense-17", { wasm: 1000, rapidsnark: 2000, snarkjs: 12000 }),
    ],
    inputToProof: [],
    throughput: [
      ...rates("dense-16", { wasm: [4, 4.1], rapidsnark: [1, 1.25], snarkjs: [0.2, 0.1] }),
      ...rates("dense-17", { wasm: [2, 2.05], rapidsnark: [0.5, 0.6], snarkjs: [0.1, 0.05] }),
    ],
    msm: [
      { group: "g1", log2: 16, engine: "ffjavascript", samplesMs: [1700] },
      { group: "g1", log2: 16, engine: "wasm", samplesMs: [100] },
    ],
    verifiedProofs: 40,
    ...change,
  };
}
