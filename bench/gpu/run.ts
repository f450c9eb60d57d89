/** One run of `npm run bench -- --engine vulkan`: every measurement that was asked for, one after the other. */
import type { GpuDevice } from "../../worker/gpu/device.ts";
import { openVulkan } from "../../worker/gpu/vulkan.ts";
import type { OnProgress } from "../fixtures/fixture.ts";
import { describeCommit, describeMachine } from "../machine.ts";
import { measureFields } from "./fields.ts";
import { measureMsm } from "./msm.ts";
import type { GpuMeasure, GpuOptions } from "./options.ts";
import { measurePoints } from "./points.ts";
import { measureProofs } from "./proofs.ts";
import { type DeviceFacts, type GpuBenchResult, SOFTWARE_WARNING } from "./result.ts";
import type { GpuSession } from "./timing.ts";
import { measureTransforms } from "./transforms.ts";

type Part = Partial<GpuBenchResult>;

/**
 * @param command   what the user typed, for the record.
 * @param progress  gets what is being done, and the part of it that is done.
 * @param keep      gets what is known so far after every measurement: a run may be cut short.
 * @throws WorkError ENGINE_UNAVAILABLE if there is no device to measure.
 */
export async function runGpuBench(
  options: GpuOptions,
  command: string,
  progress: OnProgress,
  keep: (result: GpuBenchResult) => Promise<void>,
): Promise<GpuBenchResult> {
  const startedMs = performance.now();
  const missing = new Map<string, string>();
  const device = await openVulkan(options.device === undefined ? {} : { device: options.device });
  let result = emptyResult(options, command, factsOf(device));
  try {
    const session: GpuSession = {
      device,
      rounds: options.rounds,
      fillMs: options.fillMs,
      progress,
      miss: (what, why) => missing.set(what, `${what}: ${why}`),
    };
    const add = async (part: Part) => {
      result = {
        ...result,
        ...part,
        missing: [...missing.values()],
        minutes: Math.round((performance.now() - startedMs) / 6_000) / 10,
      };
      await keep(result);
    };
    const attempt = (measure: GpuMeasure, work: () => Promise<Part>): Promise<void> =>
      work()
        .catch((error: Error): Part => {
          session.miss(measure, error.message);
          return {};
        })
        .then(add);
    for (const measure of options.measures) {
      if (measure === "proofs") continue;
      await attempt(measure, () => measured(session, measure, options));
    }
    // Proofs have processes of their own; the device's memory is theirs then.
    await device.close();
    if (options.measures.includes("proofs")) {
      await attempt("proofs", () => measureProofs(session, options, add));
    }
  } finally {
    await device.close();
  }
  result = { ...result, isComplete: true };
  await keep(result);
  return result;
}

async function measured(
  session: GpuSession,
  measure: Exclude<GpuMeasure, "proofs">,
  { invocations, transforms, msm }: GpuOptions,
): Promise<Part> {
  switch (measure) {
    case "fields":
      return { fields: await measureFields(session, invocations) };
    case "points":
      return { points: await measurePoints(session, invocations) };
    case "transforms":
      return { transforms: await measureTransforms(session, transforms) };
    case "msm":
      return { msm: await measureMsm(session, msm) };
  }
}

function emptyResult(
  { isQuick }: GpuOptions,
  command: string,
  device: DeviceFacts,
): GpuBenchResult {
  const isSoftware = device.kind === "software";
  return {
    formatVersion: 1,
    ...(isSoftware && { warning: SOFTWARE_WARNING }),
    isSoftware,
    startedAt: new Date().toISOString(),
    minutes: 0,
    command,
    isQuick,
    isComplete: false,
    commit: describeCommit(),
    machine: describeMachine(),
    device,
    fixtures: [],
    fields: [],
    points: [],
    transforms: [],
    msm: [],
    proofs: [],
    throughput: [],
    checkedProofs: 0,
    missing: [],
  };
}

function factsOf({ name, kind, driver, heaps, limits }: GpuDevice): DeviceFacts {
  const local = heaps.filter(({ isLocal }) => isLocal);
  return {
    name,
    kind,
    driver,
    localBytes: local.reduce((sum, { bytes }) => sum + bytes, 0),
    bindingBytes: limits.bindingBytes,
    sharedBytes: limits.sharedBytes,
  };
}
