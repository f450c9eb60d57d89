import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { JobEvent } from "../../gen/prover/v1/prover_pb.ts";
import type { ProverClient } from "../../prover/client.ts";
import { Fleet, submitAgain, submitUntil, TIMES } from "./fleet.ts";
import { faultLine, JobLedger } from "./job-ledger.ts";
import { announceSkip, whyNoPostgres } from "./postgres-cluster.ts";
import { SeededRandom } from "./seeded-random.ts";
import { chainRequest, productRequest } from "./test-server.ts";

announceSkip("faults of api processes, and of all at once");

describe.skipIf(whyNoPostgres)("prover / api processes on one PostgreSQL", () => {
  const random = new SeededRandom();

  it(`are killed at ${TIMES} random moments: accepted jobs end, and watchers go on with another one, by sequence (SEED=${random.seed})`, async () => {
    await using fleet = await Fleet.start(["api", "api", "api", "worker"]);
    const ledger = new JobLedger();
    const client = fleet.client(0, 1, 2);
    const over = new AbortController();
    const load = submitUntil(over.signal, { client, ledger, random });
    const watching = watchUntil(over.signal, client, ledger);
    await fleet.killOften(TIMES, [0, 1, 2], random);
    over.abort();
    await load;
    const watched = await watching;
    const tally = await ledger.audit(client);
    faultLine("kill -9 of an api process under load", TIMES, tally, random.seed);
    expect(tally).toMatchObject({ proved: ledger.accepted.size, lost: 0, doubled: 0 });
    expect(watched.length).toBeGreaterThan(3);
    for (const events of watched) expectNoGap(events);
    client.close();
  }, 600_000);

  it(`make one job of a request that comes to two of them at once, ${TIMES} times`, async () => {
    await using fleet = await Fleet.start(["api", "api", "worker"]);
    const ledger = new JobLedger();
    const clients = [fleet.at(0).client, fleet.at(1).client];
    for (let round = 0; round < TIMES; round++) {
      const request = productRequest();
      const copies = Array.from({ length: 6 }, (_, i) =>
        (clients[i % 2] as ProverClient).submit(request),
      );
      const answers = await Promise.all(copies);
      expect(answers.filter(({ created }) => created)).toHaveLength(1);
      expect(new Set(answers.map(({ job }) => job?.jobId)).size).toBe(1);
      ledger.requests.push(request);
      ledger.accepted.set(request.requestId as string, answers[0]?.job?.jobId ?? "");
    }
    const tally = await ledger.audit(fleet.at(0).client);
    faultLine("the same request to two api processes at once", TIMES, tally);
    expect(tally).toMatchObject({ jobs: TIMES, proved: TIMES, lost: 0, doubled: 0 });
  }, 300_000);

  it(`are killed with all others at ${TIMES} random moments, and a restart finds every job (SEED=${random.seed})`, async () => {
    await using fleet = await Fleet.start(["api", "worker"]);
    const ledger = new JobLedger();
    for (let kill = 0; kill < TIMES; kill++) {
      const over = new AbortController();
      const client = fleet.client(0);
      const load = submitUntil(over.signal, { client, ledger, random });
      await sleep(random.below(2_000));
      over.abort();
      // A submission may be on its way: its answer is for a later audit.
      const killing = [fleet.kill(0), fleet.kill(1)];
      client.close();
      await Promise.all([...killing, load]);
      await Promise.all([fleet.launch(0), fleet.launch(1)]);
    }
    const client = fleet.client(0);
    await submitAgain(client, ledger);
    const tally = await ledger.audit(client);
    faultLine("kill -9 of all processes at once", TIMES, tally, random.seed);
    // The first in the line is tried at each start: ten deaths of its worker make a dead letter of it.
    expect(tally.proved + tally.failed).toBe(ledger.requests.length);
    expect(tally.failed).toBeLessThanOrEqual(2);
    expect(tally).toMatchObject({ lost: 0, doubled: 0 });
    client.close();
  }, 900_000);
});

/** Watches one job after another until the signal aborts; each to its end. */
async function watchUntil(signal: AbortSignal, client: ProverClient, ledger: JobLedger) {
  const watched: JobEvent[][] = [];
  while (!signal.aborted) {
    const job = await ledger.submit(client, chainRequest());
    const events: JobEvent[] = [];
    if (job === undefined) continue;
    for await (const event of client.watch({ jobId: job.jobId })) events.push(event);
    watched.push(events);
  }
  return watched;
}

/** Every change once: only snapshots repeat a sequence, and only they leave some out. */
function expectNoGap(events: readonly JobEvent[]): void {
  let last = 0n;
  for (const { sequence, snapshot } of events) {
    if (snapshot) expect(sequence).toBeGreaterThanOrEqual(last);
    else expect(sequence).toBe(last + 1n);
    last = sequence;
  }
}
