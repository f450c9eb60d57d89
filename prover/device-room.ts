import { ProverError } from "./errors.ts";
import { NoPlaceError, WITNESS_BYTES } from "./key-ring.ts";
import type { MemoryBudget } from "./memory-budget.ts";

/** The witness once more, in memory that the device's thread reads. */
const LINKED_WITNESS_BYTES = WITNESS_BYTES + 32;

/**
 * This process's memory for proofs that a device makes: their witnesses. It is of the same budget as
 * keys in the process, which there are if the device does not hold some or was given up.
 */
export class DeviceRoom {
  readonly #budget: MemoryBudget;
  /** Of one proof, by the SHA-256 of the key's file; known once a thread has used the key. */
  readonly #needs = new Map<string, number>();

  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  /**
   * How large a key's witnesses are.
   *
   * @throws ProverError MEMORY_SHORT if there will never be memory for one
   */
  learn(zkeySha256: string, wires: number): void {
    const bytes = LINKED_WITNESS_BYTES * wires;
    this.#needs.set(zkeySha256, bytes);
    if (bytes <= this.#budget.limitBytes) return;
    throw new ProverError(
      "MEMORY_SHORT",
      `a witness of ${wires} wires takes ${bytes} bytes while it is proved, and ${Math.max(this.#budget.limitBytes, 0)} are left for proofs. Give the process more memory (PROVER_MEMORY_MAX_BYTES), or fewer threads`,
    );
  }

  hasPlace(zkeySha256: string): boolean {
    return (this.#needs.get(zkeySha256) ?? 0) <= this.#budget.freeBytes;
  }

  /** @throws NoPlaceError if there is no memory for another proof now; or what the work throws */
  async use<R>(zkeySha256: string, work: () => Promise<R>): Promise<R> {
    const bytes = this.#needs.get(zkeySha256) ?? 0;
    if (!this.#budget.tryTake(bytes)) throw new NoPlaceError();
    try {
      return await work();
    } finally {
      this.#budget.giveBack(bytes);
    }
  }
}
