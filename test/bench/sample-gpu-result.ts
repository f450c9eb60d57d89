import { type GpuBenchResult, SOFTWARE_WARNING } from "../../bench/gpu/result.ts";
import { sampleResult } from "./sample-result.ts";

/** A made-up run with round numbers: 10 G multiplications a second, of which sums use a half. */
export function sampleGpuResult(change: Partial<GpuBenchResult> = {}): GpuBenchResult {
  const { commit, machine, fixtures } = sampleResult();
  return {
    formatVersion: 1,
    isSoftware: false,
    startedAt: "2026-01-02T03:04:05.000Z",
    minutes: 1.5,
    command: "npm run bench -- --engine vulkan",
    isQuick: false,
    isComplete: true,
    commit,
    machine,
    device: {
      name: "Made-up GPU",
      kind: "discrete",
      driver: "1",
      localBytes: 80e9,
      bindingBytes: 2 ** 32 - 1,
      sharedBytes: 49_152,
    },
    fixtures: fixtures.slice(1),
    fields: (["Fq", "Fr"] as const).flatMap((field) =>
      [1, 2].map((chains) => ({
        field,
        chains,
        invocations: 2 ** 18,
        turns: 1000,
        samplesMs: [26.2144 * 2, 26.2144 * 2, 26.2144 * 2],
      })),
    ),
    points: [
      {
        group: "g1",
        addition: "affine",
        invocations: 2 ** 18,
        turns: 100,
        multiplications: 10,
        samplesMs: [52.4288],
      },
    ],
    transforms: [
      {
        order: "inTime",
        log2: 20,
        vectors: 8,
        multiplications: 8 * 2 ** 19 * 20,
        samplesMs: [16],
      },
    ],
    msm: [
      {
        group: "g1",
        log2: 20,
        sums: 1,
        multiplications: 100e6,
        samplesMs: [20, 20, 25],
        tailMs: [2],
      },
    ],
    proofs: [
      {
        fixture: "dense-17",
        engine: "vulkan",
        engineName: "vulkan (Made-up GPU)",
        keyLoadMs: 500,
        firstMs: 40,
        samplesMs: [25, 20, 20],
        deviceBytes: 250e6,
      },
      {
        fixture: "dense-17",
        engine: "wasm",
        engineName: "wasm (fma)",
        keyLoadMs: 200,
        firstMs: 300,
        samplesMs: [200, 210, 200],
      },
    ],
    throughput: [
      { fixture: "dense-17", engine: "vulkan", inFlight: 16, proofsPerSecond: [80, 84, 82] },
      { fixture: "dense-17", engine: "wasm", inFlight: 16, proofsPerSecond: [8, 8.2, 8.4] },
    ],
    checkedProofs: 2,
    missing: [],
    ...change,
  };
}

export function sampleSoftwareResult(): GpuBenchResult {
  const sample = sampleGpuResult();
  const device = { ...sample.device, name: "Made-up processor", kind: "software" as const };
  return { ...sample, device, isSoftware: true, warning: SOFTWARE_WARNING };
}
