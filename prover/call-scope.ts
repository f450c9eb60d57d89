import { setTimeout as sleep } from "node:timers/promises";
import { ProverClientError } from "./client-error.ts";

/** Who may end a call early, and when. */
export interface CallOptions {
  /** Aborting ends the call with CANCELLED. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Ends the call with DEADLINE_EXCEEDED after so many milliseconds, repetitions and pauses
   * included. Absent: only `callMs` and `patienceMs` of the client bound it.
   */
  readonly timeoutMs?: number | undefined;
}

/** Longest delay that a timer of Node takes; longer ones would fire at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/**
 * One call of a method with everything that it is made of: attempts, pauses, streams. It is over when
 * the caller aborts it, when its time is up, or when the client is closed, whichever comes first.
 */
export class CallScope {
  readonly #abort = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #onEnd: () => void;
  #lastFailure: unknown;

  /** @param onEnd  called once, by `end`. */
  constructor({ signal, timeoutMs }: CallOptions, onEnd: () => void = () => {}) {
    this.#outer = signal;
    this.#onEnd = onEnd;
    if (signal?.aborted) this.#cancel();
    else signal?.addEventListener("abort", this.#cancel);
    if (timeoutMs === undefined || timeoutMs > TIMER_MAX_MS) return;
    const expire = () => this.stop(outOfTime(timeoutMs, this.#lastFailure));
    if (timeoutMs <= 0) expire();
    else this.#timer = setTimeout(expire, timeoutMs);
  }

  /** Aborts when the call is over; its reason is the ProverClientError that says why. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** @throws ProverClientError  CANCELLED or DEADLINE_EXCEEDED if the call is over. */
  throwIfOver(): void {
    this.signal.throwIfAborted();
  }

  /** Waits before an attempt that follows `failure`. @throws as `throwIfOver` */
  async pause(ms: number, failure: unknown): Promise<void> {
    this.#lastFailure = failure;
    await sleep(ms, undefined, { signal: this.signal }).catch(() => {});
    this.throwIfOver();
  }

  /** Ends the call for this reason. Does nothing when it is over already. */
  stop(reason: ProverClientError): void {
    this.#abort.abort(reason);
  }

  /** Lets go of timer and listeners. Must be called when the call has ended, however it has. */
  end(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#cancel);
    this.#onEnd();
  }

  readonly #cancel = (): void => {
    const cause: unknown = this.#outer?.reason;
    // The signal of an enclosing call says it best.
    if (cause instanceof ProverClientError) this.stop(cause);
    else
      this.stop(
        new ProverClientError("CANCELLED", "the call was cancelled on this side", { cause }),
      );
  };
}

function outOfTime(timeoutMs: number, lastFailure: unknown): ProverClientError {
  const last = lastFailure instanceof Error ? `; the last attempt: ${lastFailure.message}` : "";
  const text = `the call has not ended within its ${timeoutMs} ms${last}`;
  return new ProverClientError("DEADLINE_EXCEEDED", text, { cause: lastFailure });
}
