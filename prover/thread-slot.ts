import { Piscina } from "piscina";
import { ProverError } from "./errors.ts";

export interface RunOptions {
  /** Module whose default export handles the task; the slot's own when left out. */
  readonly filename?: string;
  /** Buffers that move to the thread: they are gone from the caller. */
  readonly transferList?: readonly ArrayBuffer[];
  /** Ends the thread, and with it the task. */
  readonly kill?: AbortSignal;
}

/**
 * A place for one thread that runs one task at a time. When its thread dies or is ended, the next
 * task gets a new one.
 *
 * Each slot is a piscina of its own, replaced with its thread. One piscina for all would let a task
 * wait for ever for a thread that died while it was starting; and here the task goes straight to
 * the first thread of a new piscina, whose death rejects it.
 */
export class ThreadSlot {
  readonly #filename: string;
  #piscina: Piscina;
  #isDead = false;
  #isBusy = false;
  #isClosed = false;
  #restartCount = 0;

  constructor(filename: string) {
    this.#filename = filename;
    this.#piscina = this.#open();
  }

  /** How often the thread has died or was ended. */
  get restartCount(): number {
    return this.#restartCount;
  }

  /**
   * @throws ProverError CANCELLED after `kill`; WORKER_LOST if the thread died or threw
   */
  async run<R>(task: unknown, { filename, transferList = [], kill }: RunOptions): Promise<R> {
    if (this.#isBusy) throw new TypeError("the thread has a task already");
    if (this.#isClosed) throw new ProverError("WORKER_LOST", "the threads have been ended");
    this.#isBusy = true;
    const end = () => this.end();
    try {
      if (this.#isDead) await this.#renew();
      kill?.addEventListener("abort", end);
      if (kill?.aborted) end();
      return (await this.#piscina.run(task, {
        filename: filename ?? null,
        // piscina's type for the list is derived from one overload of postMessage, and not from this.
        transferList: transferList as never,
      })) as R;
    } catch (cause) {
      if (kill?.aborted) throw new ProverError("CANCELLED", "the thread was ended", { cause });
      throw new ProverError("WORKER_LOST", "the thread died before it had a result", { cause });
    } finally {
      kill?.removeEventListener("abort", end);
      this.#isBusy = false;
    }
  }

  /** Ends the thread, as a crash would; the next task gets a new one. */
  async end(): Promise<void> {
    await this.#piscina.destroy();
  }

  /** Ends the thread for good. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.end();
  }

  async #renew(): Promise<void> {
    this.#isDead = false;
    const old = this.#piscina;
    this.#piscina = this.#open();
    // It may have started a thread in place of the dead one.
    await old.destroy();
  }

  #open(): Piscina {
    const piscina = new Piscina({
      filename: this.#filename,
      minThreads: 1,
      maxThreads: 1,
      // The thread sleeps in Atomics.wait between tasks, which freezes whatever a task left
      // running. The modules that run here await everything that they start.
      atomics: "sync",
    });
    piscina.on("workerDestroy", () => {
      if (piscina !== this.#piscina || this.#isDead) return;
      this.#isDead = true;
      this.#restartCount++;
    });
    // A thread that dies without a task. Unheard, the event would end the process; the death is
    // counted above.
    piscina.on("error", () => {});
    return piscina;
  }
}
