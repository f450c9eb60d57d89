/** What one run of `npm run bench -- --engine vulkan` found: the form of the files in `bench/results/gpu`. */
import type { FixtureFacts } from "../fixtures/fixture.ts";
import type { Commit, Machine } from "../machine.ts";
import { COMMIT_FORM, checkForm, type Form, MACHINE_FORM, NUMBERS } from "../report/form.ts";

/** Whoever opens a file of a software device reads this first. */
export const SOFTWARE_WARNING =
  "SOFTWARE DEVICE: this ran on the processor. It shows that the programs work and says NOTHING about the speed of any GPU.";

export interface DeviceFacts {
  readonly name: string;
  readonly kind: "discrete" | "integrated" | "virtual" | "software";
  /** The driver's own count. */
  readonly driver: string;
  /** Bytes of the device's own memory. */
  readonly localBytes: number;
  readonly bindingBytes: number;
  readonly sharedBytes: number;
}

/** One chain of products for each of many invocations, each product of the one before. */
export interface FieldRate {
  readonly field: "Fq" | "Fr";
  /** Chains in one invocation, independent of each other. */
  readonly chains: number;
  readonly invocations: number;
  /** Products in a chain. */
  readonly turns: number;
  readonly samplesMs: readonly number[];
}

/** One sum of points for each of many invocations. */
export interface PointRate {
  readonly group: "g1" | "g2";
  /** The same affine point again and again, or a point in XYZZ coordinates. */
  readonly addition: "affine" | "xyzz";
  readonly invocations: number;
  /** Additions in a chain. */
  readonly turns: number;
  /** Multiplications in Fq of one addition. */
  readonly multiplications: number;
  readonly samplesMs: readonly number[];
}

export interface TransformTime {
  readonly order: "inFrequency" | "inTime";
  readonly log2: number;
  /** Transforms side by side. */
  readonly vectors: number;
  /** Multiplications in Fr of all of them. */
  readonly multiplications: number;
  /** Of all of them. */
  readonly samplesMs: readonly number[];
}

export interface SumTime {
  readonly group: "g1" | "g2";
  readonly log2: number;
  /** Sums side by side. */
  readonly sums: number;
  /** Multiplications in Fq of all of them, counted: as if no digit were 0. */
  readonly multiplications: number;
  /** On the device. */
  readonly samplesMs: readonly number[];
  /** Fetching what the device leaves, and the rest on one thread of the processor. */
  readonly tailMs: readonly number[];
}

export type ProofEngine = "vulkan" | "wasm";

/** From the witness file to the verified proof, one at a time, all cores. */
export interface ProofTime {
  readonly fixture: string;
  readonly engine: ProofEngine;
  readonly engineName: string;
  readonly keyLoadMs: number;
  /** The first proof; not among the samples. */
  readonly firstMs: number;
  readonly samplesMs: readonly number[];
  /** Medians, where the engine says where its time goes. */
  readonly stageMs?: Readonly<Record<string, number>>;
  /** Device memory with the key and one proof at a time; only of a GPU. */
  readonly deviceBytes?: number;
}

export interface ProofRate {
  readonly fixture: string;
  readonly engine: ProofEngine;
  /** Proofs asked for at the same time. */
  readonly inFlight: number;
  readonly proofsPerSecond: readonly number[];
  /** Device memory afterwards; only of a GPU. */
  readonly deviceBytes?: number;
}

export interface GpuBenchResult {
  readonly formatVersion: 1;
  /** `SOFTWARE_WARNING` where it is one. */
  readonly warning?: string;
  readonly isSoftware: boolean;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly minutes: number;
  readonly command: string;
  readonly isQuick: boolean;
  /** False in a file that a run left which did not come to its end. */
  readonly isComplete: boolean;
  readonly commit: Commit;
  readonly machine: Machine;
  readonly device: DeviceFacts;
  readonly fixtures: readonly FixtureFacts[];
  readonly fields: readonly FieldRate[];
  readonly points: readonly PointRate[];
  readonly transforms: readonly TransformTime[];
  readonly msm: readonly SumTime[];
  readonly proofs: readonly ProofTime[];
  readonly throughput: readonly ProofRate[];
  /** Proofs whose equation bigints have checked: the first one of each engine and circuit. */
  readonly checkedProofs: number;
  /** What was asked for and could not be measured, a line each. */
  readonly missing: readonly string[];
}

/**
 * Reads a results file, parsed.
 *
 * @throws RangeError that names the place if the form is another, or a software device is not marked.
 */
export function parseGpuResult(json: unknown): GpuBenchResult {
  checkForm(json, RESULT, "result");
  const result = json as GpuBenchResult;
  const isSoftware = result.device.kind === "software";
  if (result.isSoftware !== isSoftware || (result.warning === SOFTWARE_WARNING) !== isSoftware) {
    throw new RangeError(
      `result: got a ${result.device.kind} device with isSoftware ${result.isSoftware}, expected the mark and the warning on software devices and nowhere else`,
    );
  }
  return result;
}

const GROUP: Form = { oneOf: ["g1", "g2"] };
const ENGINE: Form = { oneOf: ["vulkan", "wasm"] };

const RESULT: Form = {
  fields: {
    formatVersion: { oneOf: [1] },
    warning: { optional: "string" },
    isSoftware: "boolean",
    startedAt: "string",
    minutes: "number",
    command: "string",
    isQuick: "boolean",
    isComplete: "boolean",
    commit: COMMIT_FORM,
    machine: MACHINE_FORM,
    device: {
      fields: {
        name: "string",
        kind: { oneOf: ["discrete", "integrated", "virtual", "software"] },
        driver: "string",
        localBytes: "number",
        bindingBytes: "number",
        sharedBytes: "number",
      },
    },
    fixtures: {
      each: {
        fields: {
          id: "string",
          kind: { oneOf: ["dense", "bits", "batch"] },
          log2: "number",
          constraints: "number",
          zkeyBytes: "number",
        },
      },
    },
    fields: {
      each: {
        fields: {
          field: { oneOf: ["Fq", "Fr"] },
          chains: "number",
          invocations: "number",
          turns: "number",
          samplesMs: NUMBERS,
        },
      },
    },
    points: {
      each: {
        fields: {
          group: GROUP,
          addition: { oneOf: ["affine", "xyzz"] },
          invocations: "number",
          turns: "number",
          multiplications: "number",
          samplesMs: NUMBERS,
        },
      },
    },
    transforms: {
      each: {
        fields: {
          order: { oneOf: ["inFrequency", "inTime"] },
          log2: "number",
          vectors: "number",
          multiplications: "number",
          samplesMs: NUMBERS,
        },
      },
    },
    msm: {
      each: {
        fields: {
          group: GROUP,
          log2: "number",
          sums: "number",
          multiplications: "number",
          samplesMs: NUMBERS,
          tailMs: NUMBERS,
        },
      },
    },
    proofs: {
      each: {
        fields: {
          fixture: "string",
          engine: ENGINE,
          engineName: "string",
          keyLoadMs: "number",
          firstMs: "number",
          samplesMs: NUMBERS,
          stageMs: { optional: { recordOf: "number" } },
          deviceBytes: { optional: "number" },
        },
      },
    },
    throughput: {
      each: {
        fields: {
          fixture: "string",
          engine: ENGINE,
          inFlight: "number",
          proofsPerSecond: NUMBERS,
          deviceBytes: { optional: "number" },
        },
      },
    },
    checkedProofs: "number",
    missing: { each: "string" },
  },
};
