import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { faultLine, JobLedger } from "./job-ledger.ts";
import { SeededRandom } from "./seeded-random.ts";
import { chainRequest, productRequest, startTestServer } from "./test-server.ts";

const KILLS = process.env.HEAVY ? 200 : 30;
const random = new SeededRandom();

it(`prover / loses no job over ${KILLS} ends of proving threads at random moments (SEED=${random.seed})`, async () => {
  const dir = await mkdtemp(join(tmpdir(), "threads-"));
  const ledger = new JobLedger();
  {
    await using under = await startTestServer({
      PROVER_STORE: `sqlite:${join(dir, "jobs.sqlite")}`,
      PROVER_THREADS: "3",
      // Each kill takes an attempt from what the thread leads.
      PROVER_ATTEMPTS_MAX: "10",
    });
    const { admin, client, server } = under;
    const isOver = { now: false };
    const load = (async () => {
      while (!isOver.now) {
        await ledger.submit(client, random.chance(0.3) ? productRequest() : chainRequest());
        // As fast as they are proved, so that threads lead, and now and then help.
        while ((await client.getServerInfo()).queuedCount > 2) await sleep(20);
        await sleep(random.below(200));
      }
    })();
    for (let kill = 0; kill < KILLS; kill++) {
      await expect
        .poll(async () => (await client.getServerInfo()).runningCount, { timeout: 60_000 })
        .toBeGreaterThan(0);
      await sleep(random.below(300));
      // Now and then all at once.
      const victims = random.chance(0.2) ? [0, 1, 2] : [random.below(3)];
      await Promise.all(victims.map((index) => server.pool.slots[index]?.end()));
    }
    isOver.now = true;
    await load;
    for (const requestId of ledger.accepted.keys()) {
      const { failure } = await client.get({ requestId }, { waitMs: 120_000 });
      if (failure === undefined) continue;
      // Its thread was ended in each of ten attempts: said so, and its input is kept.
      expect(failure.reason).toBe("WORKER_LOST");
      ledger.retried.add(requestId);
      await admin.retry({ requestId });
    }
    const tally = await ledger.audit(client);
    faultLine("proving threads ended under load", KILLS, tally, random.seed);
    expect(tally).toMatchObject({ proved: ledger.accepted.size, lost: 0, doubled: 0 });
    expect(ledger.refused.size).toBe(0);
  }
  await rm(dir, { recursive: true });
}, 600_000);
