// The rules of a job store as a list of jobs, and random calls that hold a store against it.
import fc from "fast-check";
import { expect } from "vitest";
import type { Job, JobFailure, JobPriority, JobState } from "../../prover/job.ts";
import type { Claim, JobStore, Settlement } from "../../prover/job-store.ts";
import { LIMITS, newJob, PROVABLE } from "./job-store-contract.ts";

/** A store that is empty at first. */
export interface ModelledStore {
  readonly store: JobStore;
  /** Closes it and opens it again, as the next process would; undefined if it ends with its process. */
  readonly reopen?: () => Promise<JobStore>;
  close(): Promise<void>;
}

type How = "succeeded" | "retryable" | "fatal" | "stopped";

export type Step =
  | {
      readonly do: "submit";
      readonly id: number;
      readonly content: number;
      readonly priority: JobPriority;
      readonly expireInMs: number | undefined;
      readonly bytes: number;
    }
  | { readonly do: "claim" | "sweep" | "reopen" }
  | { readonly do: "heartbeat"; readonly claim: number }
  | { readonly do: "settle"; readonly claim: number; readonly how: How }
  | { readonly do: "cancel" | "retry"; readonly id: number }
  | { readonly do: "purge"; readonly state: (typeof ENDS)[number] | undefined }
  | { readonly do: "pass"; readonly ms: number };

const ENDS = ["SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"] as const;
const PRIORITIES = ["HIGH", "NORMAL", "LOW"] as const;
const START_MS = 1_700_000_000_000;

const id = fc.nat({ max: 6 });
/** Counted from the latest one: that one, or one that may be over. */
const claim = fc.nat({ max: 3 });
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("submit" as const),
      id,
      content: fc.nat({ max: 5 }).map((n) => (n === 0 ? 1 : 0)),
      priority: fc.constantFrom(...PRIORITIES),
      expireInMs: fc.option(fc.constantFrom(1, 500, 3_000), { nil: undefined, freq: 2 }),
      bytes: fc.constantFrom(100, 400),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("claim" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("sweep" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reopen" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("heartbeat" as const), claim }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("settle" as const),
      claim,
      how: fc.constantFrom<How>("succeeded", "retryable", "retryable", "fatal", "stopped"),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("cancel" as const), id }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("retry" as const), id }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("purge" as const),
      state: fc.option(fc.constantFrom(...ENDS), { nil: undefined }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("pass" as const),
      ms: fc.constantFrom(1, 499, 1_000, 3_000, LIMITS.keepDeadMs, LIMITS.keepFinishedMs),
    }),
  },
);

/** Calls in a row. */
export const stepsArbitrary = fc.array(stepArbitrary, {
  minLength: 1,
  maxLength: 60,
  size: "max",
});

interface ModelJob {
  readonly requestId: string;
  readonly jobId: string;
  readonly content: number;
  readonly priority: JobPriority;
  readonly expireMs: number | undefined;
  readonly bytes: number;
  state: JobState;
  attempts: number;
  cancelRequested: boolean;
  endedMs: number | undefined;
  /** Whether its input is kept for a retry. */
  isDead: boolean;
  /** The claim that holds it. */
  held: HeldClaim | undefined;
  /** Places in the line: the least comes first; equal ones in any order. */
  place: number;
}

interface HeldClaim {
  readonly claim: Claim;
  deadlineMs: number;
}

const LOST: JobFailure = { reason: "WORKER_LOST", message: "the thread died", retryable: true };
const FATAL: JobFailure = { reason: "WITNESS_UNSATISFIABLE", message: "no", retryable: false };
const SETTLEMENTS: Readonly<Record<How, Settlement>> = {
  succeeded: { kind: "succeeded", result: Uint8Array.of(1) },
  retryable: { kind: "failed", failure: LOST },
  fatal: { kind: "failed", failure: FATAL },
  stopped: { kind: "stopped" },
};

