/**
 * What a proof costs a GPU in field multiplications, from counts of how the work is cut up, and how long that
 * takes at given rates: what can be said where there is no GPU. Nothing here was measured.
 *
 * Counts are those of dense scalars, the worst case of a witness, and no point counts as infinity. Many values
 * of a real circuit's witness are 0 or 1 and cost next to nothing.
 */
import { denseMultiplications } from "../../worker/engines/gpu/msm-cost.ts";
import { type MsmShape, planMsm } from "../../worker/engines/gpu/msm-plan.ts";
import type { GpuLimits } from "../../worker/gpu/device.ts";
import { markdownTable, shortNumber } from "../report/table.ts";

/** Sizes that decide the counts. */
export interface CircuitSize {
  readonly id: string;
  readonly constraints: number;
  readonly wires: number;
  readonly domainLog2: number;
  /** Coefficients of the matrices A and B for each constraint, where nobody counted them all. */
  readonly coefficientsEach: number;
}

export interface GpuProofCost {
  /** In Fr: sparse rows, transforms, products. */
  readonly quotient: number;
  /** In Fq: A, B in G1, C, H. */
  readonly sumsG1: number;
  /** In Fq: B in G2. */
  readonly sumsG2: number;
  readonly total: number;
}

/** As devices of the H200's class have them; binding less than a sum needs would cut it into parts. */
const LIMITS: Pick<GpuLimits, "bindingBytes" | "workgroupCount"> = {
  bindingBytes: 2 ** 32 - 1,
  workgroupCount: [2 ** 31 - 1, 65_535, 65_535],
};

/** Multiplications per second that the choice of Vulkan was made with, for an H200, and the bar of sums. */
export const RATES = {
  low: 25e9,
  high: 40e9,
  /** Part of the rate that sums have to reach at least. */
  share: 0.4,
} as const;

/** @param quotients  `gpu-quotient.json`: without the matrices' coefficients, by domain. */
export function gpuProofCost(
  { constraints, wires, domainLog2, coefficientsEach }: CircuitSize,
  quotients: Snapshots["quotients"],
): GpuProofCost {
  const dense = quotients[`2^${domainLog2}`]?.multiplications.total;
  if (dense === undefined) throw new Error(`gpu-quotient.json has no 2^${domainLog2}`);
  const quotient = dense + Math.round(coefficientsEach * constraints);
  const sum = (shape: MsmShape) => denseMultiplications(planMsm(shape, 1, LIMITS)).total;
  const sumsG1 =
    3 * sum({ group: "g1", count: wires }) + sum({ group: "g1", count: 2 ** domainLog2 });
  const sumsG2 = sum({ group: "g2", count: wires });
  return { quotient, sumsG1, sumsG2, total: quotient + sumsG1 + sumsG2 };
}

/** The committed counts: `test/snapshots/constraints.json`, `proofs.json` and `gpu-quotient.json`. */
export interface Snapshots {
  readonly constraints: {
    readonly circuits: Readonly<
      Record<string, { constraints: number; wires: number; domainLog2: number }>
    >;
  };
  readonly proofs: Readonly<
    Record<string, { readonly quotient: { readonly sparseProducts: number } }>
  >;
  readonly quotients: Readonly<
    Record<string, { readonly multiplications: { readonly total: number } }>
  >;
}

/** Generated circuits of the benchmark: wires as many as points, two or three terms in a row of each matrix. */
const GENERATED = [12, 14, 16, 17, 18, 20] as const;

/** Of the circuits whose sizes are committed, and of the benchmark's. */
export function circuitSizes({
  constraints: { circuits },
  proofs,
}: Pick<Snapshots, "constraints" | "proofs">): CircuitSize[] {
  const each = (id: string, constraints: number): number => {
    const count = proofs[id]?.quotient.sparseProducts;
    if (count === undefined) throw new Error(`proofs.json has no ${id}: run npm run costs`);
    return count / constraints;
  };
  const { "batch-tiny": tiny } = circuits;
  if (tiny === undefined) throw new Error("constraints.json has no batch-tiny: run npm run costs");
  // The larger batches repeat what the smallest is made of; only of that one all were counted.
  const ofBatch = each("batch-tiny", tiny.constraints);
  const ofDense = each("dense-10", 2 ** 10 - 3);
  return [
    ...Object.entries(circuits).map(([id, size]) => ({ id, ...size, coefficientsEach: ofBatch })),
    ...GENERATED.map((domainLog2) => ({
      id: `dense-${domainLog2}`,
      constraints: 2 ** domainLog2 - 3,
      wires: 2 ** domainLog2,
      domainLog2,
      coefficientsEach: ofDense,
    })),
  ];
}

/** Markdown for docs/gpu.md. */
export function estimateBlock(snapshots: Snapshots): string {
  const millions = (count: number) => shortNumber(count / 1e6);
  const ms = (count: number, rate: number) => shortNumber((1000 * count) / rate);
  const rows = circuitSizes(snapshots).map((size) => {
    const { quotient, sumsG1, sumsG2, total } = gpuProofCost(size, snapshots.quotients);
    return [
      `\`${size.id}\``,
      size.constraints.toLocaleString("en"),
      ...[quotient, sumsG1, sumsG2, total].map(millions),
      ms(total, RATES.high),
      ms(total, RATES.low * RATES.share),
      shortNumber((RATES.low * RATES.share) / total),
    ];
  });
  const [low, high] = [RATES.low / 1e9, RATES.high / 1e9];
  const part = `${100 * RATES.share} %`;
  const header = [
    "circuit",
    "constraints",
    "quotient, M mul",
    "sums in G1",
    "sum in G2",
    "all",
    `ms at ${high} G/s, all used`,
    `ms at ${low} G/s, ${part} used`,
    "proofs/s then",
  ];
  return markdownTable(header, rows);
}
