/** A run of the stores as tables for a terminal. */
import { shortNumber, textTable } from "../report/table.ts";
import type { Percentiles, StoreResult } from "./result.ts";

export function storeSummary(result: StoreResult): string {
  const { machine, stores, acceptance, finished, waiting } = result;
  const tables = stores.map(({ name, operations }) => {
    const rows = operations.map(({ operation, empty, full }) => [
      operation,
      ...[empty.p50, full.p50, empty.p99, full.p99].map(shortNumber),
    ]);
    const head = [name, "p50 empty", "p50 full", "p99 empty", "p99 full"];
    return textTable(head, rows);
  });
  const row = (name: string, { p50, p90, p99, max }: Percentiles) => [
    name,
    ...[p50, p90, p99, max].map(shortNumber),
  ];
  return [
    `${machine.cpu}, ${machine.cores} cores, load before ${machine.loadAverage.join(" ")}, Node ${machine.node}`,
    "",
    `ms an operation; full: ${finished} jobs that have ended, ${waiting} that wait`,
    ...tables.flatMap((table) => [table, ""]),
    `ms in sqlite, ${acceptance.perSecond} submissions a second of ${acceptance.inputBytes} bytes, all cores computing`,
    textTable(
      ["", "p50", "p90", "p99", "max"],
      [
        row("from due to on disk", acceptance.submit),
        row("main thread late", acceptance.mainThread),
      ],
    ),
  ].join("\n");
}
