/**
 * The bars: what this prover must reach, as ratios within one run, judged by a run's results.
 *
 * A bar holds where its worst finding does. Bars of speed are judged on the batch circuits and the
 * dense witness from 2^15 up: below that, fixed costs of a few milliseconds decide. Times and rates are
 * medians.
 */
import type { FixtureFacts } from "../fixtures/fixture.ts";
import { median } from "../statistics.ts";
import type { BenchResult } from "./result.ts";

export interface Finding {
  /** Fixture, or pair of fixtures. */
  readonly where: string;
  readonly value: number;
}

export interface Bar {
  readonly id: string;
  readonly text: string;
  readonly limit: { readonly atLeast: number } | { readonly atMost: number };
  /** Everything that a run says about it; nothing if it did not measure that. */
  findings(result: BenchResult): readonly Finding[];
}

export interface JudgedBar {
  readonly id: string;
  readonly text: string;
  /** "≥ 3" */
  readonly limit: string;
  readonly state: "met" | "not met" | "not measured";
  /** The finding that decides. */
  readonly worst?: Finding;
  readonly findings: readonly Finding[];
}

const SPEED_MIN_LOG2 = 15;
/** Of smaller keys the fixed costs of a start would be judged. */
const KEY_LOAD_MIN_LOG2 = 16;
const MEMORY_MIN_LOG2 = 17;
const MSM_LOG2 = 16;
const MB = 1e6;

export const BARS: readonly Bar[] = [
  rateBar("throughput-snarkjs", "snarkjs", 15),
  rateBar("throughput-rapidsnark", "rapidsnark", 3),
  rateBar("throughput-rapidsnark-plain", "rapidsnark", 1.7, "wasm-plain"),
  latencyBar("latency-rapidsnark", 0.4),
  latencyBar("latency-rapidsnark-plain", 0.7, "wasm-plain"),
  msmBar("g1", 10),
  msmBar("g2", 9),
  msmBar("g1", 6.5, "wasm-plain"),
  msmBar("g2", 6, "wasm-plain"),
  {
    id: "memory",
    text: "peak memory of all workers, as a part of 2 x zkey + 200 MB, from 2^17",
    limit: { atMost: 1 },
    findings: (result) =>
      fixturesFrom(result, MEMORY_MIN_LOG2).flatMap(({ id, zkeyBytes }) => {
        const row = rateRow(result, id, ourId(result), "one process");
        if (row?.peakBytes === undefined) return [];
        return [{ where: id, value: row.peakBytes / (2 * zkeyBytes + 200 * MB) }];
      }),
  },
  {
    id: "workers",
    text: "workers of one process, against as many independent processes",
    limit: { atLeast: 0.97 },
    findings: (result) =>
      fixturesFrom(result, SPEED_MIN_LOG2).flatMap(({ id }) => {
        const workers = rateRow(result, id, ourId(result), "one process");
        const processes = rateRow(result, id, ourId(result), "processes");
        if (workers === undefined || processes === undefined) return [];
        const value = median(workers.proofsPerSecond) / median(processes.proofsPerSecond);
        return [{ where: id, value }];
      }),
  },
  {
    id: "size",
    text: "time of twice the size, t(2n)/t(n), dense witness",
    limit: { atMost: 2.3 },
    findings: (result) => {
      const times = result.fixtures
        .filter(({ kind }) => kind === "dense")
        .toSorted((a, b) => a.log2 - b.log2)
        .flatMap(({ id, log2 }) => {
          const ms = latencyMs(result, id, ourId(result));
          return ms === undefined ? [] : [{ log2, ms }];
        });
      return times.slice(1).map(({ log2, ms }, i) => {
        const before = times[i] as (typeof times)[number];
        const value = (ms / before.ms) ** (1 / (log2 - before.log2));
        return { where: `2^${before.log2} to 2^${log2}`, value };
      });
    },
  },
  {
    id: "key-load",
    text: "key load after the first one, seconds for 100 MB of zkey",
    limit: { atMost: 1 },
    findings: (result) =>
      fixturesFrom(result, KEY_LOAD_MIN_LOG2).flatMap(({ id, zkeyBytes }) => {
        const loads = [...result.latency, ...result.throughput]
          .filter(({ fixture, contender }) => fixture === id && contender === ourId(result))
          .flatMap(({ keyLoadMs }) => keyLoadMs);
        const later = loads.slice(1);
        if (later.length === 0) return [];
        return [{ where: id, value: median(later) / 1000 / (zkeyBytes / (100 * MB)) }];
      }),
  },
];

