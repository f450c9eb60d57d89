import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, it } from "vitest";
import { MemoryStore } from "../../prover/stores/memory.ts";
import { addressOf } from "../../prover/stores/postgres/address.ts";
import { PostgresStore } from "../../prover/stores/postgres/store.ts";
import { SqliteStore } from "../../prover/stores/sqlite.ts";
import { LIMITS } from "./job-store-contract.ts";
import { holdAgainstModel, type ModelledStore, stepsArbitrary } from "./job-store-model.ts";
import { announceSkip, type Cluster, startCluster, whyNoPostgres } from "./postgres-cluster.ts";

const FACTOR = process.env.HEAVY ? 20 : 1;
const PATIENCE_MS = 120_000 * FACTOR;

/** @throws Error with the seed and the shortest row of calls that fails. */
function hold(runs: number, open: (now: () => number) => Promise<ModelledStore>): Promise<void> {
  return fc.assert(
    fc.asyncProperty(stepsArbitrary, (steps) => holdAgainstModel(steps, open)),
    { numRuns: runs * FACTOR, ...(process.env.SEED && { seed: Number(process.env.SEED) }) },
  );
}

describe("job store / any row of calls", () => {
  const inMemory = async (now: () => number) => {
    const store = new MemoryStore(LIMITS, { now });
    return { store, close: () => store.close() };
  };
  const inFile = async (now: () => number) => {
    const dir = await mkdtemp(join(tmpdir(), "model-"));
    const open = () => SqliteStore.open(join(dir, "jobs.sqlite"), LIMITS, { now });
    let store = await open();
    return {
      store,
      async reopen() {
        await store.close();
        store = await open();
        return store;
      },
      async close() {
        await store.close();
        await rm(dir, { recursive: true });
      },
    };
  };

  it("gives in memory what the model says", () => hold(500, inMemory), PATIENCE_MS);

  it(
    "gives in a SQLite file what the model says, also when it is closed and opened in between",
    () => hold(20, inFile),
    PATIENCE_MS,
  );
});

announceSkip("job store / postgres, any row of calls");

describe.skipIf(whyNoPostgres)("job store / any row of calls, on a PostgreSQL of its own", () => {
  let cluster: Cluster;
  let schemas = 0;
  beforeAll(async () => {
    cluster = await startCluster();
  });
  afterAll(() => cluster.close());

  const inPostgres = async (now: () => number) => {
    const address = addressOf(cluster.url(`model_${++schemas}`), "");
    const store = await PostgresStore.open(address, LIMITS, { now });
    return { store, close: () => store.close() };
  };

  it("gives in PostgreSQL what the model says", () => hold(15, inPostgres), PATIENCE_MS);
});
