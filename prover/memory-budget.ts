import { totalmem } from "node:os";

/**
 * What a process takes before it has a key: measured 130 MiB with compiled kernels, up to 120 MiB that wait to be
 * collected (`command/v8-flags.ts`), and room to breathe.
 */
const PROCESS_BYTES = 384 * 1024 * 1024;
/** Stack, heap and witness program of one thread, measured below 20 MiB each. */
const THREAD_BYTES = 32 * 1024 * 1024;
/** The rest is for the system, for other processes, and for what this one does besides proving. */
const SHARE = 0.75;

/** What this process may take, by its container's limit or else by the machine's memory. */
export function memoryMaxBytes(): number {
  const constrained = process.constrainedMemory();
  // Without a limit: 0, or a number beyond all memory.
  const bytes = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  return Math.floor(SHARE * bytes);
}

/** How much of a process's memory is left for keys and for the proofs made with them. */
export function keyMemoryBytes(options: {
  readonly memoryMaxBytes: number;
  readonly threads: number;
}): number {
  return options.memoryMaxBytes - PROCESS_BYTES - THREAD_BYTES * options.threads;
}

/**
 * Memory that is promised before it is taken. Whoever asks for more than is left waits, and everybody
 * who comes later waits behind: else small needs would pass a large one for ever.
 */
export class MemoryBudget {
  readonly limitBytes: number;
  #heldBytes = 0;
  #last: Promise<void> = Promise.resolve();
  #waitingCount = 0;
  readonly #freed = new Set<() => void>();

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get freeBytes(): number {
    return this.limitBytes - this.#heldBytes;
  }

  /** Returns at once unless somebody waits for memory. */
  async turn(): Promise<void> {
    while (this.#waitingCount > 0) await this.#last;
  }

  /** @returns false, and nothing has changed, if there is not so much left. */
  tryTake(bytes: number): boolean {
    if (bytes > this.freeBytes) return false;
    this.#heldBytes += bytes;
    return true;
  }

  /**
   * Waits for its turn, then until there is room.
   *
   * @param makeRoom  is called before each look.
   * @param signal    ends the waiting.
   * @returns false if the signal came first; then nothing is held.
   */
  async take(
    bytes: number,
    makeRoom: () => void,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    this.#waitingCount++;
    const mine = this.#last.then(async () => {
      for (;;) {
        if (signal?.aborted) return false;
        makeRoom();
        if (this.tryTake(bytes)) return true;
        await this.#nextFreed(signal);
      }
    });
    this.#last = mine.then(
      () => {},
      () => {},
    );
    try {
      return await mine;
    } finally {
      this.#waitingCount--;
    }
  }

  giveBack(bytes: number): void {
    this.#heldBytes -= bytes;
    this.recheck();
  }

  /** Whoever waits looks again: what could not be let go before may be idle now. */
  recheck(): void {
    for (const wake of this.#freed) wake();
  }

  #nextFreed(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#freed.delete(done);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      this.#freed.add(done);
      signal?.addEventListener("abort", done);
    });
  }
}
