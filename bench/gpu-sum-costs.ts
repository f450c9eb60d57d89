/**
 * What a sum of scalar * point costs on a GPU in field multiplications, for the snapshot that shows
 * when a change makes proofs more expensive. Window bits and chunks follow from the count, too: for one
 * proof at a time, on a device whose limits do not matter.
 */
import {
  denseMultiplications,
  type MsmCost,
  mostMultiplications,
} from "../worker/engines/gpu/msm-cost.ts";
import { planMsm } from "../worker/engines/gpu/msm-plan.ts";

export interface SumCost extends MsmCost {
  readonly bits: number;
  readonly windows: number;
  /** Entries that one invocation adds up. */
  readonly chunk: number;
  /** What no scalars exceed; the rest is for dense ones. */
  readonly most: number;
}

/** By group and size. */
export function costSnapshot(): Record<string, SumCost> {
  const limits = {
    bindingBytes: 2 ** 32 - 1,
    workgroupCount: [2 ** 31 - 1, 65_535, 65_535],
  } as const;
  const sizes = Array.from({ length: 7 }, (_, i) => 14 + i);
  return Object.fromEntries(
    (["g1", "g2"] as const).flatMap((group) =>
      sizes.map((log2) => {
        const plan = planMsm({ group, count: 2 ** log2 }, 1, limits);
        const { bits, windows, levels } = plan;
        const chunk = levels[0]?.chunk ?? 0;
        const { total: most } = mostMultiplications(plan);
        return [
          `${group} 2^${log2}`,
          { bits, windows, chunk, ...denseMultiplications(plan), most },
        ];
      }),
    ),
  );
}
