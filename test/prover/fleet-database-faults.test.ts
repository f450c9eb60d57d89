import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Fleet, submitAgain, submitUntil, TIMES } from "./fleet.ts";
import { faultLine, JobLedger } from "./job-ledger.ts";
import { announceSkip, whyNoPostgres } from "./postgres-cluster.ts";
import { SeededRandom } from "./seeded-random.ts";

announceSkip("faults of the database");

describe.skipIf(whyNoPostgres)("prover / a PostgreSQL that goes away", () => {
  const random = new SeededRandom();

  for (const mode of ["fast", "immediate"] as const) {
    it(`and comes back, stopped ${TIMES} times in mode ${mode}: no job is lost, and no process ends (SEED=${random.seed})`, async () => {
      await using fleet = await Fleet.start(["api", "worker", "worker"]);
      const pids = fleet.members.map(({ pid }) => pid);
      const ledger = new JobLedger();
      // Without patience: most of what it submits while the database is away fails.
      const { client } = fleet.at(0);
      const over = new AbortController();
      const load = submitUntil(over.signal, { client, ledger, random });
      for (let stop = 0; stop < TIMES; stop++) {
        await sleep(200 + random.below(1_500));
        await fleet.cluster.stop(mode);
        await sleep(random.below(1_000));
        await fleet.cluster.start();
      }
      over.abort();
      await load;
      await submitAgain(client, ledger);
      const tally = await ledger.audit(client);
      faultLine(`PostgreSQL stopped (${mode}) and started`, TIMES, tally, random.seed);
      expect(ledger.refused.get("UNAVAILABLE") ?? 0).toBeGreaterThan(0);
      expect(tally).toMatchObject({ proved: ledger.requests.length, lost: 0, doubled: 0 });
      for (const [place, pid] of pids.entries()) {
        expect(await fleet.at(place).end("SIGTERM")).toEqual({ code: 0, signal: null });
        expect(fleet.at(place).pid).toBe(pid);
      }
    }, 600_000);
  }
});
