import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Settlement } from "../../prover/job-store.ts";
import type { Claimed } from "../../prover/stores/sqlite/messages.ts";
import { AskedFile } from "./asked-file.ts";
import { LIMITS, newJob } from "./job-store-contract.ts";
import { SeededRandom } from "./seeded-random.ts";
import { folderBytes, storedKeys } from "./stored-keys.ts";

const STEPS = 900;
/** Each look reads all that is on disk. */
const LOOKS_AT = [200, 450, 700, STEPS - 1];
const WAITING_MAX = 60;
const LIMITS_HERE = {
  ...LIMITS,
  queueMax: 1_000,
  queueMaxBytes: 100_000_000,
  leaseMs: 1e9,
  keepFinishedMax: 100,
  keepFinishedMs: 1e9,
  keepDeadMs: 1e9,
};

/** Bytes that no other job has: 1 B to 40 KB, most so small that a page holds several. */
function bytesOf(requestId: string, random: SeededRandom): Uint8Array {
  const max = [40, 400, 3_000, 9_000, 40_000][random.below(5)] as number;
  const bytes = new Uint8Array(1 + random.below(max));
  const block = createHash("sha512").update(requestId).digest();
  for (let i = 0; i < bytes.length; i += 64) bytes.set(block.subarray(0, bytes.length - i), i);
  return bytes;
}

describe("keys of inputs in SQLite, after hundreds of jobs of all sizes", () => {
  const random = new SeededRandom();
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "jobs-"));
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await rm(dir, { recursive: true });
  });

  it(`are nowhere if wiped, and open their inputs if not (seed ${random.seed})`, async () => {
    const path = join(dir, "jobs.sqlite");
    const file = await new AskedFile(path, LIMITS_HERE).open();
    // Of every job that ever was.
    const keys = new Map<string, Buffer>();
    const inputs = new Map<string, Uint8Array>();
    /** Rough: some have expired. */
    const inLine = new Set<string>();
    let running: Claimed[] = [];
    let [count, mostRows, wipedSeen] = [0, 0, 0];
    const any = <T>(items: readonly T[]) => items[random.below(items.length)] as T;
    // Time passes for the log only when the test says so.
    let nowMs = performance.now();
    vi.spyOn(performance, "now").mockImplementation(() => nowMs);

    const wanted = () => {
      const requestId = `r${count++}`;
      const bytes = bytesOf(requestId, random);
      inputs.set(requestId, bytes.slice());
      inLine.add(requestId);
      const expireMs = random.chance(0.1) ? file.clock.nowMs + 50 : undefined;
      return newJob(requestId, { input: { format: "json", bytes, commit: undefined }, expireMs });
    };
    const submit = async () => {
      const calls = Array.from(
        { length: 1 + random.below(6) },
        () => ["submit", wanted()] as const,
      );
      const doomed = newJob("bad", { circuitId: null as never });
      // Then the whole transaction fails, and each call is tried alone.
      if (random.chance(0.3)) file.askAll(...calls, ["submit", doomed]);
      else file.askAll(...calls);
      const stored = await storedKeys(path);
      for (const { requestId, plain } of stored.keys.values()) keys.set(requestId, plain);
      mostRows = Math.max(mostRows, stored.keys.size);
    };
    const claim = () => {
      const claimed = file.claim();
      if (claimed === undefined) return;
      const { requestId } = claimed.job;
      expect(Buffer.from(claimed.input.bytes).equals(inputs.get(requestId) as Uint8Array)).toBe(
        true,
      );
      inLine.delete(requestId);
      running.push(claimed);
    };
    const settle = () => {
      if (running.length === 0) return;
      const claimed = any(running);
      running = running.filter((each) => each !== claimed);
      const failure = { reason: "X", message: "", retryable: random.chance(0.7) };
      const settlement: Settlement = random.chance(0.5)
        ? { kind: "succeeded", result: new Uint8Array(1 + random.below(500)) }
        : { kind: "failed", failure };
      file.ask("settle", claimed.lease, settlement);
    };
    const cancel = () => {
      const [a, b] = [any([...inLine]), any([...inLine])];
      if (a === undefined || b === undefined) return;
      const doomed = newJob("bad", { circuitId: null as never });
      const calls = [a, b].map((requestId) => ["cancel", { owner: "", requestId }] as const);
      file.askAll(...calls, ...(random.chance(0.3) ? [["submit", doomed] as const] : []));
      for (const requestId of [a, b]) inLine.delete(requestId);
    };
    const retry = () => {
      const requestId = `r${random.below(count + 1)}`;
      file.ask("retry", { owner: "", requestId });
    };
    const purge = () => {
      const states = [["FAILED"], ["CANCELLED", "EXPIRED"], ["SUCCEEDED"], []] as const;
      file.ask("purge", { states: any(states), endedBeforeMs: undefined }, undefined);
    };
    const tick = () => {
      file.clock.nowMs += random.below(60);
      file.ask("sweep");
    };
    const reopen = async () => {
      file.close();
      running = [];
      await file.open();
    };

    const look = async () => {
      // The log is emptied by the next sweep.
      nowMs += 10_000;
      file.ask("sweep");
      const live = (await storedKeys(path)).keys;
      const disk = await folderBytes(dir);
      for (const [requestId, key] of keys) {
        expect(disk.includes(key), `key of ${requestId}`).toBe(live.has(requestId));
      }
      wipedSeen += keys.size - live.size;
      expect(new Set([...live.values()].map(({ slot }) => slot)).size).toBe(live.size);
    };

    for (let step = 0; step < STEPS; step++) {
      const dice = random.next();
      // Fills up, gets empty, and again: pages split and merge.
      const isFilling = step % 300 < 200 && inLine.size < WAITING_MAX;
      if (dice < (isFilling ? 0.35 : 0.08)) await submit();
      else if (dice < 0.6) claim();
      else if (dice < 0.8) settle();
      else if (dice < 0.88) cancel();
      else if (dice < 0.92) retry();
      else if (dice < 0.98) tick();
      else if (dice < 0.995) purge();
      else await reopen();
      nowMs += random.below(100);
      if (LOOKS_AT.includes(step)) await look();
    }

    // All that still has an input is proved: what waits, what runs, and dead letters.
    await reopen();
    const { keys: live, rowCount } = await storedKeys(path);
    for (const { requestId } of live.values()) file.ask("retry", { owner: "", requestId });
    const proved = new Set<string>();
    for (let claimed = file.claim(); claimed !== undefined; claimed = file.claim()) {
      const { requestId } = claimed.job;
      expect(Buffer.from(claimed.input.bytes).equals(inputs.get(requestId) as Uint8Array)).toBe(
        true,
      );
      file.ask("settle", claimed.lease, { kind: "succeeded", result: Uint8Array.of(1) });
      proved.add(requestId);
    }
    // Whoever has expired meanwhile was not to be proved.
    for (const requestId of live.keys()) {
      const job = file.ask("get", { owner: "", requestId });
      expect(proved.has(requestId) || job?.state === "EXPIRED", requestId).toBe(true);
    }
    await look();
    expect((await storedKeys(path)).keys.size).toBe(0);
    // Enough was looked at.
    expect(Math.min(count, wipedSeen)).toBeGreaterThan(300);
    // A transaction does not use again what it has freed itself.
    expect(rowCount).toBeLessThanOrEqual(mostRows + 6);
    file.close();
  }, 120_000);
});
