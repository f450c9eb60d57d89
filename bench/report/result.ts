/** What one run of the benchmark found: the form of the files in `bench/results`. */
import type { FixtureFacts } from "../fixtures/fixture.ts";
import type { Commit, Machine } from "../machine.ts";
import { COMMIT_FORM, checkForm, type Form, MACHINE_FORM, NUMBERS } from "./form.ts";

export interface ContenderFacts {
  readonly id: string;
  readonly title: string;
  readonly role: "ours" | "peer";
  readonly threads: "all" | "one";
  /** Who it said that it is. */
  readonly engineName: string;
  /** True if each of its times holds start and key load as well. */
  readonly includesKeyLoad: boolean;
}

/** From the witness file to the proof (ours: verified), one at a time. */
export interface Latency {
  readonly fixture: string;
  readonly contender: string;
  /** The first proof after the key was loaded; not among the samples. */
  readonly firstMs: number;
  readonly samplesMs: readonly number[];
  /** File to ready, one for each time that it was opened. */
  readonly keyLoadMs: readonly number[];
  readonly peakBytes?: number;
  /** Medians, where the contender says where its time goes. */
  readonly stageMs?: Readonly<Record<string, number>>;
}

/** From circom's inputs to the proof. */
export interface InputToProof {
  readonly fixture: string;
  readonly contender: string;
  readonly samplesMs: readonly number[];
  /** True where the prover takes witnesses only: its times plus the median of snarkjs's witness. */
  readonly isSum: boolean;
}

/** Proofs per second with every core busy. */
export interface Throughput {
  readonly fixture: string;
  /** The contender that uses all cores, also where the processes are its one-thread form. */
  readonly contender: string;
  /** "one process" that uses all cores, or one "processes" a core with one thread each. */
  readonly arrangement: "one process" | "processes";
  readonly processes: number;
  /** Proofs asked for at the same time of each process. */
  readonly inFlight: number;
  /** One number a round. */
  readonly proofsPerSecond: readonly number[];
  readonly keyLoadMs: readonly number[];
  /** Of all processes together. */
  readonly peakBytes?: number;
}

/** One multi-scalar multiplication alone, one thread. */
export interface MsmTime {
  readonly group: "g1" | "g2";
  readonly log2: number;
  readonly engine: string;
  readonly samplesMs: readonly number[];
}

export interface BenchResult {
  readonly formatVersion: 1;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly minutes: number;
  readonly command: string;
  /** A short run: its numbers are rough. */
  readonly isQuick: boolean;
  readonly commit: Commit;
  readonly machine: Machine;
  readonly fixtures: readonly FixtureFacts[];
  readonly contenders: readonly ContenderFacts[];
  /** What was asked for and could not be measured, a line each. */
  readonly missing: readonly string[];
  readonly latency: readonly Latency[];
  readonly inputToProof: readonly InputToProof[];
  readonly throughput: readonly Throughput[];
  readonly msm: readonly MsmTime[];
  /** Every proof of the run was verified with snarkjs; so many. */
  readonly verifiedProofs: number;
}

/**
 * Reads a results file, parsed.
 *
 * @throws RangeError that names the place if the form is another.
 */
export function parseResult(json: unknown): BenchResult {
  checkForm(json, RESULT, "result");
  return json as BenchResult;
}

const SAMPLES = { fixture: "string", contender: "string" } as const;

const RESULT: Form = {
  fields: {
    formatVersion: { oneOf: [1] },
    startedAt: "string",
    minutes: "number",
    command: "string",
    isQuick: "boolean",
    commit: COMMIT_FORM,
    machine: MACHINE_FORM,
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
    contenders: {
      each: {
        fields: {
          id: "string",
          title: "string",
          role: { oneOf: ["ours", "peer"] },
          threads: { oneOf: ["all", "one"] },
          engineName: "string",
          includesKeyLoad: "boolean",
        },
      },
    },
    missing: { each: "string" },
    latency: {
      each: {
        fields: {
          ...SAMPLES,
          firstMs: "number",
          samplesMs: NUMBERS,
          keyLoadMs: NUMBERS,
          peakBytes: { optional: "number" },
          stageMs: { optional: { recordOf: "number" } },
        },
      },
    },
    inputToProof: { each: { fields: { ...SAMPLES, samplesMs: NUMBERS, isSum: "boolean" } } },
    throughput: {
      each: {
        fields: {
          ...SAMPLES,
          arrangement: { oneOf: ["one process", "processes"] },
          processes: "number",
          inFlight: "number",
          proofsPerSecond: NUMBERS,
          keyLoadMs: NUMBERS,
          peakBytes: { optional: "number" },
        },
      },
    },
    msm: {
      each: {
        fields: {
          group: { oneOf: ["g1", "g2"] },
          log2: "number",
          engine: "string",
          samplesMs: NUMBERS,
        },
      },
    },
    verifiedProofs: "number",
  },
};
