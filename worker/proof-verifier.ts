/** Verifies proofs without an engine, on one-lane kernels alone: about 1.5 ms for a key seen before. */
import type { Engine } from "./engine.ts";
import { Tower } from "./kernels/tower.ts";
import { type PreparedKey, Verifier } from "./kernels/verifier.ts";
import type { Proof } from "./proof.ts";
import type { VerificationKey } from "./verification-key.ts";

export class ProofVerifier implements Pick<Engine, "verify"> {
  readonly #verifier: Verifier;
  readonly #prepared = new WeakMap<VerificationKey, PreparedKey>();

  /** @param tower  opened here when left out. */
  constructor(tower = Tower.open()) {
    this.#verifier = new Verifier(tower);
  }

  /** As `Engine.verify`. */
  async verify(
    key: VerificationKey,
    publicSignals: readonly bigint[],
    proof: Proof,
  ): Promise<boolean> {
    const prepared = this.#prepared.get(key) ?? this.#verifier.prepare(key);
    this.#prepared.set(key, prepared);
    return this.#verifier.verify(prepared, publicSignals, proof);
  }
}
