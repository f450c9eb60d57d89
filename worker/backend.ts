/** Where a Prover (`prover.ts`) computes: in its own thread (`solo.ts`) or in others (`ensemble.ts`). */
import type { KeySource } from "./engines/wasm/key-load.ts";
import type { OnProgress, Proved } from "./groth16.ts";
import type { VerificationKey } from "./verification-key.ts";

/** A key that a Prover has loaded. */
export interface ProvingKey {
  /** Values in a witness, the constant 1 included. */
  readonly nVars: number;
  readonly nPublic: number;
  readonly verificationKey: VerificationKey;
  /** Whether its secrets are public, so that its proofs show nothing. */
  readonly isDevKey: boolean;
  /** Frees its memory, after the proofs that still need it. Idempotent. */
  release(): Promise<void>;
}

export interface LoadKeyOptions {
  /** Development keys are refused unless this is true: anybody can forge their proofs. */
  readonly allowDevKeys?: boolean;
}

export interface ProveWtnsOptions {
  /** Aborting makes `prove` throw CANCELLED soon; not with `threads: "one"`, which blocks its thread. */
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
  /** The circuit's `.r1cs` file: a proof that fails is then explained by the constraint. */
  readonly r1cs?: Uint8Array;
}

/** The methods are those of Prover. */
export interface Backend {
  readonly engineName: string;
  loadKey(zkey: KeySource, options: LoadKeyOptions): Promise<ProvingKey>;
  /** @throws TypeError for another Prover's key or one that was released. */
  prove(key: ProvingKey, wtns: Uint8Array, options: ProveWtnsOptions): Promise<Proved>;
  close(): Promise<void>;
}
