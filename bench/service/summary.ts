/** A run of the service as tables for a terminal. */
import { shortNumber, textTable } from "../report/table.ts";
import { type ServiceResult, serviceBars } from "./result.ts";

export function serviceSummary(result: ServiceResult): string {
  const { machine, threads, throughput, acceptance } = result;
  const share = (part: number): string => `${shortNumber(100 * part)} %`;
  const pairs = throughput.pairs.map((pair, i) => [
    `pair ${i + 1}`,
    shortNumber(pair.servicePerSecond),
    shortNumber(pair.barePerSecond),
    shortNumber(pair.servicePerSecond / pair.barePerSecond),
    share(pair.clientShare),
  ]);
  const windows = acceptance.windows.map((window, i) => [
    `window ${i + 1}`,
    ...[window.p50, window.p90, window.p99, window.max].map(shortNumber),
    String(window.accepted),
    String(window.refused),
    String(window.proved),
    share(window.clientShare),
  ]);
  const bars = serviceBars(result).map(({ text, limit, value, isMet }) => [
    text,
    limit,
    value === undefined ? "not measured" : shortNumber(value),
    value === undefined ? "" : isMet ? "met" : "NOT MET",
  ]);
  return [
    `${machine.cpu}, ${threads} threads, load before ${machine.loadAverage.join(" ")}, Node ${machine.node}`,
    "",
    `proofs per second, ${throughput.circuit}, ${throughput.inFlight} in flight, ${throughput.verifiedProofs} proofs, every one verified`,
    textTable(["", "service", "bare", "ratio", "client's CPU"], pairs),
    "",
    `ms from due to accepted, ${acceptance.perSecond} a second of ${acceptance.requestBytes} bytes`,
    textTable(
      ["", "p50", "p90", "p99", "max", "accepted", "refused", "proved", "client's CPU"],
      windows,
    ),
    "",
    textTable(["bar", "limit", "value", ""], bars),
  ].join("\n");
}
