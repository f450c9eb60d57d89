import { describe, expect, it } from "vitest";
import { percentiles } from "../../bench/service/acceptance.ts";
import { parseServiceOptions } from "../../bench/service/options.ts";
import { type ServiceResult, serviceBars } from "../../bench/service/result.ts";
import { serviceSummary } from "../../bench/service/summary.ts";
import { rateOf } from "../../bench/service/throughput.ts";

const PAIR = { servicePerSecond: 3.9, barePerSecond: 4, clientShare: 0.01 };
const WINDOW = { p50: 5, p90: 9, p99: 20, max: 31, clientShare: 0.05 };

const RESULT: ServiceResult = {
  formatVersion: 1,
  startedAt: "2026-01-01T00:00:00.000Z",
  minutes: 1,
  commit: { id: "0123456789", isDirty: false },
  machine: {
    cpu: "a CPU",
    cores: 2,
    memoryBytes: 1,
    os: "an OS",
    node: "26.0.0",
    v8: "14",
    loadAverage: [0, 0, 0],
  },
  isQuick: false,
  threads: 2,
  throughput: {
    circuit: "dense-15",
    constraints: 32_765,
    inFlight: 4,
    windowMs: 20_000,
    pairs: [{ ...PAIR, servicePerSecond: 1 }, PAIR, PAIR],
    verifiedProofs: 600,
  },
  acceptance: {
    circuit: "dense-12-3122",
    requestBytes: 100_076,
    perSecond: 200,
    windowMs: 15_000,
    windows: [{ ...WINDOW, accepted: 3_000, refused: 0, proved: 700 }],
  },
};

describe("bench / service", () => {
  it("takes the least value that so many percent do not exceed", () => {
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(percentiles(hundred)).toEqual({ p50: 50, p90: 90, p99: 99, max: 100 });
    expect(percentiles([7])).toEqual({ p50: 7, p90: 7, p99: 7, max: 7 });
    expect(() => percentiles([])).toThrow("no submission");
  });

  it("counts proofs while all threads were busy: neither the first round nor the last", () => {
    // Two threads, a proof a second each, in step; the last one came late.
    expect(rateOf([1000, 1000, 2000, 2000, 3000, 3000, 9000], 2)).toBe(2);
    expect(() => rateOf([1000, 1000, 2000], 2)).toThrow("too few");
  });

  it("judges by medians", () => {
    expect(serviceBars(RESULT).map(({ value, isMet }) => [value, isMet])).toEqual([
      [0.975, true],
      [20, true],
    ]);
    const slow = { ...WINDOW, p99: 26, accepted: 1, refused: 0, proved: 1 };
    const acceptance = { ...RESULT.acceptance, windows: [slow] };
    expect(serviceBars({ ...RESULT, acceptance })[1]).toMatchObject({ value: 26, isMet: false });
    const throughput = { ...RESULT.throughput, pairs: [] };
    expect(serviceBars({ ...RESULT, throughput })[0]).toMatchObject({
      value: undefined,
      isMet: false,
    });
  });

  it("prints what was found and what the bars say", () => {
    const text = serviceSummary(RESULT);
    for (const part of ["600 proofs, every one verified", "0.975", "met", "100076 bytes"]) {
      expect(text).toContain(part);
    }
  });

  it("refuses flags that it does not know", () => {
    expect(parseServiceOptions(["--help"])).toBeUndefined();
    expect(parseServiceOptions(["--pairs", "9"])).toMatchObject({ pairs: 9, rate: 200 });
    expect(() => parseServiceOptions(["--pairs", "many"])).toThrow("--pairs");
    expect(() => parseServiceOptions(["--sizes", "12"])).toThrow("--sizes");
  });
});
