/** One run of `npm run bench -- store`. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { JobStore } from "../../prover/job-store.ts";
import { MemoryStore } from "../../prover/stores/memory.ts";
import { SqliteStore } from "../../prover/stores/sqlite.ts";
import type { OnProgress } from "../fixtures/fixture.ts";
import { describeCommit, describeMachine } from "../machine.ts";
import { timeAcceptance } from "./acceptance.ts";
import { timeOperations } from "./operations.ts";
import type { StoreOptions } from "./options.ts";
import type { OperationTimes, StoreResult } from "./result.ts";
import { fill, LIMITS } from "./sample-jobs.ts";

/** On the disk of the checkout, which need not be that of temporary files. */
const BENCH = join(import.meta.dirname, "../../build/bench");

const STORES: Readonly<Record<string, (path: string) => Promise<JobStore>>> = {
  memory: async () => new MemoryStore(LIMITS),
  sqlite: (path) => SqliteStore.open(path, LIMITS),
};

export async function runStore(
  options: StoreOptions,
  onProgress: OnProgress,
): Promise<StoreResult> {
  const startedMs = performance.now();
  const startedAt = new Date().toISOString();
  const [machine, commit] = [describeMachine(), describeCommit()];
  await mkdir(BENCH, { recursive: true });
  const folder = await mkdtemp(join(BENCH, "store-"));
  try {
    const stores = [];
    for (const [name, open] of Object.entries(STORES)) {
      const store = await open(join(folder, `${name}.sqlite`));
      stores.push({ name, operations: await compareDepths(store, name, options, onProgress) });
      await store.close();
    }
    onProgress("submissions while all cores compute", undefined);
    const store = await SqliteStore.open(join(folder, "acceptance.sqlite"), LIMITS);
    const acceptance = await timeAcceptance(store, options);
    await store.close();
    return {
      formatVersion: 1,
      startedAt,
      minutes: Math.round((performance.now() - startedMs) / 6_000) / 10,
      commit,
      machine,
      isQuick: options.isQuick,
      finished: options.finished,
      waiting: options.waiting,
      stores,
      acceptance,
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The same operations before and after many jobs have come. */
async function compareDepths(
  store: JobStore,
  name: string,
  { finished, waiting, samples }: StoreOptions,
  onProgress: OnProgress,
): Promise<OperationTimes[]> {
  const first = finished + waiting;
  const empty = await timeOperations(store, samples, first);
  await fill(store, { finished, waiting }, (part) => onProgress(`${name}: filling`, part));
  const full = await timeOperations(store, samples, first + samples);
  return [...empty].map(([operation, times]) => ({
    operation,
    empty: times,
    full: full.get(operation) ?? times,
  }));
}
