// What every JobStore promises. A store's own test file calls `jobStoreContract` with a way to make it.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Job, JobEvent, JobFailure, JobState } from "../../prover/job.ts";
import type { Claim, JobStore, NewJob } from "../../prover/job-store.ts";

/** The limits with which a store under test is to be made. */
export const LIMITS = {
  queueMax: 4,
  queueMaxBytes: 1_000,
  attemptsMax: 2,
  leaseMs: 1_000,
  keepFinishedMs: 60_000,
  keepFinishedMax: 5,
  keepDeadMs: 10_000,
} as const;

/** The circuit of `newJob`, as a worker names what it can prove. */
export const PROVABLE = [{ circuitId: "c", zkeySha256: "c0".repeat(32) }] as const;

export interface StoreUnderTest {
  readonly store: JobStore;
  close(): Promise<void>;
}

/** @param open makes an empty store with LIMITS on the given clock (Unix ms). */
export function jobStoreContract(
  name: string,
  open: (now: () => number) => Promise<StoreUnderTest>,
) {
  describe(`job store / ${name}`, () => {
    let nowMs = 0;
    let under: StoreUnderTest;
    let store: JobStore;

    beforeEach(async () => {
      nowMs = 1_700_000_000_000;
      under = await open(() => nowMs);
      store = under.store;
    });
    afterEach(() => under.close());

    const submit = async (requestId: string, changes: Partial<NewJob> = {}): Promise<Job> =>
      (await store.submit(newJob(requestId, changes))).job;
    const claim = async (): Promise<Claim> => {
      const claimed = await store.claim(PROVABLE);
      expect(claimed).toBeDefined();
      return claimed as Claim;
    };
    const stateOf = async (jobId: string): Promise<JobState | undefined> =>
      (await store.get({ jobId }))?.state;
    const deadLetter = async (requestId: string): Promise<Job> => {
      const job = await submit(requestId);
      for (let attempt = 0; attempt < LIMITS.attemptsMax; attempt++) {
        await store.settle((await claim()).lease, { kind: "failed", failure: LOST });
      }
      return job;
    };

    describe("submit", () => {
      it("gives the same job for the same request id and content, whatever became of it", async () => {
        const first = await store.submit(newJob("r"));
        expect(first.created).toBe(true);
        const again = await store.submit(newJob("r"));
        expect(again.created).toBe(false);
        expect(again.job.jobId).toBe(first.job.jobId);
        await store.cancel({ owner: "", requestId: "r" });
        const late = await store.submit(newJob("r"));
        expect(late).toMatchObject({ created: false, job: { state: "CANCELLED" } });
      });

      it("refuses other content under a known request id and leaves the job alone", async () => {
        await submit("r");
        await expect(submit("r", { contentSha256: "other" })).rejects.toMatchObject({
          code: "REQUEST_ID_REUSED",
        });
        expect((await store.stats()).queuedCount).toBe(1);
      });

      it("lets one of many simultaneous submissions of one id make the job", async () => {
        const all = await Promise.all(Array.from({ length: 8 }, () => store.submit(newJob("r"))));
        expect(all.filter(({ created }) => created)).toHaveLength(1);
        expect(new Set(all.map(({ job }) => job.jobId)).size).toBe(1);
      });

      it("refuses a job when the line is full, and still answers for the ones in it", async () => {
        for (let i = 0; i < LIMITS.queueMax; i++) await submit(`r${i}`);
        await expect(submit("late")).rejects.toMatchObject({
          code: "QUEUE_FULL",
          retryAfterMs: expect.any(Number),
        });
        expect((await store.submit(newJob("r0"))).created).toBe(false);
        await claim();
        expect((await submit("late")).state).toBe("QUEUED");
      });

      it("refuses a job when the inputs in the line are too large together", async () => {
        await submit("a", { input: input(600) });
        await expect(submit("b", { input: input(401) })).rejects.toMatchObject({
          code: "QUEUE_FULL",
        });
        await submit("c", { input: input(400) });
        expect((await store.stats()).queuedBytes).toBe(1_000);
      });

      it("wipes an input that it does not take: a repetition's, and one that it refuses", async () => {
        await submit("r");
        const again = input(3);
        await submit("r", { input: again });
        const other = input(3);
        const reused = submit("r", { input: other, contentSha256: "other" });
        await expect(reused).rejects.toMatchObject({ code: "REQUEST_ID_REUSED" });
        const large = input(LIMITS.queueMaxBytes + 1);
        const refused = submit("large", { input: large });
        await expect(refused).rejects.toMatchObject({ code: "QUEUE_FULL" });
        expect([again, other, large].map(isGone)).toEqual([true, true, true]);
      });

      it("wipes an input that was claimed and not used, and gives it anew", async () => {
        await submit("r");
        const { lease, input: unused } = await claim();
        const bytes = Uint8Array.from(unused.bytes);
        expect(bytes.some((byte) => byte !== 0)).toBe(true);
        await store.settle(lease, { kind: "stopped" });
        expect(isGone(unused)).toBe(true);
        expect(Uint8Array.from((await claim()).input.bytes)).toEqual(bytes);
      });

      it("keeps what it was given", async () => {
        const job = await submit("r", { labels: { block: "7" }, expireMs: nowMs + 5 });
        expect(await store.get({ owner: "", requestId: "r" })).toEqual(job);
        expect(await store.get({ jobId: job.jobId })).toMatchObject({
          requestId: "r",
          circuitId: "c",
          labels: { block: "7" },
          expireMs: nowMs + 5,
          createdMs: nowMs,
          developmentKeys: true,
          state: "QUEUED",
          sequence: 1,
        });
      });
    });

    describe("owners", () => {
      it("have request ids of their own", async () => {
        const mine = await store.submit(newJob("r", { owner: "a" }));
        const yours = await store.submit(newJob("r", { owner: "b", contentSha256: "other" }));
        expect([mine.created, yours.created]).toEqual([true, true]);
        expect(await store.get({ owner: "a", requestId: "r" })).toEqual(mine.job);
        expect(await store.get({ owner: "b", requestId: "r" })).toEqual(yours.job);
        expect(await store.get({ owner: "c", requestId: "r" })).toBeUndefined();
        await store.cancel({ owner: "b", requestId: "r" });
        expect(await stateOf(mine.job.jobId)).toBe("QUEUED");
        await expect(store.cancel({ owner: "c", requestId: "r" })).rejects.toMatchObject({
          code: "JOB_UNKNOWN",
        });
      });

      it("see their own jobs in a list that asks for them", async () => {
        await submit("1", { owner: "a" });
        await submit("2", { owner: "b" });
        await submit("3", { owner: "a" });
        const { jobs } = await store.list({ ...ALL, owner: "a" }, 9, undefined);
        expect(jobs.map(({ owner, requestId }) => [owner, requestId])).toEqual([
          ["a", "3"],
          ["a", "1"],
        ]);
        expect((await store.list(ALL, 9, undefined)).jobs).toHaveLength(3);
      });

      it("have their waiting jobs counted apart, through claims, returns and cancels", async () => {
        const counts = () => Promise.all([store.queuedOf("a"), store.queuedOf("b")]);
        await submit("1", { owner: "a" });
        await submit("2", { owner: "a" });
        await submit("3", { owner: "b" });
        expect(await counts()).toEqual([2, 1]);
        const { lease } = await claim();
        expect(await counts()).toEqual([1, 1]);
        await store.settle(lease, { kind: "stopped" });
        expect(await counts()).toEqual([2, 1]);
        await store.cancel({ owner: "b", requestId: "3" });
        await store.settle((await claim()).lease, { kind: "succeeded", result: RESULT });
        expect(await counts()).toEqual([1, 0]);
        expect(await store.queuedOf("nobody")).toBe(0);
      });
    });

    describe("claim", () => {
      it("takes the oldest job of the highest priority", async () => {
        await submit("low", { priority: "LOW" });
        await submit("normal 1");
        await submit("normal 2");
        await submit("high", { priority: "HIGH" });
        const order = [];
        for (let i = 0; i < 4; i++) order.push((await claim()).job.requestId);
        expect(order).toEqual(["high", "normal 1", "normal 2", "low"]);
        expect(await store.claim(PROVABLE)).toBeUndefined();
      });

      it("gives a job to one of many simultaneous claimants", async () => {
        await submit("a");
        await submit("b");
        const claims = await Promise.all(Array.from({ length: 6 }, () => store.claim(PROVABLE)));
        const ids = claims.flatMap((claimed) => claimed?.job.requestId ?? []);
        expect(ids.sort()).toEqual(["a", "b"]);
      });

      it("hands over the input and marks the job as running", async () => {
        nowMs += 10;
        const commit = { newRoot: 2n ** 200n + 3n, txData: Uint8Array.of(9, 8) };
        await submit("r", { input: { format: "wtns", bytes: Uint8Array.of(1, 2, 3), commit } });
        nowMs += 5;
        const { job, input: claimed } = await claim();
        expect(claimed).toEqual({ format: "wtns", bytes: Uint8Array.of(1, 2, 3), commit });
        expect(job).toMatchObject({ state: "RUNNING", attempts: 1, startedMs: nowMs });
        expect(await store.stats()).toMatchObject({
          queuedCount: 0,
          queuedBytes: 0,
          runningCount: 1,
        });
      });

      it("leaves jobs of other circuits and other keys in the line, where they hold up nobody", async () => {
        const newKey = { circuitId: "c", zkeySha256: "c1".repeat(32) };
        const other = { circuitId: "d", zkeySha256: "d0".repeat(32) };
        await submit("new key", { ...newKey, priority: "HIGH" });
        await submit("other circuit", other);
        await submit("ours");
        expect((await claim()).job).toMatchObject({ requestId: "ours", ...PROVABLE[0] });
        expect(await store.claim(PROVABLE)).toBeUndefined();
        expect(await store.claim([])).toBeUndefined();
        expect((await store.claim([newKey]))?.job.requestId).toBe("new key");
        expect((await store.claim([...PROVABLE, other]))?.job.requestId).toBe("other circuit");
      });

      it("keeps one line over all circuits: priority first, then age", async () => {
        const other = { circuitId: "d", zkeySha256: "d0".repeat(32) };
        await submit("1", other);
        await submit("2");
        await submit("3", other);
        await submit("4", { priority: "HIGH" });
        const order = [];
        for (let i = 0; i < 4; i++) {
          order.push((await store.claim([...PROVABLE, other]))?.job.requestId);
        }
        expect(order).toEqual(["4", "1", "2", "3"]);
      });

      it("is announced", async () => {
        let announced = 0;
        const stop = store.onWork(() => announced++);
        await submit("a");
        expect(announced).toBeGreaterThan(0);
        stop();
        const before = announced;
        await submit("b");
        expect(announced).toBe(before);
      });
    });

    describe("position and depth", () => {
      it("counts the jobs ahead, by priority and age", async () => {
        const [first, second] = [await submit("1"), await submit("2")];
        const high = await submit("3", { priority: "HIGH" });
        const positions = [first, second, high].map(({ jobId }) => store.position(jobId));
        expect(await Promise.all(positions)).toEqual([1, 2, 0]);
      });

      it("does not count cancelled, expired or running jobs as depth", async () => {
        await submit("running");
        await claim();
        const cancelled = await submit("cancelled");
        await submit("expired", { expireMs: nowMs + 1 });
        const waiting = await submit("waiting");
        await store.cancel({ jobId: cancelled.jobId });
        nowMs += 1;
        await store.sweep();
        expect(await store.stats()).toEqual({
          queuedCount: 1,
          queuedByPriority: { HIGH: 0, NORMAL: 1, LOW: 0 },
          queuedBytes: INPUT_BYTES,
          runningCount: 1,
          circuits: [{ ...PROVABLE[0], queuedCount: 1, runningCount: 1 }],
          oldestQueuedMs: waiting.createdMs,
        });
        expect(await store.position(waiting.jobId)).toBe(0);
      });

      it("counts waiting jobs by priority", async () => {
        await submit("1", { priority: "LOW" });
        await submit("2", { priority: "HIGH" });
        await submit("3", { priority: "LOW" });
        expect((await store.stats()).queuedByPriority).toEqual({ HIGH: 1, NORMAL: 0, LOW: 2 });
      });

      it("is told for each circuit and key of which a job waits or runs", async () => {
        const newKey = { circuitId: "c", zkeySha256: "c1".repeat(32) };
        await submit("1");
        await submit("2", newKey);
        await submit("3", newKey);
        await claim();
        const { circuits } = await store.stats();
        const sorted = [...circuits].sort((a, b) => (a.zkeySha256 < b.zkeySha256 ? -1 : 1));
        expect(sorted).toEqual([
          { ...PROVABLE[0], queuedCount: 0, runningCount: 1 },
          { ...newKey, queuedCount: 2, runningCount: 0 },
        ]);
        await store.cancel({ owner: "", requestId: "2" });
        expect((await store.stats()).circuits).toContainEqual({
          ...newKey,
          queuedCount: 1,
          runningCount: 0,
        });
      });

      it("is 0 for a job that does not wait", async () => {
        const { job } = await submitAndClaim(submit, claim);
        expect(await store.position(job.jobId)).toBe(0);
        expect(await store.position("unknown")).toBe(0);
      });
    });

    describe("settle", () => {
      it("ends a job with its result and deletes the input", async () => {
        const { lease, job } = await submitAndClaim(submit, claim);
        nowMs += 7;
        const settled = await store.settle(lease, { kind: "succeeded", result: RESULT });
        expect(settled).toMatchObject({ state: "SUCCEEDED", endedMs: nowMs });
        expect((await store.get({ jobId: job.jobId }))?.result).toEqual(RESULT);
        await expect(store.retry({ jobId: job.jobId })).rejects.toMatchObject({
          code: "JOB_NOT_RETRYABLE",
        });
      });

      it("ends a job at once when the failure is the input's", async () => {
        const { lease, job } = await submitAndClaim(submit, claim);
        await store.settle(lease, { kind: "failed", failure: UNSATISFIABLE });
        expect(await store.get({ jobId: job.jobId })).toMatchObject({
          state: "FAILED",
          failure: UNSATISFIABLE,
          attempts: 1,
        });
        expect(await store.claim(PROVABLE)).toBeUndefined();
      });

      it("puts a job back in front after a failure of the service, with its input", async () => {
        await submit("first");
        await submit("second");
        await store.settle((await claim()).lease, { kind: "failed", failure: LOST });
        const again = await claim();
        expect(again.job).toMatchObject({ requestId: "first", attempts: 2 });
        expect(again.input.bytes).toEqual(input(INPUT_BYTES).bytes);
      });

      it("stops a poison job after its attempts and keeps it as a dead letter", async () => {
        const job = await deadLetter("poison");
        expect(await store.get({ jobId: job.jobId })).toMatchObject({
          state: "FAILED",
          failure: LOST,
          attempts: LIMITS.attemptsMax,
        });
        expect(await store.claim(PROVABLE)).toBeUndefined();
      });

      it("puts stopped work back at no attempt's cost", async () => {
        const { lease } = await submitAndClaim(submit, claim);
        await store.settle(lease, { kind: "stopped" });
        expect((await claim()).job.attempts).toBe(1);
      });

      it("ignores a second settlement and a late one", async () => {
        const { lease, job } = await submitAndClaim(submit, claim);
        await store.settle(lease, { kind: "failed", failure: UNSATISFIABLE });
        expect(await store.settle(lease, { kind: "succeeded", result: RESULT })).toBeUndefined();
        expect(await stateOf(job.jobId)).toBe("FAILED");
      });
    });

    describe("lease", () => {
      it("is kept by heartbeats", async () => {
        const { lease, job } = await submitAndClaim(submit, claim);
        for (let i = 0; i < 3; i++) {
          nowMs += LIMITS.leaseMs - 1;
          expect(await store.heartbeat(lease, "PROVING", i)).toBe(true);
          await store.sweep();
        }
        expect(await store.get({ jobId: job.jobId })).toMatchObject({
          state: "RUNNING",
          stage: "PROVING",
          progressPercent: 2,
        });
      });

      it("of a silent worker passes to another, and the late result changes nothing", async () => {
        const late = await submitAndClaim(submit, claim);
        nowMs += LIMITS.leaseMs;
        await store.sweep();
        expect(late.revoked.reason).toBe("lost");
        const other = await claim();
        expect(other.job).toMatchObject({ jobId: late.job.jobId, attempts: 2 });
        expect(await store.heartbeat(late.lease, "PROVING", 99)).toBe(false);
        expect(
          await store.settle(late.lease, { kind: "failed", failure: UNSATISFIABLE }),
        ).toBeUndefined();
        await store.settle(other.lease, { kind: "succeeded", result: RESULT });
        expect(await stateOf(other.job.jobId)).toBe("SUCCEEDED");
      });

      it("lost in every attempt makes a dead letter", async () => {
        const job = await submit("r");
        for (let attempt = 0; attempt < LIMITS.attemptsMax; attempt++) {
          await claim();
          nowMs += LIMITS.leaseMs;
          await store.sweep();
        }
        expect(await store.get({ jobId: job.jobId })).toMatchObject({
          state: "FAILED",
          failure: { reason: "WORKER_LOST", retryable: true },
        });
      });
    });

    describe("cancel", () => {
      it("ends a waiting job at once", async () => {
        const job = await submit("r");
        expect((await store.cancel({ jobId: job.jobId })).state).toBe("CANCELLED");
        expect(await store.claim(PROVABLE)).toBeUndefined();
      });

      it("revokes the claim of a running job, which ends CANCELLED", async () => {
        const { lease, job, revoked } = await submitAndClaim(submit, claim);
        const answer = await store.cancel({ owner: "", requestId: job.requestId });
        expect(answer).toMatchObject({ state: "RUNNING", cancelRequested: true });
        expect(revoked.reason).toBe("cancelled");
        await store.settle(lease, { kind: "stopped" });
        expect(await stateOf(job.jobId)).toBe("CANCELLED");
        expect(await store.claim(PROVABLE)).toBeUndefined();
      });

      it("wins over a proof that was ready first", async () => {
        const { lease, job } = await submitAndClaim(submit, claim);
        await store.cancel({ jobId: job.jobId });
        await store.settle(lease, { kind: "succeeded", result: RESULT });
        expect(await store.get({ jobId: job.jobId })).toMatchObject({
          state: "CANCELLED",
          result: undefined,
        });
      });

      it("wins over another attempt when the worker dies", async () => {
        const { lease, job } = await submitAndClaim(submit, claim);
        await store.cancel({ jobId: job.jobId });
        await store.settle(lease, { kind: "failed", failure: LOST });
        expect(await stateOf(job.jobId)).toBe("CANCELLED");
      });

      it("changes nothing about a job that has ended, however often it is repeated", async () => {
        const { lease, job } = await submitAndClaim(submit, claim);
        await store.settle(lease, { kind: "succeeded", result: RESULT });
        const before = await store.get({ jobId: job.jobId });
        expect(await store.cancel({ jobId: job.jobId })).toEqual(before);
        expect(await store.cancel({ jobId: job.jobId })).toEqual(before);
      });

      it("of an unknown job is refused", async () => {
        await expect(store.cancel({ owner: "", requestId: "?" })).rejects.toMatchObject({
          code: "JOB_UNKNOWN",
        });
      });
    });

    describe("expiry", () => {
      it("ends a waiting job", async () => {
        const job = await submit("r", { expireMs: nowMs + 10 });
        await store.sweep();
        expect(await stateOf(job.jobId)).toBe("QUEUED");
        nowMs += 10;
        await store.sweep();
        expect(await stateOf(job.jobId)).toBe("EXPIRED");
      });

      it("keeps a waiting job from being claimed, also before it is swept", async () => {
        const job = await submit("r", { expireMs: nowMs + 10 });
        nowMs += 10;
        expect(await store.claim(PROVABLE)).toBeUndefined();
        expect(await stateOf(job.jobId)).toBe("EXPIRED");
      });

      it("revokes the claim of a running job, which ends EXPIRED", async () => {
        await submit("r", { expireMs: nowMs + 10 });
        const { lease, job, revoked } = await claim();
        nowMs += 10;
        await store.sweep();
        expect(revoked.reason).toBe("expired");
        await store.settle(lease, { kind: "stopped" });
        expect(await stateOf(job.jobId)).toBe("EXPIRED");
      });
    });

    describe("events", () => {
      it("begin with a snapshot and go on to the final state without a gap", async () => {
        const job = await submit("r");
        const seen = collect(store.events({ jobId: job.jobId }, 0, NEVER));
        const { lease } = await claim();
        await store.heartbeat(lease, "WITNESS", 10);
        await store.heartbeat(lease, "PROVING", 50);
        await store.settle(lease, { kind: "succeeded", result: RESULT });
        const events = await seen;
        expect(events[0]).toMatchObject({ isSnapshot: true });
        const numbers = events.map(({ sequence }) => sequence);
        expect(numbers).toEqual(numbers.map((_, i) => (numbers[0] as number) + i));
        expect(events.at(-1)?.job).toMatchObject({ state: "SUCCEEDED", result: RESULT });
        for (const event of events) expect(event.job.sequence).toBe(event.sequence);
      });

      it("resume after any sequence with exactly what followed", async () => {
        const { lease, job } = await submitAndClaim(submit, claim);
        for (let percent = 1; percent <= 10; percent++) {
          await store.heartbeat(lease, "PROVING", percent);
        }
        await store.settle(lease, { kind: "succeeded", result: RESULT });
        const last = (await store.get({ jobId: job.jobId }))?.sequence as number;
        for (let after = 1; after < last; after++) {
          const events = await collect(store.events({ jobId: job.jobId }, after, NEVER));
          expect(events.map(({ sequence }) => sequence)).toEqual(
            Array.from({ length: last - after }, (_, i) => after + 1 + i),
          );
          expect(events.every(({ isSnapshot }) => !isSnapshot)).toBe(true);
        }
      });

      it("of an ended job that was seen to its end are one snapshot", async () => {
        const { lease, job } = await submitAndClaim(submit, claim);
        const settled = await store.settle(lease, { kind: "succeeded", result: RESULT });
        for (const after of [0, settled?.sequence as number]) {
          const events = await collect(store.events({ jobId: job.jobId }, after, NEVER));
          expect(events).toMatchObject([{ isSnapshot: true, job: { state: "SUCCEEDED" } }]);
        }
      });

      it("that are no longer kept are replaced by a snapshot", async () => {
        const { lease, job } = await submitAndClaim(submit, claim);
        for (let i = 0; i < 1_000; i++) await store.heartbeat(lease, "PROVING", i % 100);
        await store.settle(lease, { kind: "succeeded", result: RESULT });
        const events = await collect(store.events({ jobId: job.jobId }, 1, NEVER));
        expect(events[0]).toMatchObject({ isSnapshot: true });
        expect(events.at(-1)?.job.state).toBe("SUCCEEDED");
      });

      it("reach several watchers", async () => {
        const job = await submit("r");
        const watching = [1, 2, 3].map(() =>
          collect(store.events({ owner: "", requestId: "r" }, 0, NEVER)),
        );
        await store.cancel({ jobId: job.jobId });
        for (const events of await Promise.all(watching)) {
          expect(events.at(-1)?.job.state).toBe("CANCELLED");
        }
      });

      it("end when the watcher leaves", async () => {
        const job = await submit("r");
        const leave = new AbortController();
        const seen = collect(store.events({ jobId: job.jobId }, 0, leave.signal));
        await Promise.resolve();
        leave.abort();
        expect((await seen).map(({ job: { state } }) => state)).toEqual(["QUEUED"]);
      });

      it("of an unknown job are refused", async () => {
        await expect(collect(store.events({ jobId: "?" }, 0, NEVER))).rejects.toMatchObject({
          code: "JOB_UNKNOWN",
        });
      });
    });

    describe("ends", () => {
      it("are told once each, whatever ends the job, and not after a listener has left", async () => {
        const told: [string, JobState, string | undefined][] = [];
        const stop = store.onEnded(({ requestId, state, failure }) => {
          told.push([requestId, state, failure?.reason]);
        });
        await submit("proved");
        await store.settle((await claim()).lease, { kind: "succeeded", result: RESULT });
        await submit("failed");
        const { lease } = await claim();
        await store.settle(lease, { kind: "failed", failure: UNSATISFIABLE });
        await store.settle(lease, { kind: "failed", failure: UNSATISFIABLE });
        await deadLetter("dead");
        await submit("cancelled");
        await store.cancel({ owner: "", requestId: "cancelled" });
        await store.cancel({ owner: "", requestId: "cancelled" });
        await submit("expired", { expireMs: nowMs + 1 });
        nowMs += 1;
        await store.sweep();
        await store.sweep();
        expect(told).toEqual([
          ["proved", "SUCCEEDED", undefined],
          ["failed", "FAILED", UNSATISFIABLE.reason],
          ["dead", "FAILED", LOST.reason],
          ["cancelled", "CANCELLED", undefined],
          ["expired", "EXPIRED", undefined],
        ]);
        stop();
        await submit("late");
        await store.cancel({ owner: "", requestId: "late" });
        expect(told).toHaveLength(5);
      });

      it("are told when a silent worker used up the last attempt", async () => {
        const told: Job[] = [];
        store.onEnded((job) => told.push(job));
        await submit("silent");
        for (let attempt = 0; attempt < LIMITS.attemptsMax; attempt++) {
          await claim();
          nowMs += LIMITS.leaseMs;
          await store.sweep();
        }
        expect(told).toMatchObject([{ state: "FAILED", failure: { reason: "WORKER_LOST" } }]);
      });
    });

    describe("list", () => {
      it("gives all jobs page by page, newest first", async () => {
        for (const id of ["a", "b", "c", "d"]) await submit(id);
        const first = await store.list(ALL, 3, undefined);
        expect(first.jobs.map(({ requestId }) => requestId)).toEqual(["d", "c", "b"]);
        const second = await store.list(ALL, 3, first.nextCursor);
        expect(second.jobs.map(({ requestId }) => requestId)).toEqual(["a"]);
        expect(second.nextCursor).toBeUndefined();
      });

      it("does not shift pages when jobs arrive in between", async () => {
        for (const id of ["a", "b"]) await submit(id);
        const { nextCursor } = await store.list(ALL, 1, undefined);
        await submit("c");
        const { jobs } = await store.list(ALL, 9, nextCursor);
        expect(jobs.map(({ requestId }) => requestId)).toEqual(["a"]);
      });

      it("filters by state, circuit and all labels, and leaves results out", async () => {
        await submit("done", { labels: { block: "1", shard: "x" } });
        await store.settle((await claim()).lease, { kind: "succeeded", result: RESULT });
        await submit("other circuit", { circuitId: "d", labels: { block: "1" } });
        await submit("waiting", { labels: { block: "2" } });
        const ids = async (filter: Partial<typeof ALL>) =>
          (await store.list({ ...ALL, ...filter }, 9, undefined)).jobs.map((job) => job.requestId);
        expect(await ids({ states: ["SUCCEEDED", "FAILED"] })).toEqual(["done"]);
        expect(await ids({ circuitId: "d" })).toEqual(["other circuit"]);
        expect(await ids({ labels: { block: "1" } })).toEqual(["other circuit", "done"]);
        expect(await ids({ labels: { block: "1", shard: "x" } })).toEqual(["done"]);
        expect(await ids({ labels: { constructor: "x" } })).toEqual([]);
        const { jobs } = await store.list(ALL, 9, undefined);
        expect(jobs.every(({ result }) => result === undefined)).toBe(true);
      });
    });

    describe("retry, purge and forgetting", () => {
      it("puts a dead letter back with all its attempts and its input", async () => {
        const job = await deadLetter("r");
        const back = await store.retry({ jobId: job.jobId });
        expect(back).toMatchObject({ state: "QUEUED", attempts: 0, failure: undefined });
        const again = await claim();
        expect(again.input.bytes).toEqual(input(INPUT_BYTES).bytes);
        await store.settle(again.lease, { kind: "succeeded", result: RESULT });
        expect(await stateOf(job.jobId)).toBe("SUCCEEDED");
      });

      it("refuses to retry a job that failed by its own fault, waits, or is unknown", async () => {
        const { lease } = await submitAndClaim(submit, claim);
        await store.settle(lease, { kind: "failed", failure: UNSATISFIABLE });
        await submit("waiting");
        for (const requestId of ["r", "waiting"]) {
          await expect(store.retry({ owner: "", requestId })).rejects.toMatchObject({
            code: "JOB_NOT_RETRYABLE",
          });
        }
        await expect(store.retry({ owner: "", requestId: "?" })).rejects.toMatchObject({
          code: "JOB_UNKNOWN",
        });
      });

      it("deletes a dead letter's input when it is too old", async () => {
        const job = await deadLetter("r");
        nowMs += LIMITS.keepDeadMs;
        await store.sweep();
        expect(await stateOf(job.jobId)).toBe("FAILED");
        await expect(store.retry({ jobId: job.jobId })).rejects.toMatchObject({
          code: "JOB_NOT_RETRYABLE",
        });
      });

      it("purges ended jobs by state and age, and never others", async () => {
        const dead = await deadLetter("dead");
        nowMs += 100;
        const cancelled = await submit("cancelled");
        await store.cancel({ jobId: cancelled.jobId });
        const waiting = await submit("waiting");
        const purge = (states: ("FAILED" | "CANCELLED")[], endedBeforeMs?: number) =>
          store.purge({ states, endedBeforeMs });
        expect(await purge(["CANCELLED"], nowMs)).toBe(0);
        expect(await purge([], nowMs)).toBe(1);
        expect(await stateOf(dead.jobId)).toBeUndefined();
        expect(await purge(["FAILED"])).toBe(0);
        expect(await purge(["CANCELLED"])).toBe(1);
        expect(await purge([])).toBe(0);
        expect(await stateOf(waiting.jobId)).toBe("QUEUED");
      });

      it("frees the request id of a purged job", async () => {
        const job = await submit("r");
        await store.cancel({ jobId: job.jobId });
        await store.purge({ states: [], endedBeforeMs: undefined });
        const anew = await store.submit(newJob("r", { contentSha256: "other" }));
        expect(anew.created).toBe(true);
        expect(anew.job.jobId).not.toBe(job.jobId);
      });

      it("forgets ended jobs by age and number", async () => {
        const ids: string[] = [];
        for (let i = 0; i < LIMITS.keepFinishedMax + 1; i++) {
          const { jobId } = await submit(`r${i}`);
          await store.cancel({ jobId });
          ids.push(jobId);
        }
        await store.sweep();
        const states = () => Promise.all(ids.map((id) => stateOf(id)));
        expect(await states()).toEqual([undefined, ...ids.slice(1).map(() => "CANCELLED")]);
        nowMs += LIMITS.keepFinishedMs;
        await store.sweep();
        expect(await states()).toEqual(ids.map(() => undefined));
      });
    });
  });
}

