import type { Logger } from "pino";
import { Attempt, type AttemptOptions } from "./attempt.ts";
import { type CircuitRegistry, circuitKey } from "./circuits.ts";
import { faultOf } from "./fault.ts";
import { firstStage, type Job, type JobStage } from "./job.ts";
import type { CircuitKey, Claim, JobStore, Settlement } from "./job-store.ts";
import type { EndedAttempt, Observer } from "./observe/observer.ts";
import type { WorkerPool, WorkerSlot } from "./pool.ts";
import { Rounds } from "./rounds.ts";

export interface SchedulerDependencies {
  readonly store: JobStore;
  readonly pool: WorkerPool;
  readonly circuits: CircuitRegistry;
  readonly log: Logger;
  readonly observer: Pick<Observer, "attemptStarted" | "attemptEnded">;
}

/** What one thread's worth of capacity is doing. */
export interface WorkerView {
  readonly slot: number;
  readonly jobId: string | undefined;
  /** As it was claimed. */
  readonly job: Job | undefined;
  readonly stage: JobStage | undefined;
  /** Of the whole attempt, 0 to 100. */
  readonly progressPercent: number;
  readonly startedMs: number | undefined;
  readonly completedCount: number;
  readonly restartCount: number;
}

interface Slot {
  readonly worker: WorkerSlot;
  attempt: Attempt | undefined;
  /** Claimed, for when that one has ended. */
  next: Attempt | undefined;
  /** A claim ahead is on its way. At most one for each attempt: what is not there then is claimed later. */
  isClaiming: boolean;
  claimedFor: Attempt | undefined;
  /** Has ended, and its result is on the way to the store while the next one works. */
  settling: { readonly attempt: Attempt; readonly done: Promise<void> } | undefined;
  completedCount: number;
}

/** What the store heard last of an attempt. */
interface Report {
  readonly stage: JobStage;
  readonly percent: number;
  readonly atMs: number;
}

/** How often progress is read, which is cheap: a stage that is shorter may go unseen. */
const PROGRESS_MS = 20;
/** Least time between two reports of one attempt in one stage: what a watcher sees as smooth. */
const REPORT_MIN_MS = 250;
/** Most time between two reports, which also renew the lease. */
const REPORT_MAX_MS = 1_000;
/** How often the store expires and forgets: the precision of `expire_time`. */
const SWEEP_MS = 250;
const SETTLE_RETRY_MS = 500;
/**
 * A worker that will be free so soon claims its next job now: reading a large input takes some
 * milliseconds, for which a core would stand still.
 */
const CLAIM_AHEAD_MS = 60;
/** An announcement may be lost, or the claim that followed it: look without being called. */
const POLL_MS = 1_000;

/**
 * Takes jobs from the store whenever a worker is free, and settles them. The waiting line is the
 * store's; here is at most one job for each worker. While jobs wait, every worker proves one of its
 * own, for the most proofs a second; once none waits, those that are free help the others, for the
 * soonest end of each.
 */
export class Scheduler {
  readonly #options: AttemptOptions;
  readonly #dependencies: SchedulerDependencies;
  readonly #slots: readonly Slot[];
  readonly #reports = new WeakMap<Attempt, Report>();
  readonly #rounds: Rounds;
  readonly #waiters = new Set<() => void>();
  #stopListening: () => void = () => {};
  #phase: "created" | "working" | "draining" | "stopped" = "created";
  #isFilling = false;
  #mustRefill = false;

