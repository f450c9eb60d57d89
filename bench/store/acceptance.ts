/**
 * How soon a submission is on disk while every core computes: an open loop, in which submissions come
 * at fixed times, and each is measured from the time at which it was due. Beside it a job is proved ten
 * times a second, so that inputs are deleted and the log is emptied.
 */
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { OPTIONS } from "../../prover/config.ts";
import type { JobStore } from "../../prover/job-store.ts";
import type { StoreOptions } from "./options.ts";
import { percentilesOf, type StoreResult } from "./result.ts";
import { CIRCUIT, RESULT_BYTES, sampleJob } from "./sample-jobs.ts";

const INPUT_BYTES = 100_000;
const ROUND_MS = 100;
const NICENESS = OPTIONS.PROVER_NICE.default;

export async function timeAcceptance(
  store: JobStore,
  { rate, latencyMs }: Pick<StoreOptions, "rate" | "latencyMs">,
): Promise<StoreResult["acceptance"]> {
  const busy = Array.from({ length: availableParallelism() }, computing);
  const [submitMs, lateMs]: [number[], number[]] = [[], []];
  const startMs = performance.now();
  let isOver = false;
  const rounds = [store.sweep.bind(store), proveOne].map(async (act) => {
    while (!isOver) {
      await act();
      await sleep(ROUND_MS);
    }
  });
  const submissions: Promise<void>[] = [];
  try {
    const count = Math.floor((latencyMs / 1_000) * rate);
    while (submissions.length < count) {
      const dueMs = startMs + (submissions.length * 1_000) / rate;
      const nowMs = performance.now();
      if (nowMs < dueMs) await sleep(dueMs - nowMs);
      lateMs.push(Math.max(0, performance.now() - dueMs));
      submissions.push(submitOne(submissions.length, dueMs));
    }
    await Promise.all(submissions);
  } finally {
    isOver = true;
    await Promise.all(rounds);
    await Promise.all(busy.map((thread) => thread.terminate()));
  }
  return {
    perSecond: rate,
    inputBytes: INPUT_BYTES,
    submit: percentilesOf(submitMs),
    mainThread: percentilesOf(lateMs),
  };

  async function submitOne(number: number, dueMs: number): Promise<void> {
    await store.submit(sampleJob(number, INPUT_BYTES));
    submitMs.push(performance.now() - dueMs);
  }

  async function proveOne(): Promise<void> {
    const claim = await store.claim([CIRCUIT]);
    if (claim === undefined) return;
    await store.heartbeat(claim.lease, "PROVING", 50);
    const result = new Uint8Array(RESULT_BYTES);
    await store.settle(claim.lease, { kind: "succeeded", result });
  }
}

/** As busy as one that proves, and of the same priority as the service gives it. */
function computing(): Worker {
  const priority = JSON.stringify(new URL("../../worker/priority.ts", import.meta.url).href);
  const code = `import(${priority}).then(({ giveWay }) => { giveWay(${NICENESS}); for (let x = 1; ; ) x = Math.imul(x, 31); });`;
  return new Worker(code, { eval: true });
}
