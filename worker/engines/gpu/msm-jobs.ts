/** The chunks of several sections as jobs of one submission, each with memory of its own. */
import type { GpuSlice } from "../../gpu/device.ts";
import { type MsmPlan, type PlanLimits, planMsm, resultBytes } from "./msm-plan.ts";
import type { SectionResults } from "./msm-tail.ts";
import type { Section, SectionChunk } from "./section.ts";

/** Memory for a number of bytes: from a multiple of ALIGNMENT, within one buffer, for nothing else. */
export type Take = (bytes: number) => GpuSlice;

/** The plans of each section's chunks. */
export function planSections(
  sections: readonly Pick<Section, "chunks">[],
  proofs: number,
  limits: PlanLimits,
): MsmPlan[][] {
  return sections.map(({ chunks }) => chunks.map((chunk) => planMsm(chunk, proofs, limits)));
}

/** A chunk with its plan and its memory: in each region the parts of all proofs, one after the other. */
export interface Job {
  readonly chunk: SectionChunk;
  readonly plan: MsmPlan;
  /** Its section's number. */
  readonly section: number;
  readonly counts: GpuSlice;
  readonly blockSums: GpuSlice;
  readonly entries: GpuSlice;
  readonly buckets: GpuSlice;
  readonly slotBuckets: readonly GpuSlice[];
  readonly slotValues: readonly GpuSlice[];
  readonly rows: readonly GpuSlice[];
}

/** Proofs of one dispatch. */
export interface Range {
  readonly from: number;
  readonly count: number;
}

export interface Jobs {
  readonly jobs: readonly Job[];
  /** Where each section's results are. */
  readonly layout: readonly SectionResults[];
  /** All jobs' last rows, in one piece, so that one download brings them; none without a job. */
  readonly results: GpuSlice | undefined;
  /** All that was taken, and with it all that depends on scalars. */
  readonly regions: readonly GpuSlice[];
}

/** @param take  called for what `scratchBytes` counts, in all. */
export function jobsOf(
  sections: readonly Section[],
  proofs: number,
  limits: PlanLimits,
  take: Take,
): Jobs {
  const plans = planSections(sections, proofs, limits);
  const regions: GpuSlice[] = [];
  const region = (bytes: number) => {
    const slice = { ...take(bytes), bytes };
    regions.push(slice);
    return slice;
  };
  const forAll = (bytes: number) => region(proofs * bytes);
  const resultsBytes = plans.flat().reduce((sum, plan) => sum + proofs * resultBytes(plan), 0);
  const results = resultsBytes === 0 ? undefined : region(resultsBytes);
  let at = 0;
  const jobs: Job[] = [];
  const layout = sections.map(({ group, chunks }, section) => ({
    group,
    parts: chunks.map((chunk, i) => {
      const plan = plans[section]?.[i] as MsmPlan;
      const { bytes, bits, windows, reductions } = plan;
      const stride = resultBytes(plan);
      const part = { bits, windows, rows: reductions.length, offset: at, stride };
      const { buffer, offset = 0 } = results as GpuSlice;
      const last = { buffer, offset: offset + at, bytes: proofs * stride };
      at += last.bytes;
      jobs.push({
        ...{ chunk, plan, section },
        counts: forAll(bytes.counts),
        blockSums: forAll(bytes.blockSums),
        entries: forAll(bytes.entries),
        buckets: forAll(bytes.buckets),
        slotBuckets: bytes.slotBuckets.map(forAll),
        slotValues: bytes.slotValues.map(forAll),
        rows: [...bytes.rows.slice(0, -1).map(forAll), last],
      });
      return part;
    }),
  }));
  return { jobs, layout, results, regions };
}

/** The part of the proofs in a region that has `stride` bytes for each. */
export function partOf(
  { buffer, offset = 0 }: GpuSlice,
  stride: number,
  { from, count }: Range,
): GpuSlice {
  return { buffer, offset: offset + from * stride, bytes: count * stride };
}
