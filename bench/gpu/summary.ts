/** What a run prints when it is done. */

import { type Row, shortNumber, textTable } from "../report/table.ts";
import { median, minimum } from "../statistics.ts";
import { gpuBars } from "./bars.ts";
import { additionsPerSecond, bestRate, productsPerSecond } from "./rates.ts";
import type { GpuBenchResult } from "./result.ts";

const MB = 1e6;

export function gpuSummary(result: GpuBenchResult): string {
  const parts = [
    heading(result),
    fieldTable(result),
    pointTable(result),
    transformTable(result),
    msmTable(result),
    proofTable(result),
    throughputTable(result),
    barTable(result),
    result.missing.length === 0 ? "" : ["Not measured", ...result.missing].join("\n"),
    // Again at the end, where a terminal leaves the reader.
    result.warning ?? "",
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

function heading(result: GpuBenchResult): string {
  const { device, machine, commit, isQuick, isComplete, minutes, warning } = result;
  const lines = [
    warning ?? "",
    isQuick ? "A quick run: small sizes, few samples." : "",
    isComplete ? "" : "This run did not come to its end.",
    `${device.name}, ${device.kind}, driver ${device.driver}, ${shortNumber(device.localBytes / MB)} MB of its own; ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, load before ${machine.loadAverage[0]}, commit ${commit.id}${commit.isDirty ? " and changes" : ""}, ${minutes} minutes`,
  ];
  return lines.filter((line) => line !== "").join("\n");
}

function fieldTable(result: GpuBenchResult): string {
  const best = (["Fq", "Fr"] as const).flatMap((field) => {
    const rate = bestRate(result, field);
    return rate === undefined ? [] : [[`${field}, best`, "", "", shortNumber(rate / 1e6)]];
  });
  const rows = result.fields.map((rate) => [
    `${rate.field}, ${rate.chains} ${rate.chains === 1 ? "chain" : "chains"} each`,
    power(rate.invocations),
    shortNumber(median(rate.samplesMs)),
    shortNumber(productsPerSecond(rate) / 1e6),
  ]);
  const header = ["", "invocations", "median ms", "M mul/s"];
  return titled(result, "Multiplications", header, [...best, ...rows]);
}

function pointTable(result: GpuBenchResult): string {
  const rows = result.points.map((rate) => [
    `${rate.group.toUpperCase()}, ${rate.addition}`,
    power(rate.invocations),
    shortNumber(median(rate.samplesMs)),
    shortNumber(additionsPerSecond(rate) / 1e6),
    share(additionsPerSecond(rate) * rate.multiplications, bestRate(result, "Fq")),
  ]);
  const header = ["", "invocations", "median ms", "M additions/s", "of the mul rate"];
  return titled(result, "Additions of points", header, rows);
}

function transformTable(result: GpuBenchResult): string {
  const rows = result.transforms.map((row) => [
    `2^${row.log2}, ${row.order}${row.vectors === 1 ? "" : `, ${row.vectors} side by side`}`,
    shortNumber(minimum(row.samplesMs)),
    shortNumber(median(row.samplesMs)),
    shortNumber(median(row.samplesMs) / row.vectors),
    share((1000 * row.multiplications) / median(row.samplesMs), bestRate(result, "Fr")),
  ]);
  const header = ["", "min ms", "median ms", "ms each", "of the mul rate"];
  return titled(result, "Transforms", header, rows);
}

function msmTable(result: GpuBenchResult): string {
  const rows = result.msm.map((row) => [
    `2^${row.log2} in ${row.group.toUpperCase()}${row.sums === 1 ? "" : `, ${row.sums} side by side`}`,
    shortNumber(minimum(row.samplesMs)),
    shortNumber(median(row.samplesMs)),
    shortNumber(median(row.tailMs)),
    shortNumber(row.multiplications / 1e6),
    share((1000 * row.multiplications) / median(row.samplesMs), bestRate(result, "Fq")),
  ]);
  const header = ["", "min ms", "median ms", "tail ms", "M mul, counted", "of the mul rate"];
  return titled(result, "Sums of points", header, rows);
}

function proofTable(result: GpuBenchResult): string {
  const rows = result.proofs.map((row) => {
    const wasm = result.proofs.find((r) => r.fixture === row.fixture && r.engine === "wasm");
    return [
      `${row.fixture}, ${row.engineName}`,
      shortNumber(minimum(row.samplesMs)),
      shortNumber(median(row.samplesMs)),
      wasm === undefined ? "" : shortNumber(median(wasm.samplesMs) / median(row.samplesMs)),
      shortNumber(row.keyLoadMs),
      row.deviceBytes === undefined ? "" : shortNumber(row.deviceBytes / MB),
    ];
  });
  const header = ["", "min ms", "median ms", "times wasm", "key load ms", "device MB"];
  return titled(result, "One proof, witness to proof, engines taking turns", header, rows);
}

function throughputTable(result: GpuBenchResult): string {
  const rows = result.throughput.map((row) => {
    const wasm = result.throughput
      .filter((r) => r.fixture === row.fixture && r.engine === "wasm")
      .map((r) => median(r.proofsPerSecond));
    const rate = median(row.proofsPerSecond);
    return [
      `${row.fixture}, ${row.engine}, ${row.inFlight} in flight`,
      shortNumber(rate),
      wasm.length === 0 ? "" : shortNumber(rate / Math.max(...wasm)),
    ];
  });
  return titled(result, "Proofs per second", ["", "proofs/s", "times wasm's best"], rows);
}

function barTable(result: GpuBenchResult): string {
  const rows = gpuBars(result).map(({ text, limit, value, state }) => [
    text,
    limit,
    value === undefined ? "" : shortNumber(value),
    state,
  ]);
  return titled(result, "Bars for hardware of the H200's class", ["", "bar", "got", "state"], rows);
}

/** No table of a software device can be taken for one of a GPU, also when it stands alone. */
function titled(
  { isSoftware }: GpuBenchResult,
  title: string,
  header: Row,
  rows: readonly Row[],
): string {
  if (rows.length === 0) return "";
  return `${title}${isSoftware ? " [SOFTWARE DEVICE]" : ""}\n${textTable(header, rows)}`;
}

function power(count: number): string {
  return `2^${Math.log2(count)}`;
}

function share(got: number, most: number | undefined): string {
  return most === undefined ? "" : `${shortNumber((100 * got) / most)} %`;
}