export function judgeBars(result: BenchResult, bars: readonly Bar[] = BARS): JudgedBar[] {
  return bars.map(({ id, text, limit, findings: find }) => {
    const findings = find(result);
    const isAtLeast = "atLeast" in limit;
    const bound = isAtLeast ? limit.atLeast : limit.atMost;
    const [worst] = findings.toSorted((a, b) =>
      isAtLeast ? a.value - b.value : b.value - a.value,
    );
    const shown = { id, text, limit: `${isAtLeast ? "≥" : "≤"} ${bound}`, findings };
    if (worst === undefined) return { ...shown, state: "not measured" };
    const isMet = isAtLeast ? worst.value >= bound : worst.value <= bound;
    return { ...shown, worst, state: isMet ? "met" : "not met" };
  });
}

/** The contender that stands for this project: its own engine where it was measured. */
export function ourId(result: BenchResult): string {
  const ours = result.contenders.filter(
    ({ role, threads }) => role === "ours" && threads === "all",
  );
  return ours.find(({ id }) => id === "wasm")?.id ?? ours[0]?.id ?? "wasm";
}

/** Median time from witness to proof. */
export function latencyMs(
  result: BenchResult,
  fixture: string,
  contender: string,
): number | undefined {
  const row = result.latency.find((r) => r.fixture === fixture && r.contender === contender);
  return row === undefined || row.samplesMs.length === 0 ? undefined : median(row.samplesMs);
}

/** Median rate of the better arrangement. */
export function bestRate(
  result: BenchResult,
  fixture: string,
  contender: string,
): number | undefined {
  const rates = result.throughput
    .filter((r) => r.fixture === fixture && r.contender === contender)
    .map(({ proofsPerSecond }) => median(proofsPerSecond));
  return rates.length === 0 ? undefined : Math.max(...rates);
}

function rateRow(
  result: BenchResult,
  fixture: string,
  contender: string,
  arrangement: "one process" | "processes",
) {
  return result.throughput.find(
    (r) => r.fixture === fixture && r.contender === contender && r.arrangement === arrangement,
  );
}

function fixturesFrom(result: BenchResult, minLog2: number): FixtureFacts[] {
  return result.fixtures.filter(({ kind, log2 }) => kind !== "bits" && log2 >= minLog2);
}

/** @param ours  which of our contenders; the main one when left out. */
function rateBar(id: string, peer: string, atLeast: number, ours?: string): Bar {
  return {
    id,
    text: `proofs per second, all cores, against ${peer}${variant(ours)}`,
    limit: { atLeast },
    findings: (result) =>
      ratios(result, (fixture) => [
        bestRate(result, fixture, ours ?? ourId(result)),
        bestRate(result, fixture, peer),
      ]),
  };
}

function latencyBar(id: string, atMost: number, ours?: string): Bar {
  return {
    id,
    text: `time of one proof, all cores, against rapidsnark${variant(ours)}`,
    limit: { atMost },
    findings: (result) =>
      ratios(result, (fixture) => [
        latencyMs(result, fixture, ours ?? ourId(result)),
        latencyMs(result, fixture, "rapidsnark"),
      ]),
  };
}

function msmBar(group: "g1" | "g2", atLeast: number, ours = "wasm"): Bar {
  return {
    id: `msm-${group}${ours === "wasm" ? "" : "-plain"}`,
    text: `2^16 multi-scalar multiplication in ${group.toUpperCase()}, one thread, against ffjavascript${variant(ours)}`,
    limit: { atLeast },
    findings: ({ msm }) => {
      const ms = (engine: string) => {
        const row = msm.find((r) => r.group === group && r.engine === engine);
        return row?.log2 === MSM_LOG2 ? median(row.samplesMs) : undefined;
      };
      const [mine, theirs] = [ms(ours), ms("ffjavascript")];
      if (mine === undefined || theirs === undefined) return [];
      return [{ where: `2^${MSM_LOG2}`, value: theirs / mine }];
    },
  };
}

function variant(ours: string | undefined): string {
  return ours === "wasm-plain" ? ", without the flag" : "";
}

function ratios(
  result: BenchResult,
  pair: (fixture: string) => readonly [number | undefined, number | undefined],
): Finding[] {
  return fixturesFrom(result, SPEED_MIN_LOG2).flatMap(({ id }) => {
    const [mine, theirs] = pair(id);
    return mine === undefined || theirs === undefined ? [] : [{ where: id, value: mine / theirs }];
  });
}
