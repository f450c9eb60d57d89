import type { ProveInput, ProveResult, Stage, StageTimes } from "../worker/task.ts";
import { createTaskControl, readProgress, requestCancel } from "../worker/task.ts";
import type { ServedCircuit } from "./circuits.ts";
import { ElsewhereError } from "./elsewhere.ts";
import { type ErrorCode, isRetryable, ProverError } from "./errors.ts";
import type { JobFailure, JobInput, JobStage } from "./job.ts";
import type { Claim, Settlement } from "./job-store.ts";
import type { WorkerSlot } from "./pool.ts";
import { encodeResult } from "./result.ts";

export interface AttemptOptions {
  readonly allowDevKeys: boolean;
  /** Time to stop by itself before the thread is ended. */
  readonly stopGraceMs: number;
  /** From when there is memory for it. */
  readonly jobMaxMs: number;
}

/**
 * Files of this server are not what they must be: nothing is wrong with the job. Another server can prove
 * it, or this one when somebody has seen to it.
 */
const FAULTS_OF_FILES: readonly ErrorCode[] = ["ARTEFACT_MISMATCH", "KEY_MALFORMED", "KEY_REFUSED"];

/**
 * Where each stage lies in the whole of an attempt, in percent: from, to. Rough: with the first
 * engine proving dominates everything.
 */
const SPAN: Readonly<Record<Stage, readonly [from: number, to: number]>> = {
  waiting: [0, 0],
  loading: [0, 5],
  witness: [5, 15],
  proving: [15, 95],
  verifying: [95, 99],
};

/** From here on the time that is left can be told. */
const TELLING_PERCENT = 50;

export interface Proved {
  readonly engine: string;
  readonly stageMs: StageTimes;
}

/** One try at one job, on one thread. */
export class Attempt {
  readonly claim: Claim;
  readonly #circuit: ServedCircuit;
  readonly #options: AttemptOptions;
  readonly #worker: WorkerSlot;
  readonly #control = createTaskControl();
  readonly #kill = new AbortController();
  #startedMs: number | undefined;
  /** By a clock that never goes back. */
  #startedSteadyMs = 0;
  #proved: Proved | undefined;
  #hasEnded = false;
  #stopReason: "asked" | "too long" | undefined;
  #killTimer: NodeJS.Timeout | undefined;
  #limitTimer: NodeJS.Timeout | undefined;

  constructor(
    options: AttemptOptions,
    dependencies: {
      readonly worker: WorkerSlot;
      readonly claim: Claim;
      readonly circuit: ServedCircuit;
    },
  ) {
    this.#options = options;
    this.#worker = dependencies.worker;
    this.claim = dependencies.claim;
    this.#circuit = dependencies.circuit;
  }

  get progress(): { readonly stage: JobStage; readonly percent: number } {
    const { stage, permille } = readProgress(this.#control);
    const [from, to] = SPAN[stage];
    const percent = Math.floor(from + ((to - from) * permille) / 1000);
    if (stage === "verifying") return { stage: "VERIFYING", percent };
    const isComputing = stage === "proving" || this.claim.input.format === "wtns";
    return { stage: isComputing ? "PROVING" : "WITNESS", percent };
  }

  /** Unix ms; undefined before `run`. */
  get startedMs(): number | undefined {
    return this.#startedMs;
  }

  /** Milliseconds that it will take from now, by what it took so far. Infinite while that says little. */
  get leftMs(): number {
    const { percent } = this.progress;
    if (this.#startedMs === undefined || percent < TELLING_PERCENT) return Number.POSITIVE_INFINITY;
    const elapsedMs = performance.now() - this.#startedSteadyMs;
    return (elapsedMs * (100 - percent)) / percent;
  }

  /** What was measured of a proof; undefined while there is none. */
  get proved(): Proved | undefined {
    return this.#proved;
  }

  /** Asks the work to stop, and ends the thread if it does not. */
  stop(): void {
    this.#stop("asked");
  }

  /** Works until there is something to settle. Never rejects. */
  async run(): Promise<Settlement> {
    this.#startedMs = Date.now();
    this.#startedSteadyMs = performance.now();
    const { revoked } = this.claim;
    const stop = () => this.stop();
    revoked.addEventListener("abort", stop);
    if (revoked.aborted) stop();
    try {
      return await this.#prove();
    } finally {
      this.#hasEnded = true;
      clearTimeout(this.#limitTimer);
      clearTimeout(this.#killTimer);
      revoked.removeEventListener("abort", stop);
    }
  }

  async #prove(): Promise<Settlement> {
    const { job, input } = this.claim;
    try {
      const result: ProveResult = await this.#worker.prove(
        {
          kind: "prove",
          artefacts: this.#circuit.artefacts,
          input: ownInput(input),
          allowDevKeys: this.#options.allowDevKeys,
          control: this.#control,
        },
        this.#kill.signal,
        // Waiting for others' memory is not its fault.
        () => {
          this.#limitTimer ??= setTimeout(() => this.#stop("too long"), this.#options.jobMaxMs);
        },
      );
      if (result.kind === "proved") {
        this.#proved = { engine: result.engine, stageMs: result.stageMs };
      }
      if (result.kind === "failed") return this.#failed(result.code, result.message);
      // A clock that was set back in between must not cost the proof.
      const queueMs = Math.max(0, (job.startedMs ?? job.createdMs) - job.createdMs);
      const encoded = encodeResult(this.#circuit, result, input.commit, queueMs);
      return { kind: "succeeded", result: encoded };
    } catch (caught) {
      if (caught instanceof ElsewhereError) return { kind: "stopped" };
      const error = ProverError.from(caught);
      return this.#failed(error.code, error.message);
    }
  }

  #failed(code: ErrorCode, message: string): Settlement {
    if (this.#stopReason === "asked") return { kind: "stopped" };
    if (this.#stopReason === "too long") {
      const { jobMaxMs } = this.#options;
      return {
        kind: "failed",
        failure: failureOf("JOB_TOO_LONG", `the attempt took longer than ${jobMaxMs} ms`),
      };
    }
    return { kind: "failed", failure: failureOf(code, message) };
  }

  #stop(reason: "asked" | "too long"): void {
    if (this.#hasEnded || this.#stopReason !== undefined) return;
    this.#stopReason = reason;
    requestCancel(this.#control);
    this.#killTimer = setTimeout(() => this.#kill.abort(), this.#options.stopGraceMs);
  }
}

function failureOf(code: ErrorCode, message: string): JobFailure {
  const retryable = isRetryable(code) || FAULTS_OF_FILES.includes(code);
  return { reason: code, message, retryable };
}

/** The task's bytes move to the thread, with all that is in their buffer. */
function ownInput({ format, bytes }: JobInput): ProveInput {
  const own = bytes.length === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
  return format === "wtns"
    ? { kind: "wtns", bytes: own as Uint8Array<ArrayBuffer> }
    : { kind: "inputs", json: own as Uint8Array<ArrayBuffer> };
}
