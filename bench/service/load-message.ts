/** What the benchmark asks the load generator, and what that answers. */
import type { ProofJson } from "../../worker/proof.ts";

export type LoadQuestion =
  /** Proves again and again in so many lanes at once, until the time is over. */
  | { readonly kind: "prove"; readonly lanes: number; readonly ms: number }
  /** Submits at fixed times, whatever becomes of earlier ones. */
  | { readonly kind: "submit"; readonly perSecond: number; readonly ms: number };

export interface ProvedAnswer {
  readonly kind: "proved";
  /** When each proof was there, ms on the generator's clock, ascending. */
  readonly atMs: readonly number[];
  /** All of them. */
  readonly proofs: readonly { readonly proof: ProofJson; readonly publicSignals: string[] }[];
  readonly cpuSeconds: number;
}

export interface SubmittedAnswer {
  readonly kind: "submitted";
  /** From the time at which it was due to its acceptance: a stall counts against all that wait. */
  readonly acceptedMs: readonly number[];
  readonly refused: number;
  readonly requestBytes: number;
  readonly cpuSeconds: number;
  readonly seconds: number;
}

export type LoadAnswer = ProvedAnswer | SubmittedAnswer;
