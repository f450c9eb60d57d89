import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Fleet, LEASE_MS, submitUntil, TIMES } from "./fleet.ts";
import { faultLine, JobLedger } from "./job-ledger.ts";
import { announceSkip, whyNoPostgres } from "./postgres-cluster.ts";
import { SeededRandom } from "./seeded-random.ts";

announceSkip("faults of workers");

describe.skipIf(whyNoPostgres)("prover / workers on one PostgreSQL", () => {
  const random = new SeededRandom();

  it(`lose no job to kill -9 at ${TIMES} random moments: another one ends it (SEED=${random.seed})`, async () => {
    await using fleet = await Fleet.start(["api", "worker", "worker", "worker"]);
    const ledger = new JobLedger();
    const client = fleet.client(0);
    const over = new AbortController();
    const load = submitUntil(over.signal, { client, ledger, random });
    await fleet.killOften(TIMES, [1, 2, 3], random);
    over.abort();
    await load;
    const tally = await ledger.audit(client);
    faultLine("kill -9 of a worker under load", TIMES, tally, random.seed);
    expect(tally).toMatchObject({ proved: ledger.accepted.size, lost: 0, doubled: 0 });
    client.close();
  }, 600_000);

  it(`do no harm with results of leases that they lost, stopped ${TIMES} times for longer than a lease (SEED=${random.seed})`, async () => {
    await using fleet = await Fleet.start(["api", "worker", "worker", "worker"]);
    const ledger = new JobLedger();
    const client = fleet.client(0);
    const over = new AbortController();
    const load = submitUntil(over.signal, { client, ledger, random });
    const pauses = async (place: number, count: number) => {
      for (let pause = 0; pause < count; pause++) {
        await sleep(random.below(1_000));
        fleet.at(place).signal("SIGSTOP");
        await sleep(LEASE_MS + 500 + random.below(1_000));
        fleet.at(place).signal("SIGCONT");
      }
    };
    await Promise.all([pauses(1, TIMES / 2), pauses(2, TIMES / 2)]);
    over.abort();
    await load;
    const tally = await ledger.audit(client);
    faultLine("worker stopped beyond its lease, and going on", TIMES, tally, random.seed);
    expect(tally).toMatchObject({ proved: ledger.accepted.size, lost: 0, doubled: 0 });
    // The test is of nothing unless leases were lost.
    expect(tally.attempts).toBeGreaterThan(1);
    client.close();
  }, 600_000);
});
