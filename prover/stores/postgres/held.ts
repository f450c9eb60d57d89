import { discard } from "../../../worker/spent-bytes.ts";
import type { JobInput } from "../../job.ts";
import type { RevokeReason } from "../../job-store.ts";

/** A claim of this process. */
interface Held {
  readonly token: string;
  readonly revoke: AbortController;
  readonly input: JobInput;
  readonly expireMs: number | undefined;
}

/** The jobs that this process works on, by their numbers. */
export class HeldJobs {
  readonly #held = new Map<number, Held>();

  /** Numbers of those that may expire. */
  get expiring(): readonly number[] {
    return [...this.#held].flatMap(([number, { expireMs }]) =>
      expireMs === undefined ? [] : [number],
    );
  }

  /** @returns the claim's signal. */
  add(number: number, claim: Omit<Held, "revoke">): AbortSignal {
    const revoke = new AbortController();
    this.#held.set(number, { ...claim, revoke });
    return revoke.signal;
  }

  revoke(number: number, reason: RevokeReason): void {
    this.#held.get(number)?.revoke.abort(reason);
  }

  /** The claim is over, well or not. */
  release(token: string): void {
    for (const [number, held] of this.#held) {
      if (held.token !== token) continue;
      // The bytes may be a witness: do not leave them to the garbage collector, unless they have moved to a thread.
      discard(held.input.bytes);
      this.#held.delete(number);
    }
  }
}
