import type { Logger } from "pino";
import { createTaskControl, readProgress } from "../../worker/task.ts";
import { type CircuitRegistry, type LoadOptions, loadCircuits } from "../circuits.ts";
import { ProverError } from "../errors.ts";
import { NoPlaceError } from "../key-ring.ts";
import type { WorkerPool } from "../pool.ts";
import type { LoadingStep, Overview } from "./overview.ts";

/** How often the progress of a key is read. */
const PROGRESS_MS = 250;

export interface LoadingDependencies {
  readonly overview: Overview;
  readonly log: Logger;
}

/** Loads and checks the circuits, telling the log and the status page. @throws ArtefactError */
export async function checkFiles(
  options: LoadOptions,
  { overview, log }: LoadingDependencies,
): Promise<CircuitRegistry> {
  let startedMs = performance.now();
  const circuits = await loadCircuits(options, (circuit, doneCount, totalCount) => {
    const last = overview.loading;
    if (last !== undefined) {
      log.info({ folder: last.circuit, elapsedMs: elapsed(startedMs) }, "files checked");
    }
    startedMs = performance.now();
    const step = "checking files";
    overview.loading =
      doneCount < totalCount ? { step, circuit, doneCount, totalCount, percent: 0 } : undefined;
  });
  for (const { id, developmentKeys } of circuits.all) {
    if (developmentKeys) log.warn({ circuitId: id }, "development keys: proofs can be forged");
  }
  return circuits;
}

/**
 * Loads every key, and what each thread needs to use it, so that a server that reports SERVING can
 * prove at once, and a key that cannot be used stops it here.
 *
 * @throws ProverError
 */
export async function loadKeys(
  { circuits, pool }: { readonly circuits: CircuitRegistry; readonly pool: WorkerPool },
  { allowDevKeys }: { readonly allowDevKeys: boolean },
  { overview, log }: LoadingDependencies,
): Promise<void> {
  for (const [doneCount, { id, artefacts }] of circuits.all.entries()) {
    const startedMs = performance.now();
    const totalCount = circuits.all.length;
    const step: LoadingStep = {
      step: "loading keys",
      circuit: id,
      doneCount,
      totalCount,
      percent: 0,
    };
    overview.loading = step;
    const controls = pool.slots.map(() => createTaskControl());
    const timer = setInterval(() => {
      // One thread loads for all, and which one is the pool's business.
      const percents = controls.map((control) => readProgress(control).permille / 10);
      overview.loading = { ...step, percent: Math.floor(Math.max(...percents)) };
    }, PROGRESS_MS);
    try {
      const warming = pool.slots.map(async (slot, i) => {
        const result = await slot.warm({ kind: "warm", artefacts, allowDevKeys }, controls[i]);
        if (result.kind === "failed") throw new ProverError(result.code, result.message);
      });
      const faults = (await Promise.allSettled(warming)).flatMap((each) =>
        each.status === "rejected" ? [each.reason as unknown] : [],
      );
      const worse = faults.find((fault) => !(fault instanceof NoPlaceError));
      if (worse !== undefined) throw worse;
      if (faults.length > 0) {
        const threads = pool.slots.length - faults.length;
        log.warn({ circuitId: id, threads }, "memory for fewer proofs at a time than threads");
      }
    } finally {
      clearInterval(timer);
    }
    log.info({ circuitId: id, elapsedMs: elapsed(startedMs) }, "key loaded");
  }
  overview.loading = undefined;
}

const elapsed = (sinceMs: number): number => Math.round(performance.now() - sinceMs);
