/** A few numbers out of many measurements. */

/** @throws RangeError if there is none. */
export function minimum(samples: readonly number[]): number {
  requireSome(samples);
  return Math.min(...samples);
}

/**
 * The middle one, or the mean of the two in the middle.
 *
 * @throws RangeError if there is none.
 */
export function median(samples: readonly number[]): number {
  requireSome(samples);
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

/**
 * Median absolute deviation from the median: how far a typical sample is from it.
 *
 * @throws RangeError if there is none.
 */
export function deviation(samples: readonly number[]): number {
  const centre = median(samples);
  return median(samples.map((sample) => Math.abs(sample - centre)));
}

function requireSome(samples: readonly number[]): void {
  if (samples.length === 0) throw new RangeError("got no samples, expected at least one");
}
