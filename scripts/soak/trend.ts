/** Whether a measure goes up in the long run, whatever it does in between. */

/** @param points  x ascending. */
export interface Trend {
  readonly median: number;
  /** What the line through the points gains from the first x to the last. */
  readonly growth: number;
}

/**
 * Theil and Sen's line: its slope is the median of those of all pairs, so that peaks and collections
 * of garbage do not turn it.
 *
 * @throws RangeError for fewer than two points.
 */
export function trendOf(points: readonly (readonly [x: number, y: number])[]): Trend {
  if (points.length < 2) throw new RangeError(`got ${points.length} points, expected at least 2`);
  const slopes: number[] = [];
  for (const [i, [x0, y0]] of points.entries()) {
    for (const [x1, y1] of points.slice(i + 1)) if (x1 > x0) slopes.push((y1 - y0) / (x1 - x0));
  }
  const first = points[0] as readonly [number, number];
  const last = points.at(-1) as readonly [number, number];
  return {
    median: middle(points.map(([, y]) => y)),
    growth: middle(slopes) * (last[0] - first[0]),
  };
}

function middle(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
