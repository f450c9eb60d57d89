/** The plots of a run, for docs/plots. Deterministic in the results: the same numbers, the same bytes. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { writeWhole } from "../../worker/binfile.ts";
import { type BarGroup, barChart } from "./bar-chart.ts";
import { bestRate, latencyMs, ourId } from "./bars.ts";
import { lineChart, type Series } from "./line-chart.ts";
import type { BenchResult, ContenderFacts } from "./result.ts";

const COLOURS = {
  main: "#0969da",
  /** Of our other ways to open it, and of the peers: taken in order. */
  ours: ["#218bff", "#1b7c83", "#8c959f"],
  peers: ["#bc4c00", "#6e7781", "#8250df", "#1a7f37"],
} as const;

/** File names and contents; a plot for which a run has no numbers is left out. */
export function plots(result: BenchResult): Record<string, string> {
  const files: Record<string, string> = {};
  const series = timeSeries(result);
  if (series.some(({ points }) => points.length > 1)) {
    files["time-by-size.svg"] = lineChart({
      title: "Time of one proof by size of the circuit",
      subtitle: `witness to proof, all cores, dense witness, median. ${place(result)}`,
      xLabel: "constraints",
      yLabel: "milliseconds",
      series,
    });
  }
  const times = groups(result, latencyMs, "ascending");
  if (times.length > 0) {
    files["time-of-one-proof.svg"] = barChart({
      title: "Time of one proof, milliseconds: shorter is better",
      subtitle: `witness to proof, all cores, median. ${place(result)}`,
      groups: times,
    });
  }
  const rates = groups(result, bestRate, "descending");
  if (rates.length > 0) {
    files["proofs-per-second.svg"] = barChart({
      title: "Proofs per second: longer is better",
      subtitle: `every core busy, the better of one process and a process a core. ${place(result)}`,
      groups: rates,
    });
  }
  return files;
}

export async function writePlots(dir: string, result: BenchResult): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const [name, svg] of Object.entries(plots(result))) {
    await writeWhole(join(dir, name), [Buffer.from(svg)]);
  }
}

function timeSeries(result: BenchResult): Series[] {
  const dense = result.fixtures.filter(({ kind }) => kind === "dense");
  return onAllCores(result).map((contender) => ({
    label: contender.title,
    colour: colourOf(result, contender),
    isDashed: contender.role === "ours" && contender.id !== ourId(result),
    points: dense.flatMap(({ id, log2 }) => {
      const y = latencyMs(result, id, contender.id);
      return y === undefined ? [] : [{ log2, y }];
    }),
  }));
}

type Value = (result: BenchResult, fixture: string, contender: string) => number | undefined;

/** One group of bars a fixture on which proofs per second were counted: those tell the most. */
function groups(
  result: BenchResult,
  valueOn: Value,
  order: "ascending" | "descending",
): BarGroup[] {
  const counted = new Set(result.throughput.map(({ fixture }) => fixture));
  const shown = result.fixtures.filter(({ id }) => counted.has(id));
  return shown
    .map(({ id, constraints }) => ({
      title: `${id}, ${constraints.toLocaleString("en")} constraints`,
      bars: onAllCores(result)
        .flatMap((contender) => {
          const value = valueOn(result, id, contender.id);
          const { title: label } = contender;
          return value === undefined ? [] : [{ label, colour: colourOf(result, contender), value }];
        })
        .toSorted((a, b) => (order === "ascending" ? a.value - b.value : b.value - a.value)),
    }))
    .filter(({ bars }) => bars.length > 0);
}

function onAllCores({ contenders }: BenchResult): ContenderFacts[] {
  return contenders.filter(({ threads }) => threads === "all");
}

function colourOf(result: BenchResult, { id, role }: ContenderFacts): string {
  const main = ourId(result);
  if (id === main) return COLOURS.main;
  const alike = onAllCores(result).filter((other) => other.role === role && other.id !== main);
  const colours = role === "ours" ? COLOURS.ours : COLOURS.peers;
  const index = alike.findIndex((other) => other.id === id);
  return colours[index % colours.length] as string;
}

function place({ machine, commit, isQuick }: BenchResult): string {
  const { cpu, cores, node } = machine;
  return `${cpu}, ${cores} cores, Node ${node}, commit ${commit.id}${isQuick ? ", a quick run" : ""}`;
}
