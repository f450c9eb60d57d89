import { describe, expect, it } from "vitest";
import { deviation, median, minimum } from "../../bench/statistics.ts";

describe("statistics", () => {
  it("takes the middle sample, or the mean of the two in the middle", () => {
    expect(median([9])).toBe(9);
    expect(median([10, 9, 100])).toBe(10);
    expect(median([4, 1, 100, 2])).toBe(3);
  });

  it("does not reorder what it is given", () => {
    const samples = [3, 1, 2];
    median(samples);
    expect(samples).toEqual([3, 1, 2]);
  });

  it("takes the smallest sample as a number, not as a word", () => {
    expect(minimum([10, 9, 100])).toBe(9);
  });

  it("gives the deviation of a typical sample, whatever an outlier does", () => {
    expect(deviation([10, 11, 12, 13, 1000])).toBe(1);
  });

  it("refuses to say anything of no samples", () => {
    for (const number of [median, minimum, deviation]) expect(() => number([])).toThrow(RangeError);
  });
});
