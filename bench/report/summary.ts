/** What a run prints when it is done. */
import { median, minimum } from "../statistics.ts";
import { judgeBars, ourId } from "./bars.ts";
import type { BenchResult } from "./result.ts";
import { type Row, shortNumber, textTable } from "./table.ts";

const MB = 1e6;

export function summary(result: BenchResult): string {
  return [
    heading(result),
    latencyTables(result),
    inputTable(result),
    throughputTable(result),
    msmTable(result),
    stageTable(result),
    barTable(result),
    result.missing.length === 0 ? "" : ["Not measured", ...result.missing].join("\n"),
    `${result.verifiedProofs} proofs, every one verified with snarkjs.`,
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

function heading({ machine, commit, isQuick, minutes }: BenchResult): string {
  const { cpu, cores, node, loadAverage } = machine;
  const rough = isQuick ? "A quick run: rough numbers.\n" : "";
  return `${rough}${cpu}, ${cores} cores, Node ${node}, load before ${loadAverage[0]}, commit ${commit.id}${commit.isDirty ? " and changes" : ""}, ${minutes} minutes`;
}

function latencyTables(result: BenchResult): string {
  return result.fixtures
    .map(({ id, constraints }) => {
      const rows = result.latency.filter(({ fixture }) => fixture === id);
      const reference = rows.find(({ contender }) => contender === ourId(result));
      if (rows.length === 0) return "";
      const table = textTable(
        ["", "min ms", "median ms", "times ours", "key load ms", "peak MB"],
        rows.map((row) => [
          titleOf(result, row.contender),
          shortNumber(minimum(row.samplesMs)),
          shortNumber(median(row.samplesMs)),
          reference ? shortNumber(median(row.samplesMs) / median(reference.samplesMs)) : "",
          row.keyLoadMs.length > 0 ? shortNumber(median(row.keyLoadMs)) : "in the time",
          megabytes(row.peakBytes),
        ]),
      );
      return `One proof, ${id}: ${constraints.toLocaleString("en")} constraints, witness to proof\n${table}`;
    })
    .filter((part) => part !== "")
    .join("\n\n");
}

function inputTable(result: BenchResult): string {
  const rows = result.inputToProof.map(({ fixture, contender, samplesMs, isSum }) => [
    `${fixture}, ${titleOf(result, contender)}${isSum ? " (witness by snarkjs)" : ""}`,
    shortNumber(minimum(samplesMs)),
    shortNumber(median(samplesMs)),
  ]);
  return titled("From inputs to the proof", ["", "min ms", "median ms"], rows);
}

function throughputTable(result: BenchResult): string {
  const rows = result.throughput.map((row) => [
    `${row.fixture}, ${titleOf(result, row.contender)}, ${
      row.arrangement === "processes" ? `${row.processes} processes` : "one process"
    }`,
    shortNumber(median(row.proofsPerSecond)),
    shortNumber(60 * median(row.proofsPerSecond)),
    megabytes(row.peakBytes),
  ]);
  return titled("Every core busy", ["", "proofs/s", "a minute", "peak MB"], rows);
}

function msmTable({ msm }: BenchResult): string {
  const rows = msm.map(({ group, log2, engine, samplesMs }) => [
    `2^${log2} ${group.toUpperCase()}, ${engine}`,
    shortNumber(minimum(samplesMs)),
    shortNumber(median(samplesMs)),
  ]);
  return titled("Multi-scalar multiplication, one thread", ["", "min ms", "median ms"], rows);
}

function stageTable(result: BenchResult): string {
  const rows = result.latency.flatMap(({ fixture, contender, stageMs }) =>
    Object.entries(stageMs ?? {}).map(([stage, ms]) => [
      `${fixture}, ${titleOf(result, contender)}, ${stage}`,
      shortNumber(ms),
    ]),
  );
  return titled("Where the time goes", ["", "median ms"], rows);
}

function barTable(result: BenchResult): string {
  const rows = judgeBars(result).map(({ text, limit, state, worst }) => [
    text,
    limit,
    worst === undefined ? "" : shortNumber(worst.value),
    worst?.where ?? "",
    state,
  ]);
  return titled("Bars (the worst case decides)", ["", "bar", "got", "on", "state"], rows);
}

function titled(title: string, header: Row, rows: readonly Row[]): string {
  return rows.length === 0 ? "" : `${title}\n${textTable(header, rows)}`;
}

function titleOf({ contenders }: BenchResult, id: string): string {
  return contenders.find((contender) => contender.id === id)?.title ?? id;
}

function megabytes(bytes: number | undefined): string {
  return bytes === undefined ? "" : shortNumber(bytes / MB);
}
