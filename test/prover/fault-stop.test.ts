import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { faultLine, JobLedger } from "./job-ledger.ts";
import { SeededRandom } from "./seeded-random.ts";
import { exitOf, ServedProcess, spawnService } from "./served-process.ts";
import { chainRequest, productRequest } from "./test-server.ts";

const STOPS = process.env.HEAVY ? 100 : 20;
/** What a stop may take besides its drain, on a machine that does much else; then it counts as hanging. */
const STOP_PATIENCE_MS = 30_000;
const DRAIN_MS = 1_000;

const random = new SeededRandom();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "stop-"));
});
afterAll(() => rm(folder, { recursive: true }));

const optionsFor = (name: string, settings: Record<string, string> = {}) => ({
  store: `sqlite:${join(folder, name)}`,
  // On a fast machine more is accepted than is proved between two stops.
  settings: { PROVER_DRAIN_MS: String(DRAIN_MS), PROVER_QUEUE_MAX: "100000", ...settings },
});

/** Submits until it is told to stop, on each of several lines. */
function load(ledger: JobLedger, served: ServedProcess) {
  const isOver = { now: false };
  const lane = async () => {
    while (!isOver.now) {
      await ledger.submit(served.client, random.chance(0.7) ? productRequest() : chainRequest());
      await sleep(random.below(40));
    }
  };
  const lanes = Promise.all([lane(), lane(), lane()]);
  return {
    async stop() {
      isOver.now = true;
      await lanes;
    },
  };
}

/** Whether the process ends by itself. */
async function endsInTime(served: ServedProcess): Promise<boolean> {
  const patience = new AbortController();
  const tooLong = sleep(DRAIN_MS + STOP_PATIENCE_MS, false, patience).catch(() => false);
  const ended = await Promise.race([served.ended.then(() => true), tooLong]);
  patience.abort();
  return ended;
}

describe("prover / stopped under load", () => {
  it(`loses no job and takes no attempt from one over ${STOPS} stops at random moments (SEED=${random.seed})`, async () => {
    const ledger = new JobLedger();
    for (let stop = 0; stop < STOPS; stop++) {
      await using served = await ServedProcess.start(optionsFor("graceful.sqlite"));
      const before = ledger.accepted.size;
      const loading = load(ledger, served);
      await expect.poll(() => ledger.accepted.size, { timeout: 60_000 }).toBeGreaterThan(before);
      await sleep(random.below(700));
      served.signal("SIGTERM");
      expect(await endsInTime(served)).toBe(true);
      await loading.stop();
      expect(await served.ended).toEqual({ code: 0, signal: null });
    }
    await using served = await ServedProcess.start(optionsFor("graceful.sqlite"));
    const tally = await ledger.audit(served.client);
    faultLine("SIGTERM under load", STOPS, tally, random.seed);
    expect(tally).toMatchObject({ proved: ledger.accepted.size, lost: 0, doubled: 0, attempts: 1 });
    expect(ledger.accepted.size).toBeGreaterThanOrEqual(STOPS);
    // Refused because it was going down, or cut off; nothing else went wrong.
    expect([...ledger.refused.keys()].filter((code) => code !== "UNAVAILABLE")).toEqual([]);
  }, 900_000);

  it("loses no job when a second signal ends it at once", async () => {
    const times = process.env.HEAVY ? 20 : 4;
    const ledger = new JobLedger();
    // Ended at once, what runs loses an attempt.
    const options = optionsFor("twice.sqlite", { PROVER_ATTEMPTS_MAX: "10" });
    for (let stop = 0; stop < times; stop++) {
      await using served = await ServedProcess.start(options);
      const before = ledger.accepted.size;
      const loading = load(ledger, served);
      await expect.poll(() => ledger.accepted.size, { timeout: 60_000 }).toBeGreaterThan(before);
      await sleep(random.below(500));
      served.signal("SIGTERM");
      await sleep(random.below(400));
      served.signal("SIGTERM");
      expect(await endsInTime(served)).toBe(true);
      await loading.stop();
    }
    await using served = await ServedProcess.start(options);
    const tally = await ledger.audit(served.client);
    faultLine("SIGTERM twice under load", times, tally, random.seed);
    expect(tally).toMatchObject({ proved: ledger.accepted.size, lost: 0, doubled: 0 });
  }, 900_000);
});

describe("prover / stopped while it starts", () => {
  it("leaves a store that the next start takes, whenever the signal comes", async () => {
    const times = process.env.HEAVY ? 40 : 6;
    const options = optionsFor("start.sqlite");
    const ledger = new JobLedger();
    {
      await using served = await ServedProcess.start(options);
      await ledger.submit(served.client, chainRequest());
      await served.end("SIGTERM");
    }
    for (let stop = 0; stop < times; stop++) {
      const child = await spawnService(options);
      await sleep(random.below(2_500));
      child.kill("SIGTERM");
      const { code, signal } = await exitOf(child);
      // Before it listens for signals it ends as every program does; afterwards in order.
      expect([0, "SIGTERM"]).toContain(signal ?? code);
    }
    await using served = await ServedProcess.start(options);
    const tally = await ledger.audit(served.client);
    faultLine("SIGTERM during start", times, tally, random.seed);
    expect(tally).toMatchObject({ proved: 1, lost: 0, doubled: 0 });
  }, 300_000);

  it("is refused beside a service that has the same store, which goes on undisturbed", async () => {
    const options = optionsFor("shared.sqlite");
    await using served = await ServedProcess.start(options);
    const ledger = new JobLedger();
    await ledger.submit(served.client, chainRequest());
    await expect(ServedProcess.start(options)).rejects.toThrow(/another server uses the file/);
    const tally = await ledger.audit(served.client);
    expect(tally).toMatchObject({ proved: 1, lost: 0, attempts: 1 });
  }, 120_000);
});