  constructor(options: AttemptOptions, dependencies: SchedulerDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#rounds = new Rounds(dependencies);
    this.#slots = dependencies.pool.slots.map((worker) => ({
      worker,
      attempt: undefined,
      next: undefined,
      isClaiming: false,
      claimedFor: undefined,
      settling: undefined,
      completedCount: 0,
    }));
  }

  start(): void {
    const { store } = this.#dependencies;
    this.#phase = "working";
    this.#stopListening = store.onWork(() => this.#fill());
    this.#rounds.every(SWEEP_MS, "sweep failed", async () => {
      // A process that stood still (a paused machine) must not be the first to miss its own workers.
      await this.#heartbeat()?.catch(() => {});
      await store.sweep();
    });
    // One that hangs must not keep the others' leases from being renewed.
    const mayOverlap = true;
    this.#rounds.every(
      PROGRESS_MS,
      "heartbeat failed",
      () => {
        this.#claimAhead();
        return this.#heartbeat();
      },
      { mayOverlap },
    );
    this.#rounds.every(POLL_MS, "poll failed", async () => this.#fill());
    this.#fill();
  }

  get runningCount(): number {
    return this.#attempts().length + this.#slots.filter(({ isClaiming }) => isClaiming).length;
  }

  workers(): readonly WorkerView[] {
    return this.#slots.map(({ worker, attempt, completedCount }, slot) => ({
      slot,
      jobId: attempt?.claim.job.jobId,
      job: attempt?.claim.job,
      stage: attempt?.progress.stage,
      progressPercent: attempt?.progress.percent ?? 0,
      startedMs: attempt?.startedMs,
      completedCount,
      restartCount: worker.restartCount,
    }));
  }

  /**
   * Finishes what this process must finish: running jobs, and waiting ones unless they are kept for
   * another process. Resolves when that is done.
   */
  async drain(): Promise<void> {
    if (this.#phase === "working") this.#phase = "draining";
    this.#fill();
    while (await this.#hasWork()) await this.#change(POLL_MS);
  }

  /** Stops at once: running jobs go back into the line. */
  async stop(): Promise<void> {
    this.#phase = "stopped";
    this.#stopListening();
    for (const { attempt } of this.#slots) attempt?.stop();
    this.#wake();
    // A claim on its way is a job that has to go back, too.
    while (this.runningCount > 0 || this.#isFilling) await this.#change();
    this.#rounds.stop();
  }

  async #hasWork(): Promise<boolean> {
    if (this.runningCount > 0 || this.#isFilling) return true;
    const { store, log } = this.#dependencies;
    if (store.outlivesProcess || this.#phase === "stopped") return false;
    try {
      return (await store.stats()).queuedCount > 0;
    } catch (error) {
      log.error({ fault: faultOf(error) }, "drain failed");
      return false;
    }
  }

  /** Until an attempt has ended, or a claim, or the phase has changed; or for so long. */
  async #change(mostMs?: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    let wake = () => {};
    await new Promise<void>((resolve) => {
      wake = resolve;
      this.#waiters.add(wake);
      if (mostMs !== undefined) timer = setTimeout(resolve, mostMs);
    });
    clearTimeout(timer);
    this.#waiters.delete(wake);
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
  }

  #mayClaim(): boolean {
    const { store } = this.#dependencies;
    return this.#phase === "working" || (this.#phase === "draining" && !store.outlivesProcess);
  }

  /** Gives jobs to free slots. One pass at a time, or two would claim for one slot. */
  #fill(): void {
    this.#mustRefill = true;
    if (this.#isFilling) return;
    this.#isFilling = true;
    this.#fillSlots()
      .catch((error: unknown) => {
        this.#dependencies.log.error({ fault: faultOf(error) }, "claim failed");
      })
      .finally(() => {
        this.#isFilling = false;
        this.#wake();
        // Something may have called between the last look and here.
        if (this.#mustRefill) this.#fill();
      });
  }

  /** Those that must be called back from a piece of work last. */
  #freeSlots(): Slot[] {
    const free = this.#slots.filter(
      ({ attempt, isClaiming }) => attempt === undefined && !isClaiming,
    );
    return [
      ...free.filter(({ worker }) => !worker.isHelping),
      ...free.filter(({ worker }) => worker.isHelping),
    ];
  }

  async #fillSlots(): Promise<void> {
    const { store, pool } = this.#dependencies;
    while (this.#mustRefill) {
      this.#mustRefill = false;
      for (const slot of this.#freeSlots()) {
        if (!this.#mayClaim()) break;
        const { provable, isAll } = this.#provableBy(slot);
        const claimed = provable.length === 0 ? undefined : await store.claim(provable);
        const claim = claimed ?? this.#handOver(provable);
        // When the last free worker gets a job, more may wait.
        pool.assist(claim === undefined);
        if (claim === undefined) {
          if (isAll) break;
          continue;
        }
        this.#begin(slot, this.#attemptOf(slot, claim));
      }
    }
  }

  /** What was claimed ahead for a slot that took longer than it seemed. */
  #handOver(provable: readonly CircuitKey[]): Claim | undefined {
    for (const slot of this.#slots) {
      const claim = slot.attempt && slot.next?.claim;
      // Where there is no memory for it, it would only go back into the line.
      if (!provable.some(({ circuitId }) => circuitId === claim?.job.circuitId)) continue;
      slot.next = undefined;
      return claim;
    }
    return undefined;
  }

  /** For those who will be free soon. */
  #claimAhead(): void {
    if (this.#freeSlots().length > 0) return;
    for (const slot of this.#slots) {
      const { attempt, isClaiming, claimedFor, settling } = slot;
      if (attempt === undefined || isClaiming || claimedFor === attempt) continue;
      // Perhaps the store is away, and the slot waits for it: somebody else takes the job sooner.
      if (settling !== undefined) continue;
      if (attempt.leftMs <= CLAIM_AHEAD_MS && this.#mayClaim()) void this.#claimFor(slot, attempt);
    }
  }

  async #claimFor(slot: Slot, attempt: Attempt): Promise<void> {
    slot.claimedFor = attempt;
    slot.isClaiming = true;
    try {
      const claim = await this.#dependencies.store.claim(this.#provableBy(slot).provable);
      if (claim !== undefined) slot.next = this.#attemptOf(slot, claim);
    } catch (error) {
      this.#dependencies.log.error({ fault: faultOf(error) }, "claim failed");
    }
    slot.isClaiming = false;
    if (slot.attempt === undefined) this.#goOn(slot);
  }

  /** The circuits for whose proofs there is memory, in this slot. */
  #provableBy({ worker }: Slot): { provable: CircuitKey[]; isAll: boolean } {
    const all = this.#dependencies.circuits.all;
    const some = all.filter(({ artefacts }) => worker.hasPlace(artefacts.zkey));
    return { provable: some.map(circuitKey), isAll: some.length === all.length };
  }

  /** Those whose leases are held. */
  #attempts(): Attempt[] {
    const all: Attempt[] = [];
    for (const { attempt, next, settling } of this.#slots) {
      if (attempt !== undefined) all.push(attempt);
      if (next !== undefined) all.push(next);
      if (settling !== undefined) all.push(settling.attempt);
    }
    return all;
  }

  /** @throws Error if there is no such circuit: this server claimed none of it. */
  #attemptOf({ worker }: Slot, claim: Claim): Attempt {
    const circuit = this.#dependencies.circuits.get(claim.job.circuitId);
    const attempt = new Attempt(this.#options, { worker, claim, circuit });
    // The claim has told the store.
    const stage = firstStage(claim.job.inputKind);
    this.#reports.set(attempt, { stage, percent: 0, atMs: performance.now() });
    return attempt;
  }

  /** What was claimed for a slot that is free now, or else a look for more. */
  #goOn(slot: Slot): void {
    const { next } = slot;
    slot.next = undefined;
    if (next !== undefined) this.#begin(slot, next);
    this.#wake();
    this.#fill();
  }

  #begin(slot: Slot, attempt: Attempt): void {
    slot.attempt = attempt;
    void (this.#phase === "stopped" ? this.#giveBack(slot, attempt) : this.#work(slot, attempt));
  }

  /** Claimed, and then the phase changed. */
  async #giveBack(slot: Slot, { claim }: Attempt): Promise<void> {
    const { store, log } = this.#dependencies;
    try {
      await store.settle(claim.lease, { kind: "stopped" });
    } catch (caught) {
      log.error({ jobId: claim.job.jobId, fault: faultOf(caught) }, "attempt abandoned");
    }
    slot.attempt = undefined;
    this.#wake();
  }

  async #work(slot: Slot, attempt: Attempt): Promise<void> {
    const { log, observer } = this.#dependencies;
    const { job } = attempt.claim;
    const { jobId, circuitId, attempts } = job;
    observer.attemptStarted(job);
    try {
      log.info({ jobId, circuitId, attempt: attempts }, "attempt started");
      const settlement = await attempt.run();
      // The store has one result of a slot to wait for: if it is away, the slot waits with it.
      await slot.settling?.done;
      const done = this.#finish(attempt, settlement).finally(() => {
        slot.settling = undefined;
        this.#wake();
      });
      slot.settling = { attempt, done };
    } catch (caught) {
      log.error({ jobId, fault: faultOf(caught) }, "attempt abandoned");
      observer.attemptEnded({ job, ...ABANDONED });
    }
    // The core need not wait for the disk: the next job is worked at while this one is settled.
    slot.attempt = undefined;
    slot.completedCount++;
    // Else the claim on its way does.
    if (!slot.isClaiming) this.#goOn(slot);
  }

  /** Never rejects. */
  async #finish(attempt: Attempt, settlement: Settlement): Promise<void> {
    const { log, observer } = this.#dependencies;
    const { claim, proved } = attempt;
    let ended: Pick<EndedAttempt, "outcome" | "reason" | "isRetried" | "proved"> = ABANDONED;
    try {
      const job = await this.#settle(claim, settlement);
      ended = {
        outcome: job === undefined ? "late" : settlement.kind,
        reason: settlement.kind === "failed" ? settlement.failure.reason : undefined,
        isRetried: job?.state === "QUEUED",
        proved,
      };
      this.#report(job, claim, ended);
    } catch (caught) {
      // The store is away: the lease runs out, and another worker takes the job.
      log.error({ jobId: claim.job.jobId, fault: faultOf(caught) }, "attempt abandoned");
    } finally {
      observer.attemptEnded({ job: claim.job, ...ended });
    }
  }

  /**
   * Settles, and tries again as long as the store is away: a proof may be minutes of work, a disk full for
   * an hour, and the lease holds until the store says that somebody else has the job.
   */
  async #settle({ lease, job: { jobId } }: Claim, settlement: Settlement) {
    const { store, log } = this.#dependencies;
    for (let isFirst = true; ; isFirst = false) {
      try {
        return await store.settle(lease, settlement);
      } catch (error) {
        if (this.#phase === "stopped") throw error;
        if (isFirst) log.warn({ jobId, fault: faultOf(error) }, "result waits for the store");
        await this.#change(SETTLE_RETRY_MS);
      }
    }
  }

  #heartbeat(): Promise<unknown> | undefined {
    // Not the time of day, which may be set back: leases would run out meanwhile.
    const nowMs = performance.now();
    const due = this.#attempts().filter((attempt) =>
      isReportDue(attempt, this.#reports.get(attempt), nowMs),
    );
    if (due.length === 0) return undefined;
    return Promise.all(due.map((attempt) => this.#reportProgress(attempt, nowMs)));
  }

  async #reportProgress(attempt: Attempt, nowMs: number): Promise<void> {
    const { stage, percent } = attempt.progress;
    this.#reports.set(attempt, { stage, percent, atMs: nowMs });
    const { lease } = attempt.claim;
    if (!(await this.#dependencies.store.heartbeat(lease, stage, percent))) attempt.stop();
  }

  #report(
    job: Job | undefined,
    { job: { jobId, circuitId, attempts } }: Claim,
    { reason, proved }: Pick<EndedAttempt, "reason" | "proved">,
  ): void {
    const { log } = this.#dependencies;
    if (job === undefined) {
      log.warn({ jobId, circuitId, attempt: attempts }, "late result ignored");
      return;
    }
    const outcome = { state: job.state, reason, ...(proved && rounded(proved)) };
    const fields = { jobId, circuitId, attempt: attempts, ...outcome };
    // These two mean that someone must look: a proof or the program itself is wrong.
    if (reason === "PROOF_REJECTED" || reason === "BUG") log.error(fields, "attempt ended");
    else log.info(fields, "attempt ended");
  }
}

/** In whole milliseconds, for people. */
function rounded({ engine, stageMs }: NonNullable<EndedAttempt["proved"]>) {
  const times = Object.entries(stageMs).map(([stage, ms]) => [stage, Math.round(ms)]);
  return { engine, stageMs: Object.fromEntries(times) };
}

const ABANDONED = {
  outcome: "abandoned",
  reason: undefined,
  isRetried: false,
  proved: undefined,
} as const;

function isReportDue(attempt: Attempt, reported: Report | undefined, nowMs: number): boolean {
  if (reported === undefined) return true;
  const { stage, percent } = attempt.progress;
  const sinceMs = nowMs - reported.atMs;
  if (sinceMs >= REPORT_MAX_MS || stage !== reported.stage) return true;
  return percent !== reported.percent && sinceMs >= REPORT_MIN_MS;
}
