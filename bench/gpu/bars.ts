/** What hardware of the H200's class has to reach, and what a run says about it. */
import { median } from "../statistics.ts";
import { bestRate } from "./rates.ts";
import type { GpuBenchResult } from "./result.ts";

export interface GpuBar {
  readonly text: string;
  readonly limit: string;
  /** Undefined: not measured. */
  readonly value: number | undefined;
  readonly state: "met" | "not met" | "not measured" | "not judged: software device";
}

/** The circuit of the bar for proofs, and the length of the bars for sums (log2). */
const CIRCUIT = "dense-17";
const SUM_LOG2 = 20;

const TIMES_WASM = 5;
const SHARE_PERCENT = 40;
const STRETCH_MS = 25;

export function gpuBars(result: GpuBenchResult): readonly GpuBar[] {
  const atLeast = (text: string, least: number, value: number | undefined): GpuBar => ({
    text,
    limit: `≥ ${least}`,
    value,
    state: stateOf(result, value, (got) => got >= least),
  });
  return [
    atLeast(
      `proofs per second at ${CIRCUIT}, times the engine wasm's on all cores`,
      TIMES_WASM,
      timesWasm(result),
    ),
    ...(["g1", "g2"] as const).map((group) =>
      atLeast(
        `sum of 2^${SUM_LOG2} points in ${group.toUpperCase()}, % of the multiplication rate`,
        SHARE_PERCENT,
        sharePercent(result, group),
      ),
    ),
    {
      text: `sum of 2^${SUM_LOG2} points in G1, ms (stretch)`,
      limit: `≤ ${STRETCH_MS}`,
      value: sumMs(result, "g1"),
      state: stateOf(result, sumMs(result, "g1"), (got) => got <= STRETCH_MS),
    },
  ];
}

function stateOf(
  { isSoftware }: GpuBenchResult,
  value: number | undefined,
  isMet: (value: number) => boolean,
): GpuBar["state"] {
  if (value === undefined) return "not measured";
  if (isSoftware) return "not judged: software device";
  return isMet(value) ? "met" : "not met";
}

/** Each at its best number of proofs in flight. */
function timesWasm({ throughput }: GpuBenchResult): number | undefined {
  const best = (engine: "vulkan" | "wasm") =>
    Math.max(
      ...throughput
        .filter((row) => row.fixture === CIRCUIT && row.engine === engine)
        .map((row) => median(row.proofsPerSecond)),
    );
  const [ours, wasm] = [best("vulkan"), best("wasm")];
  return Number.isFinite(ours) && Number.isFinite(wasm) ? ours / wasm : undefined;
}

function sumOf({ msm }: GpuBenchResult, group: "g1" | "g2") {
  return msm.find((row) => row.group === group && row.log2 === SUM_LOG2 && row.sums === 1);
}

function sumMs(result: GpuBenchResult, group: "g1" | "g2"): number | undefined {
  const row = sumOf(result, group);
  return row && median(row.samplesMs);
}

function sharePercent(result: GpuBenchResult, group: "g1" | "g2"): number | undefined {
  const [row, most] = [sumOf(result, group), bestRate(result, "Fq")];
  if (row === undefined || most === undefined) return undefined;
  return (100 * 1000 * row.multiplications) / median(row.samplesMs) / most;
}
