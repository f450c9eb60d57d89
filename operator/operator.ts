// The loop: follow L1, keep the pool in step, build, have it proven, commit. One step at a time, each short; whatever
// fails is tried again, and what must not be lost is either on L1 or in the pool.

import type { Hex } from "viem";
import type { SignedTransfer } from "../circuits/transfer.ts";
import { buildNextBatch } from "./batch-builder.ts";
import type { CommitSender } from "./commit-sender.ts";
import { OperatorError } from "./errors.ts";
import { Flight, type FlightPhase } from "./flight.ts";
import type { L1Follower } from "./l1-follower.ts";
import type { Log } from "./log.ts";
import type { Mempool, Receipt } from "./mempool.ts";
import type { ProofProgress, ProverLink } from "./prover-link.ts";
import type { RollupState } from "./state.ts";

export interface LoopOptions {
  readonly pollIntervalMs: number;
  /** Work waits so long for company before a block that is not full is built. */
  readonly maxBatchWaitMs: number;
  /** Account that gets the fees; 0 for none. */
  readonly feeIndex: number;
}

/** What turns a follower into an operator. */
export interface Committer {
  readonly link: ProverLink;
  readonly sender: CommitSender;
}

export interface LoopDependencies {
  readonly follower: L1Follower;
  readonly mempool: Mempool;
  /** Left out: blocks are only followed. */
  readonly committer?: Committer;
  readonly log: Log;
}

export interface FlightStatus {
  readonly blockNumber: number;
  readonly phase: FlightPhase;
  readonly itemCount: number;
  readonly transferCount: number;
  readonly progress: ProofProgress | undefined;
  /** Why the attempt before this one gave no block. */
  readonly lastFailure: { readonly code: string; readonly message: string } | undefined;
}

export interface LoopError {
  readonly code: string;
  readonly message: string;
  readonly atMs: number;
}

/** Pause after a failed step, doubled with each failure in a row up to the last. */
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 15_000;

export class Operator {
  readonly #options: LoopOptions;
  readonly #follower: L1Follower;
  readonly #mempool: Mempool;
  readonly #committer: Committer | undefined;
  readonly #log: Log;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  #isStopping = false;
  #wake: (() => void) | undefined;
  #isAwake = false;
  #flight: Flight | undefined;
  #workSinceMs: number | undefined;
  /** Pool and chain as they were when nothing could be built; building again is useless before they change. */
  #fruitlessAt: string | undefined;
  #accepted = 0;
  #failures = 0;
  #lastError: LoopError | undefined;

  constructor(options: LoopOptions, dependencies: LoopDependencies) {
    this.#options = options;
    this.#follower = dependencies.follower;
    this.#mempool = dependencies.mempool;
    this.#committer = dependencies.committer;
    this.#log = dependencies.log;
  }

  get state(): RollupState {
    return this.#follower.state;
  }
  get isStopping(): boolean {
    return this.#isStopping;
  }
  /** The chain has been read: what is not known here does not exist. */
  get isReady(): boolean {
    return this.#follower.isReady;
  }
  get isSynced(): boolean {
    return this.#follower.isSynced;
  }
  get l1HeadNumber(): number {
    return this.#follower.headNumber;
  }
  get waitingTransfers(): number {
    return this.#mempool.size;
  }
  /** The failure that the loop is trying to get over; undefined when all is well. */
  get lastError(): LoopError | undefined {
    return this.#lastError;
  }
  get flight(): FlightStatus | undefined {
    const flight = this.#flight;
    if (flight === undefined) return undefined;
    const { blockNumber, phase, progress, lastFailure, built } = flight;
    const { itemCount, entries } = built;
    return { blockNumber, phase, progress, lastFailure, itemCount, transferCount: entries.length };
  }

  /** Begins the loop; it ends with `stop`. */
  start(): void {
    this.#running ??= this.#run();
  }

