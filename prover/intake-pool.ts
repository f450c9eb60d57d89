import { Piscina } from "piscina";
import type { VerifyResult, VerifyTask } from "../worker/task.ts";
import { ProverError } from "./errors.ts";
import type { IntakeResult, IntakeTask } from "./intake.ts";
import type { JobInput } from "./job.ts";

const INTAKE_THREAD = new URL("./intake.ts", import.meta.url).href;
const WORKER_THREAD = new URL("../worker/thread.ts", import.meta.url).href;

/** When a caller may try again: a check takes about a second at most. */
const BUSY_RETRY_MS = 1_000;

export interface IntakeOptions {
  readonly threads: number;
  /** Tasks that may wait for a thread. */
  readonly waitingMax: number;
}

/**
 * Threads for what a caller waits for: checking inputs and verifying proofs. Apart from the threads
 * that prove, so that an answer does not wait for a proof.
 */
export class IntakePool {
  readonly #piscina: Piscina;
  readonly #capacity: number;
  #busy = 0;

  constructor(
    { threads, waitingMax }: IntakeOptions,
    { onIdleCrash }: { onIdleCrash: (error: Error) => void },
  ) {
    this.#capacity = threads + waitingMax;
    this.#piscina = new Piscina({
      filename: INTAKE_THREAD,
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: 1,
      maxQueue: this.#capacity,
      // The thread sleeps between tasks; neither entry leaves anything running.
      atomics: "sync",
    });
    this.#piscina.on("error", onIdleCrash);
  }

  /**
   * The input as a worker takes it.
   *
   * @throws ProverError with the fields at fault, or QUEUE_FULL
   */
  async check(task: IntakeTask): Promise<JobInput> {
    const transferList = task.kind === "batch" ? [] : [task.bytes.buffer];
    const result = await this.#run<IntakeResult>(task, INTAKE_THREAD, transferList);
    if (result.kind === "accepted") return result.input;
    throw new ProverError(result.code, result.message, { violations: result.violations });
  }

  /** @throws ProverError KEY_MALFORMED, KEY_REFUSED, ARTEFACT_MISMATCH, QUEUE_FULL */
  async verify(task: VerifyTask): Promise<boolean> {
    const result = await this.#run<VerifyResult>(task, WORKER_THREAD, []);
    if (result.kind === "verified") return result.isValid;
    throw new ProverError(result.code, result.message);
  }

  async close(): Promise<void> {
    await this.#piscina.destroy();
  }

  async #run<R>(task: unknown, filename: string, transferList: readonly ArrayBuffer[]): Promise<R> {
    if (this.#busy >= this.#capacity) {
      throw new ProverError(
        "QUEUE_FULL",
        `intake: got ${this.#busy} inputs to check, expected fewer than ${this.#capacity}. Repeat later with the same request id`,
        { retryAfterMs: BUSY_RETRY_MS },
      );
    }
    this.#busy++;
    try {
      return (await this.#piscina.run(task, {
        filename,
        transferList: transferList as never,
      })) as R;
    } catch (cause) {
      throw new ProverError("WORKER_LOST", "the thread that checks inputs died; repeat the call", {
        retryAfterMs: BUSY_RETRY_MS,
        cause,
      });
    } finally {
      this.#busy--;
    }
  }
}
