/** The documentation's part about what was measured on GPUs. */
import { markdownTable, shortNumber } from "../report/table.ts";
import { median } from "../statistics.ts";
import { gpuPlots } from "./plots.ts";
import { bestRate } from "./rates.ts";
import type { GpuBenchResult } from "./result.ts";

/** @param result  the latest run on hardware; undefined: there was none. */
export function measuredBlock(result: GpuBenchResult | undefined): string {
  if (result === undefined) {
    return "**No run on a GPU has been committed yet.** Numbers of software devices are not shown: they say nothing about a GPU.";
  }
  if (result.isSoftware) throw new RangeError("got a run on a software device, expected hardware");
  const { device, machine, commit, startedAt } = result;
  const rate = (field: "Fq" | "Fr") => {
    const best = bestRate(result, field);
    return best === undefined ? "not measured" : `${shortNumber(best / 1e9)} G`;
  };
  const rows = [
    ...result.msm
      .filter(({ sums }) => sums === 1)
      .map((row) => [
        `sum of 2^${row.log2} points in ${row.group.toUpperCase()}`,
        shortNumber(median(row.samplesMs)),
        "",
      ]),
    ...result.proofs
      .filter(({ engine }) => engine === "vulkan")
      .map((row) => {
        const wasm = result.proofs.find((r) => r.fixture === row.fixture && r.engine === "wasm");
        const ms = median(row.samplesMs);
        return [
          `one proof, \`${row.fixture}\``,
          shortNumber(ms),
          wasm === undefined ? "" : shortNumber(median(wasm.samplesMs) / ms),
        ];
      }),
  ];
  return [
    `${device.name}, driver ${device.driver}, beside ${machine.cpu} with ${machine.cores} cores, commit ${commit.id}, ${startedAt.slice(0, 10)}${result.isQuick ? ", a quick run" : ""}: ${rate("Fq")} multiplications a second in Fq, ${rate("Fr")} in Fr. All numbers: [bench/results/gpu/latest.json](../bench/results/gpu/latest.json).`,
    markdownTable(["", "median ms", "times wasm"], rows),
    ...(result.isQuick ? [] : Object.keys(gpuPlots(result)).map(plotLink)),
  ].join("\n\n");
}

function plotLink(name: string): string {
  return `![${name === "gpu-proofs.svg" ? "Time of one proof" : "Time of a sum of points"} by size](plots/${name})`;
}
