import { afterAll, beforeAll, describe } from "vitest";
import { addressOf } from "../../prover/stores/postgres/address.ts";
import { PostgresStore } from "../../prover/stores/postgres/store.ts";
import { jobStoreContract, LIMITS } from "./job-store-contract.ts";
import { announceSkip, type Cluster, startCluster, whyNoPostgres } from "./postgres-cluster.ts";

announceSkip("job store / postgres");

describe.skipIf(whyNoPostgres)("on a PostgreSQL of its own", () => {
  let cluster: Cluster;
  let schemas = 0;
  beforeAll(async () => {
    cluster = await startCluster();
  });
  afterAll(() => cluster.close());

  jobStoreContract("postgres", async (now) => {
    const address = addressOf(cluster.url(`test_${++schemas}`), "");
    const store = await PostgresStore.open(address, LIMITS, { now });
    return { store, close: () => store.close() };
  });
});
