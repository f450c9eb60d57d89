/** The README's part about speed: a table of one run. */
import { bestRate, judgeBars, latencyMs, ourId } from "./bars.ts";
import type { BenchResult } from "./result.ts";
import { markdownTable, shortNumber } from "./table.ts";

/** Load of a core before a run, above which the README says that the machine was not ours alone. */
const QUIET_LOAD = 0.25;

/**
 * Markdown; the circuits are those on which a run counts proofs per second. A quick run has no plots:
 * its lines would show chance.
 */
export function speedBlock(result: BenchResult): string {
  const provers = [ourId(result), ...peersOf(result)];
  const counted = new Set(result.throughput.map(({ fixture }) => fixture));
  const shown = result.fixtures.filter(({ id }) => counted.has(id));
  const cell = (value: number | undefined) => (value === undefined ? "–" : shortNumber(value));
  const perMinute = (rate: number | undefined) => (rate === undefined ? undefined : 60 * rate);
  const header = [
    "circuit",
    "constraints",
    ...headed("ms a proof", result, provers),
    ...headed("proofs a minute", result, provers),
  ];
  const rows = shown.map(({ id, kind, log2, constraints }) => [
    kind === "batch" ? `\`${id}\`` : `random witness, 2^${log2}`,
    constraints.toLocaleString("en"),
    ...provers.map((prover) => cell(latencyMs(result, id, prover))),
    ...provers.map((prover) => cell(perMinute(bestRate(result, id, prover)))),
  ]);
  const plot = "![Time of one proof by size of the circuit](docs/plots/time-by-size.svg)";
  const parts = [markdownTable(header, rows), provenance(result), result.isQuick ? "" : plot];
  return parts.filter((part) => part !== "").join("\n\n");
}

function provenance(result: BenchResult): string {
  const { machine, commit, startedAt, isQuick } = result;
  const { cpu, cores, node } = machine;
  const bars = judgeBars(result);
  const count = (state: string) => bars.filter((bar) => bar.state === state).length;
  const load = machine.loadAverage[0] ?? 0;
  const isShared = load > cores * QUIET_LOAD;
  const rough = isQuick ? "A short run with rough numbers" : "One run";
  return [
    `${rough}${isShared ? `, on a machine that others used too (load ${load})` : ""}, the provers taking turns, keys loaded, from witness file to proof (ours: verified), medians:`,
    `${cpu}, ${cores} cores, Node ${node}, commit ${commit.id}, ${startedAt.slice(0, 10)}.`,
    `Of ${bars.length} bars ${count("met")} are met, ${count("not met")} are not and ${count("not measured")} were not measured; all numbers: [bench/results/latest.json](bench/results/latest.json).`,
  ].join(" ");
}

/** Column heads: the unit stands with the first one only, or the table would be wider than a page. */
function headed(unit: string, result: BenchResult, provers: readonly string[]): string[] {
  const names = provers.map((id) => nameOf(result, id));
  return names.map((name, i) => (i === 0 ? `${unit}: ${name}` : name));
}

function peersOf({ contenders }: BenchResult): string[] {
  return contenders
    .filter(({ role, threads }) => role === "peer" && threads === "all")
    .map(({ id }) => id);
}

function nameOf({ contenders }: BenchResult, id: string): string {
  return contenders.find((contender) => contender.id === id)?.title ?? id;
}
