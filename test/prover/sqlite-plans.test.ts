import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JobFilter } from "../../prover/job-store.ts";
import { JobFile } from "../../prover/stores/sqlite/job-file.ts";
import type { CallMessage, Calls, Claimed } from "../../prover/stores/sqlite/messages.ts";
import { prepareDatabase } from "../../prover/stores/sqlite/schema.ts";
import { LIMITS, newJob, PROVABLE } from "./job-store-contract.ts";

const ALL: JobFilter = { owner: undefined, states: [], circuitId: undefined, labels: {} };

describe("job store / sqlite, what its statements cost", () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "plans-"));
  });
  afterAll(() => rm(dir, { recursive: true }));

  /** All statements that a store runs after its start, whatever it is asked. */
  async function statements(): Promise<string[]> {
    const clock = { nowMs: 1_700_000_000_000, steadyMs: 0 };
    const limits = { ...LIMITS, queueMax: 100, queueMaxBytes: 32, keepFinishedMax: 2 };
    const path = join(dir, "jobs.sqlite");
    const file = await JobFile.open({ path, limits, keys: [], clock, running: "lost" });
    file.waiting();
    const atStart = new Set(file.statements);
    const ask = <N extends keyof Calls>(
      name: N,
      ...args: Parameters<Calls[N]>
    ): ReturnType<Calls[N]> => {
      const values: unknown[] = [];
      file.handle([{ id: 1, name, args, clock: { ...clock } } as CallMessage], ({ answers }) => {
        for (const answer of answers) values.push("value" in answer ? answer.value : answer.error);
      });
      return values[0] as ReturnType<Calls[N]>;
    };
    const claim = () => (ask("claim", PROVABLE) as Claimed).lease;
    const lost = { reason: "WORKER_LOST", message: "", retryable: true };
    const submit = (...requestIds: string[]) => {
      for (const requestId of requestIds) {
        ask("submit", newJob(requestId, { expireMs: clock.nowMs + 100 }));
      }
    };
    submit("a", "b", "c", "d");
    const lease = claim();
    ask("heartbeat", lease, "PROVING", 1);
    ask("heartbeat", lease, "PROVING", 1);
    ask("settle", lease, { kind: "succeeded", result: Uint8Array.of(1) });
    const die = () => ask("settle", claim(), { kind: "failed", failure: lost });
    for (let i = 0; i < 6; i++) die();
    submit("e", "f", "g");
    // More dead letters than there is room for.
    for (let i = 0; i < 6; i++) die();
    expect(ask("retry", { owner: "", requestId: "g" })).toMatchObject({ state: "QUEUED" });
    ask("cancel", { owner: "", requestId: "g" });
    expect(ask("get", { owner: "", requestId: "a" })).toMatchObject({ state: "SUCCEEDED" });
    submit("late");
    ask("submit", newJob("silent"));
    claim();
    claim();
    ask("submit", newJob("waits"));
    const { jobId } = ask("get", { owner: "", requestId: "a" }) as { jobId: string };
    ask("eventsAfter", jobId, 1);
    for (const owner of [undefined, ""]) {
      for (const states of [[], ["FAILED"], ["FAILED", "QUEUED"]] as const) {
        for (const circuitId of [undefined, "c"]) {
          for (const labels of [{}, { block: "1" }]) {
            ask("list", { owner, states, circuitId, labels }, 1, undefined);
          }
        }
      }
    }
    ask("list", ALL, 50, 3);
    Object.assign(clock, { nowMs: clock.nowMs + 1_000, steadyMs: 1_000_000 });
    ask("sweep");
    Object.assign(clock, { nowMs: clock.nowMs + LIMITS.keepDeadMs });
    ask("sweep");
    Object.assign(clock, { nowMs: clock.nowMs + LIMITS.keepFinishedMs });
    ask("sweep");
    ask("purge", { states: ["FAILED"], endedBeforeMs: undefined }, undefined);
    ask("purge", { states: [], endedBeforeMs: 5 }, { endedMs: 1, number: 1 });
    const after = file.statements.filter((sql) => !atStart.has(sql));
    file.close();
    return after;
  }

  it("does not grow with the number of jobs: an index leads to each row, or a limit ends the look", async () => {
    const empty = new DatabaseSync(":memory:");
    prepareDatabase(empty);
    const asked = await statements();
    // Enough of them to be all: what is not run is not looked at.
    expect(asked.length).toBeGreaterThan(30);
    for (const sql of asked) {
      const plan = empty.prepare(`EXPLAIN QUERY PLAN ${sql}`).all();
      for (const { detail } of plan) {
        const step = String(detail);
        expect(step, sql).not.toMatch(/TEMP B-TREE/);
        const scanned = /^SCAN (jobs|inputs|results|events)\b(.*)/.exec(step);
        if (scanned === null) continue;
        expect(scanned[2], sql).toMatch(/USING (COVERING )?INDEX/);
        expect(sql, step).toMatch(/ LIMIT /);
      }
    }
    empty.close();
  });
});
