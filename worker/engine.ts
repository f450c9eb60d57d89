/**
 * The seam between Groth16, which is written once (`groth16.ts`), and whatever does the heavy
 * arithmetic: bigints (`engines/reference.ts`), our own WebAssembly (`engines/wasm.ts`), and later a
 * GPU.
 *
 * An engine sums points and checks a proof's equation; of how a proof is made and blinded it knows
 * nothing. The long vectors (witness, quotient) and the long sections of a key never cross the seam
 * after they were handed in, so that an engine may keep them in its own memory and representation.
 * Sums are given as a whole list of terms, so that an engine may merge them into one multi-scalar
 * multiplication. Every implementation passes test/worker/conformance.ts.
 */
import type { G1Point, G2Point } from "./curve.ts";
import type { Proof } from "./proof.ts";
import type { VerificationKey } from "./verification-key.ts";
import type { Zkey } from "./zkey.ts";

export interface Engine {
  /** For people and metrics, such as "wasm (fma, revectorized)". */
  readonly name: string;
  /**
   * Makes a key ready for proving. The engine may keep views of the key's bytes: they must not
   * change while the key is resident.
   *
   * @param zkey  checked by `parseZkey`; the engine trusts its counts, indices and points.
   */
  loadKey(zkey: Zkey): Promise<ResidentKey>;
  /**
   * Whether a proof verifies: coordinates canonical, points on their curves, B in its subgroup, and
   * the pairing equation of `groth16.ts`. What is not so is `false`, not an error.
   *
   * @param key  checked (`verificationKeyFromJson` or `parseZkey`).
   * @param publicSignals  canonical, as many as the key has.
   */
  verify(key: VerificationKey, publicSignals: readonly bigint[], proof: Proof): Promise<boolean>;
  /** Ends threads and frees what the engine holds. Idempotent. */
  close(): Promise<void>;
}

/** A proving key inside an engine. */
export interface ResidentKey {
  /**
   * Starts one proof's work. One run at a time for each key.
   *
   * @param witness  nVars x 32 B, little-endian, canonical, the first one 1 (`parseWtns` checks it).
   *   Not copied and not changed; the caller wipes it after `end`.
   * @param threads  How many will work on it, as far as the caller knows; 1 when left out.
   */
  begin(witness: Uint8Array, threads?: number): ProofRun;
  /** Frees the key. No run may be open. */
  release(): void;
}

/** One proof's work. Call `end` on every path. */
export interface ProofRun {
  /**
   * All sums that a request asks for, in any order inside: an engine may merge terms, share what
   * they have in common, and let several threads work on them. One call at a time.
   *
   * The scalars of section "h" are the quotient's values: with a, b, c the polynomials of degree < n
   * that have the values <A_i, w>, <B_i, w> and their products at the n-th roots of unity,
   * h_i = a b - c at the i-th root times a primitive root of order 2n. (There X^n - 1 is the constant
   * -2, which the key's section "h" has absorbed.)
   */
  sums(request: SumRequest, checkpoint: Checkpoint): Promise<Sums>;
  /** Waits for what still runs and wipes everything derived from the witness. Idempotent. */
  end(): Promise<void>;
}

/** Up to eight terms with sections in all. */
export interface SumRequest {
  readonly g1: readonly (readonly G1Term[])[];
  readonly g2: readonly (readonly G2Term[])[];
}

/** One point for each list of terms, in the same order. */
export interface Sums {
  readonly g1: readonly G1Point[];
  readonly g2: readonly G2Point[];
}

/**
 * Either factor * (sum over the section's points of scalar * point), or factor * point. The scalars
 * are given by the section: the witness for "a" and "b1", its private part (from index nPublic + 1)
 * for "c", the quotient for "h". Factors are canonical scalars; 1 when left out.
 */
export type G1Term =
  | { readonly section: "a" | "b1" | "c" | "h"; readonly factor?: bigint }
  | { readonly point: G1Point; readonly factor: bigint };

/** As G1Term; "b2" takes the witness. */
export type G2Term =
  | { readonly section: "b2"; readonly factor?: bigint }
  | { readonly point: G2Point; readonly factor: bigint };

/**
 * Called by an engine between pieces of work, often enough that two calls are not more than about
 * 100 ms apart, with the part of the operation that is done (0 to 1, not decreasing). It throws
 * WorkError CANCELLED when the work shall stop; the engine lets that pass through.
 */
export type Checkpoint = (done: number) => void;
