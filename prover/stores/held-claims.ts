import { discard } from "../../worker/spent-bytes.ts";
import type { JobInput } from "../job.ts";
import type { CircuitKey, Lease, RevokeReason } from "../job-store.ts";

interface Held extends CircuitKey {
  readonly token: string;
  readonly revoke: AbortController;
  input: JobInput | undefined;
}

/** The jobs that this process works on, with what must be wiped when it has them no more. */
export class HeldClaims {
  readonly #held = new Map<string, Held>();

  /** Of each of them, for counts. */
  get circuits(): Iterable<CircuitKey> {
    return this.#held.values();
  }

  add({ jobId, token }: Lease, { circuitId, zkeySha256 }: CircuitKey): void {
    const revoke = new AbortController();
    this.#held.set(jobId, { circuitId, zkeySha256, token, revoke, input: undefined });
  }

  /** @returns the claim's signal; it has aborted if the claim is over already. */
  give({ jobId, token }: Lease, input: JobInput): AbortSignal {
    const held = this.#held.get(jobId);
    if (held?.token !== token) return AbortSignal.abort("lost" satisfies RevokeReason);
    held.input = input;
    return held.revoke.signal;
  }

  revoke(jobId: string, reason: RevokeReason): void {
    this.#held.get(jobId)?.revoke.abort(reason);
  }

  /** @param token  if given, only this claim. */
  release(jobId: string, token?: string): void {
    if (token !== undefined && this.#held.get(jobId)?.token !== token) return;
    // The bytes may be a witness: do not leave them to the garbage collector, unless they have moved to a thread.
    const input = this.#held.get(jobId)?.input;
    if (input !== undefined) discard(input.bytes);
    this.#held.delete(jobId);
  }
}
