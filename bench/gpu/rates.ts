/** Rates that follow from a run's times. */
import { median } from "../statistics.ts";
import type { FieldRate, GpuBenchResult, PointRate } from "./result.ts";

/** Products per second of all invocations together. */
export function productsPerSecond(rate: FieldRate): number {
  const { invocations, chains, turns, samplesMs } = rate;
  return (1000 * invocations * chains * turns) / median(samplesMs);
}

export function additionsPerSecond({ invocations, turns, samplesMs }: PointRate): number {
  return (1000 * invocations * turns) / median(samplesMs);
}

/** The device's multiplication rate in a field: the best over sizes and chains. */
export function bestRate(
  { fields }: Pick<GpuBenchResult, "fields">,
  field: FieldRate["field"],
): number | undefined {
  const rates = fields.filter((rate) => rate.field === field).map(productsPerSecond);
  return rates.length === 0 ? undefined : Math.max(...rates);
}