/** Holds a store against the model, call by call. */
export async function holdAgainstModel(
  steps: readonly Step[],
  open: (now: () => number) => Promise<ModelledStore>,
): Promise<void> {
  let nowMs = START_MS;
  const under = await open(() => nowMs);
  const model = new Model(() => nowMs);
  let store = under.store;
  try {
    for (const step of steps) {
      if (step.do === "pass") nowMs += step.ms;
      else if (step.do !== "reopen") await model.call(store, step);
      else if (under.reopen !== undefined) {
        store = await under.reopen();
        model.lose("any");
      }
      await model.compare(store);
    }
    await model.compareEvents(store);
  } finally {
    await under.close();
  }
}

class Model {
  readonly #now: () => number;
  readonly #jobs = new Map<string, ModelJob>();
  readonly #claims: { readonly claim: Claim; readonly requestId: string }[] = [];
  #front = 0;
  #back = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  async call(store: JobStore, step: Exclude<Step, { do: "pass" }>): Promise<void> {
    switch (step.do) {
      case "submit":
        return this.#submit(store, step);
      case "claim":
        return this.#claim(store);
      case "heartbeat":
        return this.#heartbeat(store, step.claim);
      case "settle":
        return this.#settle(store, step.claim, step.how);
      case "cancel":
        return this.#cancel(store, nameOf(step.id));
      case "retry":
        return this.#retry(store, nameOf(step.id));
      case "purge":
        return this.#purge(store, step.state);
      case "sweep":
        return this.#sweep(store);
    }
  }

  /** Workers that are gone: all, or those that were silent for too long. */
  lose(which: "any" | "silent"): void {
    const place = this.#front - 1;
    for (const job of this.#with("RUNNING")) {
      const { held } = job;
      if (held === undefined) continue;
      if (which === "silent" && held.deadlineMs > this.#now()) continue;
      if (which === "silent") expect(held.claim.revoked.reason).toBeDefined();
      this.#end(job, "retryable", place);
    }
    this.#front = place;
  }

  /** Every job that was ever submitted, and the numbers. */
  async compare(store: JobStore): Promise<void> {
    for (let n = 0; n <= 6; n++) {
      const requestId = nameOf(n);
      const expected = this.#jobs.get(requestId);
      const got = await store.get({ owner: "", requestId });
      const { state, attempts, cancelRequested, endedMs, jobId } = expected ?? {};
      expect(got && { ...pick(got) }).toEqual(
        expected && { jobId, state, attempts, cancelRequested, endedMs },
      );
    }
    const waiting = this.#with("QUEUED");
    expect(await store.stats()).toMatchObject({
      queuedCount: waiting.length,
      queuedBytes: waiting.reduce((sum, { bytes }) => sum + bytes, 0),
      runningCount: this.#with("RUNNING").length,
    });
  }

  /** A watcher that comes now: the job as it stands, and nothing after an end. */
  async compareEvents(store: JobStore): Promise<void> {
    for (const { jobId, state } of this.#jobs.values()) {
      const leave = new AbortController();
      const seen: [sequence: number, state: JobState][] = [];
      const { sequence } = (await store.get({ jobId })) as Job;
      for await (const event of store.events({ jobId }, 0, leave.signal)) {
        seen.push([event.sequence, event.job.state]);
        leave.abort();
      }
      expect(seen).toEqual([[sequence, state]]);
    }
  }

  async #submit(store: JobStore, step: Extract<Step, { do: "submit" }>): Promise<void> {
    const { content, priority, bytes, expireInMs } = step;
    const requestId = nameOf(step.id);
    const known = this.#jobs.get(requestId);
    const expireMs = expireInMs === undefined ? undefined : this.#now() + expireInMs;
    const submitted = store.submit(
      newJob(requestId, {
        contentSha256: `content ${content}`,
        priority,
        expireMs,
        input: { format: "json", bytes: new Uint8Array(bytes), commit: undefined },
      }),
    );
    if (known !== undefined && known.content !== content)
      return refused(submitted, "REQUEST_ID_REUSED");
    if (known === undefined && !this.#hasRoom(bytes)) return refused(submitted, "QUEUE_FULL");
    const { job, created } = await submitted;
    expect(created).toBe(known === undefined);
    if (known !== undefined) return expect(job.jobId).toBe(known.jobId);
    this.#jobs.set(requestId, {
      ...{ requestId, jobId: job.jobId, content, priority, expireMs, bytes },
      ...{ state: "QUEUED", attempts: 0, cancelRequested: false, endedMs: undefined },
      ...{ isDead: false, held: undefined, place: ++this.#back },
    });
  }

  async #claim(store: JobStore): Promise<void> {
    // Those that have expired are noticed when they are met.
    const claimed = await store.claim(PROVABLE);
    const line = this.#with("QUEUED").toSorted((a, b) => rank(a) - rank(b) || a.place - b.place);
    for (const job of line) {
      const equals = line.filter(
        (other) => other.priority === job.priority && other.place === job.place,
      );
      const taken = equals.find(({ jobId }) => jobId === claimed?.job.jobId);
      // Of those with one place, expired ones may or may not have been met before the one taken.
      for (const other of taken === undefined ? [job] : equals) {
        if (!this.#isExpired(other)) continue;
        const isMet = taken === undefined || (await store.get(other))?.state === "EXPIRED";
        if (isMet) this.#finish(other, "EXPIRED");
      }
      if (this.#isExpired(job)) continue;
      expect(taken, `claimed ${claimed?.job.requestId}, expected ${job.requestId}`).toBeDefined();
      if (taken === undefined || claimed === undefined) return;
      taken.state = "RUNNING";
      taken.attempts++;
      taken.held = { claim: claimed, deadlineMs: this.#now() + LIMITS.leaseMs };
      this.#claims.push({ claim: claimed, requestId: taken.requestId });
      return;
    }
    expect(claimed).toBeUndefined();
  }

  async #heartbeat(store: JobStore, index: number): Promise<void> {
    const made = this.#claims.at(-1 - index);
    if (made === undefined) return;
    const job = this.#holder(made.claim);
    expect(await store.heartbeat(made.claim.lease, "PROVING", 50)).toBe(job !== undefined);
    if (job?.held) job.held.deadlineMs = this.#now() + LIMITS.leaseMs;
  }

  async #settle(store: JobStore, index: number, how: How): Promise<void> {
    const made = this.#claims.at(-1 - index);
    if (made === undefined) return;
    const job = this.#holder(made.claim);
    const settled = await store.settle(made.claim.lease, SETTLEMENTS[how]);
    if (job === undefined) return expect(settled).toBeUndefined();
    this.#end(job, how, --this.#front);
    expect(settled?.state).toBe(job.state);
  }

  async #cancel(store: JobStore, requestId: string): Promise<void> {
    const job = this.#jobs.get(requestId);
    const cancelled = store.cancel({ owner: "", requestId });
    if (job === undefined) return refused(cancelled, "JOB_UNKNOWN");
    if (job.state === "QUEUED") this.#finish(job, "CANCELLED");
    if (job.state === "RUNNING") job.cancelRequested = true;
    expect((await cancelled).state).toBe(job.state);
    if (job.state === "RUNNING") expect(job.held?.claim.revoked.aborted).toBe(true);
  }

  async #retry(store: JobStore, requestId: string): Promise<void> {
    const job = this.#jobs.get(requestId);
    const retried = store.retry({ owner: "", requestId });
    if (job === undefined) return refused(retried, "JOB_UNKNOWN");
    if (!job.isDead) return refused(retried, "JOB_NOT_RETRYABLE");
    if (!this.#hasRoom(job.bytes)) return refused(retried, "QUEUE_FULL");
    Object.assign(job, { state: "QUEUED", attempts: 0, endedMs: undefined, isDead: false });
    job.place = ++this.#back;
    expect((await retried).state).toBe("QUEUED");
  }

  async #purge(store: JobStore, state: (typeof ENDS)[number] | undefined): Promise<void> {
    const gone = [...this.#jobs.values()].filter(
      (job) => job.endedMs !== undefined && (state === undefined || job.state === state),
    );
    const states = state === undefined ? [] : [state];
    expect(await store.purge({ states, endedBeforeMs: undefined })).toBe(gone.length);
    for (const { requestId } of gone) this.#jobs.delete(requestId);
  }

  async #sweep(store: JobStore): Promise<void> {
    await store.sweep();
    for (const job of this.#with("QUEUED")) {
      if (this.#isExpired(job)) this.#finish(job, "EXPIRED");
    }
    this.lose("silent");
    const ended = [...this.#jobs.values()].filter(({ endedMs }) => endedMs !== undefined);
    ended.sort((a, b) => (a.endedMs as number) - (b.endedMs as number));
    for (const job of ended) {
      if ((job.endedMs as number) + LIMITS.keepDeadMs <= this.#now()) job.isDead = false;
    }
    const old = ended.filter(
      (job) => (job.endedMs as number) + LIMITS.keepFinishedMs <= this.#now(),
    );
    const count = Math.max(old.length, ended.length - LIMITS.keepFinishedMax);
    // Of several that ended at once any may go first.
    const lastMs = ended[count - 1]?.endedMs as number;
    const certain = ended.filter((job) => (job.endedMs as number) < lastMs);
    const doubtful = ended.filter((job) => job.endedMs === lastMs);
    const known = await Promise.all(doubtful.map(({ jobId }) => store.get({ jobId })));
    const gone = doubtful.filter((_, i) => known[i] === undefined);
    if (count > 0) expect(certain.length + gone.length).toBe(count);
    for (const { requestId } of count > 0 ? [...certain, ...gone] : [])
      this.#jobs.delete(requestId);
  }

  #holder({ lease }: Claim): ModelJob | undefined {
    return this.#with("RUNNING").find(({ held }) => held?.claim.lease.token === lease.token);
  }

  #end(job: ModelJob, how: How, place: number): void {
    job.held = undefined;
    if (job.cancelRequested) this.#finish(job, "CANCELLED");
    else if (how === "succeeded") this.#finish(job, "SUCCEEDED");
    else if (this.#isExpired(job)) this.#finish(job, "EXPIRED");
    else if (how === "stopped" || (how === "retryable" && job.attempts < LIMITS.attemptsMax)) {
      job.state = "QUEUED";
      job.place = place;
      if (how === "stopped") job.attempts--;
    } else {
      this.#finish(job, "FAILED");
      job.isDead = how === "retryable";
    }
  }

  #finish(job: ModelJob, state: (typeof ENDS)[number]): void {
    Object.assign(job, { state, cancelRequested: false, endedMs: this.#now() });
  }

  #isExpired({ expireMs }: ModelJob): boolean {
    return expireMs !== undefined && expireMs <= this.#now();
  }

  #hasRoom(bytes: number): boolean {
    const waiting = this.#with("QUEUED");
    const together = waiting.reduce((sum, job) => sum + job.bytes, bytes);
    return waiting.length < LIMITS.queueMax && together <= LIMITS.queueMaxBytes;
  }

  #with(state: JobState): ModelJob[] {
    return [...this.#jobs.values()].filter((job) => job.state === state);
  }
}

const nameOf = (n: number): string => `r${n}`;
const rank = ({ priority }: ModelJob): number => PRIORITIES.indexOf(priority);

function pick({ jobId, state, attempts, cancelRequested, endedMs }: Claim["job"]) {
  return { jobId, state, attempts, cancelRequested, endedMs };
}

async function refused(call: Promise<unknown>, code: string): Promise<void> {
  await expect(call).rejects.toMatchObject({ code });
}
