import { moduleUrl } from "../worker/module-url.ts";
import type { VerifyResult, VerifyTask } from "../worker/task.ts";
import { ProverError } from "./errors.ts";
import type { IntakeResult, IntakeTask } from "./intake.ts";
import type { JobInput } from "./job.ts";
import { ThreadSlot } from "./thread-slot.ts";
import { wtnsInput } from "./wtns-input.ts";

const INTAKE = moduleUrl(new URL("./intake.ts", import.meta.url));

/** When a caller may try again: a check takes about a second at most. */
const BUSY_RETRY_MS = 1_000;
/** A witness file of this size is checked in half a millisecond; changing threads twice takes about as long where all cores are busy. */
const HERE_MAX_BYTES = 4 * 1024 * 1024;

export interface IntakeOptions {
  readonly threads: number;
  /** Tasks that may wait for a thread. */
  readonly waitingMax: number;
  /** Inputs that may wait for a thread, together. */
  readonly waitingMaxBytes: number;
}

interface Waiting {
  readonly go: (slot: ThreadSlot) => void;
  readonly bytes: number;
}

/**
 * Threads for what a caller waits for: checking inputs and verifying proofs. Apart from the threads
 * that prove, so that an answer does not wait for a proof.
 */
export class IntakePool {
  readonly #slots: readonly ThreadSlot[];
  readonly #free: ThreadSlot[];
  readonly #waitingMax: number;
  readonly #waitingMaxBytes: number;
  #waitingBytes = 0;
  readonly #waiting: Waiting[] = [];

  constructor({ threads, waitingMax, waitingMaxBytes }: IntakeOptions) {
    this.#slots = Array.from({ length: threads }, () => new ThreadSlot(INTAKE));
    this.#free = [...this.#slots];
    this.#waitingMax = waitingMax;
    this.#waitingMaxBytes = waitingMaxBytes;
  }

  /** Tasks that wait for a thread. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  /**
   * The input as a worker takes it.
   *
   * @param bytes   its size as it was sent.
   * @param signal  of a caller who has gone: its task leaves the line.
   * @throws ProverError with the fields at fault, QUEUE_FULL, WORKER_LOST, CANCELLED
   */
  async check(task: IntakeTask, bytes: number, signal: AbortSignal): Promise<JobInput> {
    if (task.kind === "wtns" && task.bytes.length <= HERE_MAX_BYTES) {
      if (signal.aborted) throw gone();
      return wtnsInput(task.bytes, task.wireCount);
    }
    const transferList = task.kind === "batch" ? [] : [task.bytes.buffer as ArrayBuffer];
    const result = await this.#run<IntakeResult>(task, { bytes, signal, transferList });
    if (result.kind === "accepted") return result.input;
    throw new ProverError(result.code, result.message, { violations: result.violations });
  }

  /**
   * @param signal  as in `check`.
   * @throws ProverError KEY_MALFORMED, KEY_REFUSED, ARTEFACT_MISMATCH, QUEUE_FULL, WORKER_LOST, CANCELLED
   */
  async verify(task: VerifyTask, signal: AbortSignal): Promise<boolean> {
    const result = await this.#run<VerifyResult>(task, { bytes: 0, signal, transferList: [] });
    if (result.kind === "verified") return result.isValid;
    throw new ProverError(result.code, result.message);
  }

  async close(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.close()));
  }

  async #run<R>(
    task: unknown,
    {
      bytes,
      signal,
      transferList,
    }: {
      readonly bytes: number;
      readonly signal: AbortSignal;
      readonly transferList: readonly ArrayBuffer[];
    },
  ): Promise<R> {
    if (signal.aborted) throw gone();
    const slot = this.#free.pop() ?? (await this.#nextFree(bytes, signal));
    try {
      return await slot.run<R>(task, { transferList });
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free.push(slot);
      else {
        this.#waitingBytes -= next.bytes;
        next.go(slot);
      }
    }
  }

  #nextFree(bytes: number, signal: AbortSignal): Promise<ThreadSlot> {
    const count = this.#waiting.length;
    if (count >= this.#waitingMax) {
      throw busy(`${count} inputs waiting to be checked, expected fewer than ${this.#waitingMax}`);
    }
    // One that is larger than all together may be would otherwise never be checked.
    if (count > 0 && this.#waitingBytes + bytes > this.#waitingMaxBytes) {
      throw busy(
        `${this.#waitingBytes} bytes waiting to be checked and ${bytes} more, expected at most ${this.#waitingMaxBytes}`,
      );
    }
    this.#waitingBytes += bytes;
    return new Promise((go, reject) => {
      const waiting: Waiting = { go, bytes };
      this.#waiting.push(waiting);
      // Else a caller could fill the line with calls that it begins and ends, however few are open.
      const leave = () => {
        const at = this.#waiting.indexOf(waiting);
        if (at < 0) return;
        this.#waiting.splice(at, 1);
        this.#waitingBytes -= bytes;
        reject(gone());
      };
      signal.addEventListener("abort", leave, { once: true });
    });
  }
}

function gone(): ProverError {
  return new ProverError("CANCELLED", "the caller ended the call");
}

function busy(got: string): ProverError {
  return new ProverError(
    "QUEUE_FULL",
    `intake: got ${got}. Repeat later with the same request id`,
    {
      retryAfterMs: BUSY_RETRY_MS,
    },
  );
}
