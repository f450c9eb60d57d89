import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { afterEach, describe, expect, it } from "vitest";
import type { CircuitRegistry, ServedCircuit } from "../../prover/circuits.ts";
import { ProverError } from "../../prover/errors.ts";
import type { WorkerPool, WorkerSlot } from "../../prover/pool.ts";
import { Scheduler } from "../../prover/scheduler.ts";
import { MemoryStore } from "../../prover/stores/memory.ts";
import { writeProgress } from "../../worker/task.ts";
import { LIMITS, newJob, PROVABLE } from "./job-store-contract.ts";

/** Ends when it is told to, and is nearly done when it is told so. */
class Worker {
  isHelping = false;
  restartCount = 0;
  /** How often it began. */
  began = 0;
  #control: SharedArrayBuffer | undefined;
  #end: () => void = () => {};

  hasMemory = true;
  hasPlace() {
    return this.hasMemory;
  }

  prove: WorkerSlot["prove"] = ({ control }, kill) => {
    this.began++;
    this.#control = control;
    return new Promise((_, reject) => {
      this.#end = () => reject(new ProverError("WITNESS_UNSATISFIABLE", "so it is"));
      kill?.addEventListener("abort", () => reject(new ProverError("CANCELLED", "killed")));
    });
  };

  isNearlyDone() {
    if (this.#control !== undefined) writeProgress(this.#control, "verifying", 999);
  }

  end() {
    this.#end();
  }
}

describe("prover / scheduler", () => {
  let scheduler: Scheduler;
  afterEach(() => scheduler.stop());

  async function start(workerCount: number, jobs: readonly string[]) {
    const store = new MemoryStore(LIMITS);
    for (const requestId of jobs) await store.submit(newJob(requestId));
    const workers = Array.from({ length: workerCount }, () => new Worker());
    const { circuitId, zkeySha256 } = PROVABLE[0] as (typeof PROVABLE)[number];
    const circuit = { id: circuitId, artefacts: { zkey: { sha256: zkeySha256 } } };
    scheduler = new Scheduler(
      { allowDevKeys: true, stopGraceMs: 0, jobMaxMs: 60_000 },
      {
        store,
        pool: { slots: workers, assist() {} } as unknown as WorkerPool,
        circuits: {
          all: [circuit],
          get: () => circuit as unknown as ServedCircuit,
        } as unknown as CircuitRegistry,
        log: pino({ level: "silent" }),
        observer: { attemptStarted() {}, attemptEnded() {} },
      },
    );
    scheduler.start();
    const state = async (requestId: string) =>
      (await store.get({ owner: "", requestId }))?.state as string;
    return { store, workers: workers as [Worker, ...Worker[]], state };
  }

  it("claims the next job when a worker will be free soon, and begins it when it is", async () => {
    const { workers, state } = await start(1, ["first", "second", "third"]);
    const [worker] = workers;
    await expect.poll(() => worker.began).toBe(1);
    await sleep(100);
    expect(await state("second")).toBe("QUEUED");
    worker.isNearlyDone();
    await expect.poll(() => state("second")).toBe("RUNNING");
    // One ahead, and it waits.
    await sleep(100);
    expect(await state("third")).toBe("QUEUED");
    expect(worker.began).toBe(1);
    expect(scheduler.workers().map(({ job }) => job?.requestId)).toEqual(["first"]);
    worker.end();
    await expect.poll(() => worker.began).toBe(2);
    expect(scheduler.workers().map(({ job }) => job?.requestId)).toEqual(["second"]);
    await expect.poll(() => state("first")).toBe("FAILED");
  });

  it("gives what was claimed for one worker to another that is free sooner", async () => {
    const { workers, state } = await start(2, ["first", "second", "third"]);
    const [slow, quick] = workers as [Worker, Worker];
    await expect.poll(() => slow.began + quick.began).toBe(2);
    slow.isNearlyDone();
    await expect.poll(() => state("third")).toBe("RUNNING");
    quick.end();
    await expect.poll(() => quick.began).toBe(2);
    slow.end();
    await expect.poll(() => state("first")).toBe("FAILED");
    expect(slow.began).toBe(1);
    expect(await state("third")).toBe("RUNNING");
    expect(quick.began).toBe(2);
  });

  it("leaves it to the first where the other has no memory for it", async () => {
    const { workers, state } = await start(2, ["first", "second", "third"]);
    const [slow, quick] = workers as [Worker, Worker];
    await expect.poll(() => slow.began + quick.began).toBe(2);
    slow.isNearlyDone();
    await expect.poll(() => state("third")).toBe("RUNNING");
    quick.hasMemory = false;
    quick.end();
    await expect.poll(() => state("second")).toBe("FAILED");
    slow.end();
    await expect.poll(() => slow.began).toBe(2);
    expect(quick.began).toBe(1);
  });

  it("gives back what it has not begun when it stops, at no attempt's cost", async () => {
    const { store, workers } = await start(1, ["first", "second"]);
    const [worker] = workers;
    await expect.poll(() => worker.began).toBe(1);
    worker.isNearlyDone();
    const get = () => store.get({ owner: "", requestId: "second" });
    await expect.poll(async () => (await get())?.state).toBe("RUNNING");
    await scheduler.stop();
    expect(await get()).toMatchObject({ state: "QUEUED", attempts: 0 });
    expect(worker.began).toBe(1);
  });

  it("cancels what it has not begun", async () => {
    const { store, workers, state } = await start(1, ["first", "second"]);
    const [worker] = workers;
    await expect.poll(() => worker.began).toBe(1);
    worker.isNearlyDone();
    await expect.poll(() => state("second")).toBe("RUNNING");
    await store.cancel({ owner: "", requestId: "second" });
    worker.end();
    await expect.poll(() => state("second")).toBe("CANCELLED");
  });
});
