/** What one run of `npm run bench -- service` found: the form of its files. */
import type { Commit, Machine } from "../machine.ts";
import { median } from "../statistics.ts";

export interface ThroughputPair {
  readonly servicePerSecond: number;
  readonly barePerSecond: number;
  /** CPU time of the load generator by that of all cores, while it loaded the service. */
  readonly clientShare: number;
}

export interface AcceptanceWindow {
  /** From the time at which each was due, ms. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  readonly accepted: number;
  readonly refused: number;
  /** Proofs that ended meanwhile: the cores were busy. */
  readonly proved: number;
  readonly clientShare: number;
}

export interface ServiceResult {
  readonly formatVersion: 1;
  readonly startedAt: string;
  readonly minutes: number;
  readonly commit: Commit;
  readonly machine: Machine;
  readonly isQuick: boolean;
  readonly threads: number;
  readonly throughput: {
    readonly circuit: string;
    readonly constraints: number;
    readonly inFlight: number;
    readonly windowMs: number;
    readonly pairs: readonly ThroughputPair[];
    /** Every proof was verified with snarkjs; so many. */
    readonly verifiedProofs: number;
  };
  readonly acceptance: {
    readonly circuit: string;
    readonly requestBytes: number;
    readonly perSecond: number;
    readonly windowMs: number;
    readonly windows: readonly AcceptanceWindow[];
  };
}

/** A bar of the service and what a run says about it. */
export interface ServiceBar {
  readonly text: string;
  readonly limit: string;
  /** Undefined: not measured. */
  readonly value: number | undefined;
  readonly isMet: boolean;
}

const RATIO_MIN = 0.95;
const P99_MAX_MS = 25;

/** Medians over pairs and windows. */
export function serviceBars({ throughput, acceptance }: ServiceResult): readonly ServiceBar[] {
  const ratios = throughput.pairs.map((pair) => pair.servicePerSecond / pair.barePerSecond);
  const p99s = acceptance.windows.map(({ p99 }) => p99);
  const ratio = ratios.length > 0 ? median(ratios) : undefined;
  const p99 = p99s.length > 0 ? median(p99s) : undefined;
  return [
    {
      text: `proofs per second of the service by those of the bare engine, ${throughput.circuit}, all cores`,
      limit: `>= ${RATIO_MIN}`,
      value: ratio,
      isMet: ratio !== undefined && ratio >= RATIO_MIN,
    },
    {
      text: `ms from submission to acceptance, p99, ${acceptance.perSecond} a second of ${acceptance.requestBytes} bytes, all cores proving`,
      limit: `<= ${P99_MAX_MS}`,
      value: p99,
      isMet: p99 !== undefined && p99 <= P99_MAX_MS,
    },
  ];
}