  /**
   * Accepts a signed transfer.
   *
   * @throws OperatorError STOPPING, READ_ONLY and all of `Mempool.add`
   */
  submit(transfer: SignedTransfer): { readonly id: Hex; readonly isNew: boolean } {
    if (this.#isStopping) {
      throw new OperatorError("STOPPING", "the operator is going down and accepts nothing more.");
    }
    if (this.#committer === undefined) {
      throw new OperatorError("READ_ONLY", "this process only follows the chain.");
    }
    const accepted = this.#mempool.add(this.state, transfer);
    if (accepted.isNew) {
      this.#accepted++;
      this.wake();
    }
    return accepted;
  }

  receipt(id: Hex): Receipt | undefined {
    return this.#mempool.receipt(this.state, id);
  }

  /** First nonce that a new transfer of the account may carry. */
  nextNonce(index: number): bigint {
    return this.#mempool.nextNonce(this.state, index);
  }

  /** Looks at once instead of at the next poll. */
  wake(): void {
    this.#isAwake = true;
    this.#wake?.();
  }

  /** Accepts nothing more, commits what was accepted for at most `drainMs`, then ends. */
  async stop(drainMs: number): Promise<void> {
    this.#isStopping = true;
    this.wake();
    const timer = setTimeout(() => this.#abort.abort(), drainMs);
    try {
      await this.#running;
    } finally {
      clearTimeout(timer);
      this.#flight?.cancel();
      this.#abort.abort();
    }
    const lost = this.#mempool.size;
    if (lost > 0) this.#log.warn({ transfers: lost }, "stopped with transfers waiting");
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    signal.addEventListener("abort", () => this.wake(), { once: true });
    while (!signal.aborted && !this.#isDrained()) {
      let isBusy = false;
      try {
        isBusy = await this.#step();
        this.#failures = 0;
        this.#lastError = undefined;
      } catch (error) {
        if (!signal.aborted) this.#noteFailure(error);
      }
      if (isBusy) continue;
      const { pollIntervalMs } = this.#options;
      const pauseMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (this.#failures - 1));
      await this.#sleep(this.#failures > 0 ? Math.max(pauseMs, pollIntervalMs) : pollIntervalMs);
    }
  }

  #isDrained(): boolean {
    if (!this.#isStopping) return false;
    return this.#committer === undefined || (!this.#flight && this.#mempool.idleCount === 0);
  }

  #noteFailure(error: unknown): void {
    this.#failures++;
    const code = error instanceof OperatorError ? error.code : ((error as Error).name ?? "Error");
    // viem's messages quote the whole request; the first line says what happened.
    const message = String((error as Error).message).split("\n")[0] ?? "";
    if (this.#lastError?.code !== code || this.#lastError.message !== message) {
      const level = this.#failures === 1 ? "warn" : "error";
      this.#log[level]({ code, failure: message, failures: this.#failures }, "step failed");
    }
    this.#lastError = { code, message, atMs: Date.now() };
  }

  /** @returns true if there may be more to do at once. */
  async #step(): Promise<boolean> {
    await this.#follow();
    const committer = this.#committer;
    if (committer === undefined || !this.#follower.isSynced) return false;
    if (this.#flight) return this.#advanceFlight(this.#flight, committer);
    return this.#startFlight(committer);
  }

  async #follow(): Promise<void> {
    const blocksBefore = this.state.nextBlockNumber;
    const { appliedL1Blocks, undoneL1Blocks, isRebuilt } = await this.#follower.advance(
      this.#abort.signal,
    );
    if (undoneL1Blocks > 0 || isRebuilt) {
      const fields = { undoneL1Blocks, isRebuilt, l1: this.state.l1 };
      this.#log.warn(fields, "L1 reorganised");
    }
    if (appliedL1Blocks > 0 || undoneL1Blocks > 0 || isRebuilt) {
      this.#mempool.reconcile(this.state);
    }
    for (let number = blocksBefore; number < this.state.nextBlockNumber; number++) {
      const block = this.state.block(number);
      this.#log.info(
        { blockNumber: number, l1: block?.l1Block.number, transfers: block?.transfers.length },
        "block applied",
      );
    }
  }

  async #advanceFlight(flight: Flight, committer: Committer): Promise<boolean> {
    if (!flight.fits(this.state)) {
      const { blockNumber } = flight;
      const block = this.state.block(blockNumber);
      const isOurs = block?.stateRoot === flight.built.execution.newRoot;
      const fields = { blockNumber, transactionHash: block?.transactionHash };
      if (isOurs) this.#log.info(fields, "block committed");
      else this.#log.warn(fields, "batch overtaken by the chain");
      this.#abandon(flight);
      return true;
    }
    const nowMs = Date.now();
    const failure = flight.takeFailure(nowMs);
    if (failure) this.#logProofFailure(flight, failure);
    flight.retryIfDue(nowMs);
    const { calldata } = flight;
    if (calldata === undefined) return false;
    try {
      const progress = await committer.sender.advance(calldata);
      if (progress.kind === "mined" && flight.phase !== "mined") {
        const { transactionHash, gasUsed } = progress;
        const { blockNumber } = flight;
        this.#log.debug({ blockNumber, transactionHash, gasUsed: String(gasUsed) }, "block mined");
      }
      const wasMined = flight.phase === "mined";
      flight.phase = progress.kind === "mined" ? "mined" : "sent";
      return progress.kind === "mined" && !wasMined;
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      if (error.code === "PROOF_REFUSED") {
        flight.refuseProof(nowMs, error);
        this.#logProofFailure(flight, error);
        return false;
      }
      // The chain is not as we thought: look again, and build anew from what is there.
      if (error.code === "COMMIT_REVERTED") this.#abandon(flight);
      throw error;
    }
  }

  #logProofFailure({ blockNumber }: Flight, { code, message }: OperatorError): void {
    this.#log.error({ blockNumber, code, failure: message }, "no usable proof");
  }

  /** Its transfers that no block has wait again. */
  #abandon(flight: Flight): void {
    flight.cancel();
    this.#mempool.release(flight.built.entries.map(({ id }) => id));
    this.#mempool.reconcile(this.state);
    this.#flight = undefined;
  }

  #startFlight(committer: Committer): boolean {
    const nowMs = Date.now();
    const items = this.#isStopping ? 0 : this.state.waitingItems().length;
    const idle = this.#mempool.idleCount;
    if (items === 0 && idle === 0) {
      this.#workSinceMs = undefined;
      return false;
    }
    this.#workSinceMs ??= nowMs;
    const isFull = idle >= this.state.parameters.nTx;
    const isRipe = nowMs - this.#workSinceMs >= this.#options.maxBatchWaitMs;
    const situation = `${this.state.l1.hash} ${this.#accepted}`;
    if (!(isFull || isRipe || this.#isStopping) || situation === this.#fruitlessAt) return false;

    const { feeIndex } = this.#options;
    const { built, deferred, refused } = buildNextBatch(this.state, feeIndex, () =>
      this.#mempool.candidates(),
    );
    this.#workSinceMs = undefined;
    for (const [{ id }, reason] of deferred) this.#mempool.defer(id, reason);
    for (const [{ id }, reason] of refused) {
      this.#log.warn({ id, ...reason }, "transfer refused at build time");
      this.#mempool.refuse(id, reason);
    }
    if (built === undefined) {
      this.#fruitlessAt = situation;
      return false;
    }
    const { blockNumber } = built.batch;
    this.#mempool.markInBatch(
      built.entries.map(({ id }) => id),
      blockNumber,
    );
    this.#log.info(
      { blockNumber, items: built.itemCount, transfers: built.entries.length },
      "batch built",
    );
    this.#flight = new Flight(built, committer.link, () => this.wake());
    return false;
  }

  /** Until the time is over or somebody calls `wake`, also if it was called since the last sleep. */
  async #sleep(ms: number): Promise<void> {
    if (!this.#isAwake) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#wake = undefined;
    this.#isAwake = false;
  }
}
