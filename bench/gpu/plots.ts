/** The plots of a run on a GPU. Deterministic in the results: the same numbers, the same bytes. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { writeWhole } from "../../worker/binfile.ts";
import { lineChart, type Series } from "../report/line-chart.ts";
import { median } from "../statistics.ts";
import type { GpuBenchResult } from "./result.ts";

const COLOURS = { vulkan: "#0969da", wasm: "#bc4c00", g1: "#0969da", g2: "#1b7c83" } as const;

/** File names and contents; a plot for which a run has no numbers is left out. */
export function gpuPlots(result: GpuBenchResult): Record<string, string> {
  const files: Record<string, string> = {};
  const proofs = proofSeries(result);
  if (proofs.some(({ points }) => points.length > 1)) {
    files["gpu-proofs.svg"] = lineChart({
      title: marked(result, "Time of one proof on a GPU and by WebAssembly"),
      subtitle: `witness to proof, dense witness, median. ${place(result)}`,
      xLabel: "constraints",
      yLabel: "milliseconds",
      series: proofs,
    });
  }
  const sums = sumSeries(result);
  if (sums.some(({ points }) => points.length > 1)) {
    files["gpu-sums.svg"] = lineChart({
      title: marked(result, "Time of a sum of points on a GPU"),
      subtitle: `dense scalars, on the device, median. ${place(result)}`,
      xLabel: "points",
      yLabel: "milliseconds",
      series: sums,
    });
  }
  return files;
}

export async function writeGpuPlots(dir: string, result: GpuBenchResult): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const [name, svg] of Object.entries(gpuPlots(result))) {
    await writeWhole(join(dir, name), [Buffer.from(svg)]);
  }
}

function proofSeries({ proofs, fixtures, device }: GpuBenchResult): Series[] {
  return (["vulkan", "wasm"] as const)
    .map((engine) => ({
      label: engine === "vulkan" ? device.name.slice(0, 24) : "WebAssembly",
      colour: COLOURS[engine],
      points: proofs
        .filter((row) => row.engine === engine)
        .map((row) => ({
          log2: fixtures.find(({ id }) => id === row.fixture)?.log2 ?? 0,
          y: median(row.samplesMs),
        })),
    }))
    .filter(({ points }) => points.length > 0);
}

function sumSeries({ msm }: GpuBenchResult): Series[] {
  return (["g1", "g2"] as const)
    .map((group) => ({
      label: group.toUpperCase(),
      colour: COLOURS[group],
      points: msm
        .filter((row) => row.group === group && row.sums === 1)
        .map((row) => ({ log2: row.log2, y: median(row.samplesMs) })),
    }))
    .filter(({ points }) => points.length > 0);
}

/** A plot travels without its file. */
function marked({ isSoftware }: GpuBenchResult, title: string): string {
  return isSoftware ? `[SOFTWARE DEVICE, not a GPU] ${title}` : title;
}

function place({ device, machine, commit }: GpuBenchResult): string {
  return `${device.name}; ${machine.cpu}, ${machine.cores} cores; ${commit.id}`;
}
