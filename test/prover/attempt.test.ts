import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Attempt } from "../../prover/attempt.ts";
import type { ServedCircuit } from "../../prover/circuits.ts";
import { type ErrorCode, ProverError } from "../../prover/errors.ts";
import type { Settlement } from "../../prover/job-store.ts";
import type { WorkerSlot } from "../../prover/pool.ts";
import { MemoryStore } from "../../prover/stores/memory.ts";
import { LIMITS, newJob, PROVABLE } from "./job-store-contract.ts";

const JOB_MAX_MS = 50;

/** What an attempt settles with, if this is how a thread proves. */
async function settledBy(prove: WorkerSlot["prove"]): Promise<Settlement> {
  const store = new MemoryStore(LIMITS);
  await store.submit(newJob("r"));
  const claim = await store.claim(PROVABLE);
  if (claim === undefined) throw new Error("nothing to claim");
  const attempt = new Attempt(
    { allowDevKeys: true, stopGraceMs: 0, jobMaxMs: JOB_MAX_MS },
    { worker: { prove } as WorkerSlot, claim, circuit: {} as ServedCircuit },
  );
  return attempt.run();
}

/** Until it is killed. */
const work = (kill?: AbortSignal) =>
  new Promise<never>((_, reject) => {
    const killed = () => reject(new ProverError("CANCELLED", "killed"));
    if (kill?.aborted) killed();
    kill?.addEventListener("abort", killed);
  });

describe("prover / attempt", () => {
  it("takes too long once it has worked for so long, however long it waited for memory", async () => {
    let killedWaiting = false;
    const settlement = await settledBy(async (_, kill, onBegin) => {
      await sleep(5 * JOB_MAX_MS);
      killedWaiting = kill?.aborted ?? false;
      onBegin?.();
      return work(kill);
    });
    expect(killedWaiting).toBe(false);
    expect(settlement).toMatchObject({ kind: "failed", failure: { reason: "JOB_TOO_LONG" } });
  });

  it.each<[ErrorCode, boolean]>([
    ["WITNESS_UNSATISFIABLE", false],
    ["ARTEFACT_MISMATCH", true],
    ["KEY_MALFORMED", true],
    ["KEY_REFUSED", true],
  ])("that fails with %s leaves a job to be tried again: %s", async (code, retryable) => {
    const settlement = await settledBy(async () => {
      throw new ProverError(code, "so it is");
    });
    expect(settlement).toEqual({
      kind: "failed",
      failure: { reason: code, message: "so it is", retryable },
    });
  });
});
