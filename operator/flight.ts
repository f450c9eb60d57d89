// One block on its way from being built to being final: at most one at a time.

import type { Hex } from "viem";
import type { BuiltBatch } from "./batch-builder.ts";
import { OperatorError } from "./errors.ts";
import type { ProofProgress, ProverLink } from "./prover-link.ts";
import type { RollupState } from "./state.ts";

export type FlightPhase = "proving" | "retrying" | "proved" | "sent" | "mined";

/** Waits after a failed proof, doubled each time up to the last. */
const RETRY_FIRST_MS = 250;
const RETRY_MAX_MS = 60_000;

export class Flight {
  readonly built: BuiltBatch;
  phase: FlightPhase = "proving";
  progress: ProofProgress | undefined;
  /** Why the attempt before this one gave no block. */
  lastFailure: OperatorError | undefined;
  readonly #link: ProverLink;
  readonly #onSettled: () => void;
  #abort = new AbortController();
  #attempt = 0;
  #retryAtMs = 0;
  #calldata: Hex | undefined;
  #failure: OperatorError | undefined;

  /** @param onSettled called when a proof or a failure is there. */
  constructor(built: BuiltBatch, link: ProverLink, onSettled: () => void) {
    this.built = built;
    this.#link = link;
    this.#onSettled = onSettled;
    this.#prove();
  }

  get blockNumber(): number {
    return this.built.batch.blockNumber;
  }
  get calldata(): Hex | undefined {
    return this.#calldata;
  }

  /** The proof is of this state still: same root, same block, same items. New items behind them do no harm. */
  fits(state: RollupState): boolean {
    const { batch, firstItem, itemCount } = this.built;
    const items = state.waitingItems().slice(0, itemCount);
    return (
      state.nextBlockNumber === batch.blockNumber &&
      state.root === batch.prevRoot &&
      state.queueHead === firstItem &&
      items.length === itemCount &&
      batch.l1Items.every((taken, i) => {
        const item = items[i];
        const key = item && state.registered(item.index)?.key;
        return (
          item?.kind === taken.kind &&
          item.index === taken.index &&
          (item.kind === 2 || item.amountGwei === taken.amount) &&
          key?.ax === taken.key.ax &&
          key.ay === taken.key.ay &&
          key.owner === taken.key.owner
        );
      })
    );
  }

  /** The failure of the last attempt, once; another attempt follows after a pause. */
  takeFailure(nowMs: number): OperatorError | undefined {
    const failure = this.#failure;
    if (failure !== undefined) this.#retryLater(nowMs, failure);
    this.#failure = undefined;
    return failure;
  }

  /** The proof is no good after all. */
  refuseProof(nowMs: number, reason: OperatorError): void {
    this.#retryLater(nowMs, reason);
  }

  retryIfDue(nowMs: number): void {
    if (this.phase !== "retrying" || nowMs < this.#retryAtMs) return;
    this.phase = "proving";
    this.#prove();
  }

  /** Stops waiting, and asks the prover to stop working. */
  cancel(): void {
    this.#abort.abort();
  }

  /** Under another request id, since the prover would repeat its answer. */
  #retryLater(nowMs: number, reason: OperatorError): void {
    this.lastFailure = reason;
    this.#calldata = undefined;
    this.phase = "retrying";
    this.#retryAtMs = nowMs + Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** this.#attempt);
    this.#attempt++;
  }

  #prove(): void {
    const { signal } = this.#abort;
    const onProgress = (progress: ProofProgress): void => {
      this.progress = progress;
    };
    this.#link.prove(this.built, { attempt: this.#attempt, signal, onProgress }).then(
      (calldata) => {
        this.#calldata = calldata;
        this.phase = "proved";
        this.#onSettled();
      },
      (failure: unknown) => {
        if (signal.aborted) return;
        this.#failure = OperatorError.from(failure);
        this.#onSettled();
      },
    );
  }
}
