import { describe, expect, it } from "vitest";
import { soakPlot } from "../../scripts/soak/plot.ts";
import { trendOf } from "../../scripts/soak/trend.ts";

const seconds = Array.from({ length: 200 }, (_, i) => i);

describe("scripts / soak", () => {
  it("sees a slow rise under peaks that are far higher", () => {
    const points = seconds.map((x) => [x, 100 + x / 20 + (x % 7 === 0 ? 500 : 0)] as const);
    const { median, growth } = trendOf(points);
    expect(growth).toBeCloseTo(199 / 20, 0);
    expect(median).toBeGreaterThan(100);
  });

  it("sees none in what goes up and down", () => {
    const saw = seconds.map((x) => [x, 100 + (x % 10)] as const);
    expect(Math.abs(trendOf(saw).growth)).toBeLessThan(2);
    expect(() => trendOf([[0, 1]])).toThrow("2");
  });

  it("draws every measure, restarts and the place from which trends count", () => {
    const samples = seconds.map((at) => ({
      ...{ at, residentBytes: 1e8 + at, heapBytes: 1e7, openFiles: 30, storeBytes: 1e6 },
    }));
    const svg = soakPlot(samples, { steadyFrom: 80, restarts: [10, 20] });
    for (const part of ["residentBytes", "heapBytes", "openFiles", "storeBytes", "199 s"]) {
      expect(svg).toContain(part);
    }
  });
});