const INPUT_BYTES = 8;
const RESULT = Uint8Array.of(4, 5, 6);
const NEVER = new AbortController().signal;
const ALL = {
  owner: undefined as string | undefined,
  states: [] as JobState[],
  circuitId: undefined as string | undefined,
  labels: {} as Record<string, string>,
};
const UNSATISFIABLE: JobFailure = {
  reason: "WITNESS_UNSATISFIABLE",
  message: "constraint 7",
  retryable: false,
};
const LOST: JobFailure = { reason: "WORKER_LOST", message: "the thread died", retryable: true };

/** Wiped, or moved to a thread. */
function isGone({ bytes }: NewJob["input"]): boolean {
  return bytes.length === 0 || bytes.every((byte) => byte === 0);
}

function input(bytes: number): NewJob["input"] {
  return { format: "json", bytes: new Uint8Array(bytes).fill(7), commit: undefined };
}

export function newJob(requestId: string, changes: Partial<NewJob> = {}): NewJob {
  return {
    owner: "",
    requestId,
    ...PROVABLE[0],
    inputKind: "JSON",
    contentSha256: "content",
    priority: "NORMAL",
    labels: {},
    developmentKeys: true,
    expireMs: undefined,
    input: input(INPUT_BYTES),
    ...changes,
  };
}

async function submitAndClaim(
  submit: (requestId: string) => Promise<Job>,
  claim: () => Promise<Claim>,
): Promise<Claim> {
  await submit("r");
  return claim();
}

async function collect(events: AsyncIterable<JobEvent>): Promise<JobEvent[]> {
  const all: JobEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}
