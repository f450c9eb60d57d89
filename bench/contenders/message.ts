/** What the benchmark asks a contender's own process, and what that answers. */
import type { ProofJson } from "../../worker/proof.ts";

export type Request =
  /** Makes a key ready. Once. */
  | { readonly kind: "load"; readonly zkeyPath: string }
  /** From a witness file to a proof. */
  | { readonly kind: "prove"; readonly wtnsPath: string }
  /** From circom's inputs to a proof. The witness program is compiled before, unless it cannot be. */
  | {
      readonly kind: "prove-inputs";
      readonly jsonPath: string;
      readonly wasmPath: string;
    };

export interface Loaded {
  readonly kind: "loaded";
  /** From the file on disk to a key that is ready. */
  readonly ms: number;
  /** Who computes, in the contender's own words. */
  readonly engineName: string;
}

export interface ProvedMessage {
  readonly kind: "proved";
  /** Measured inside, from before the file is read to after the proof is there. */
  readonly ms: number;
  readonly proof: ProofJson;
  readonly publicSignals: readonly string[];
  /** Where the contender says that the time went. */
  readonly stageMs?: Readonly<Record<string, number>>;
  /** Bytes that it holds on a device, where there is one. */
  readonly deviceBytes?: number;
}

export type Answer = Loaded | ProvedMessage;
