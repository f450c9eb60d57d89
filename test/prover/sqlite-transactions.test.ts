import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { NewJob } from "../../prover/job-store.ts";
import { JobFile } from "../../prover/stores/sqlite/job-file.ts";
import type { Answer, CallMessage, News } from "../../prover/stores/sqlite/messages.ts";
import { LIMITS, newJob } from "./job-store-contract.ts";

const clock = { nowMs: 1_700_000_000_000, steadyMs: 0 };

describe("job store / sqlite, calls that share a transaction", () => {
  let dir: string;
  let file: JobFile;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "group-"));
    const path = join(dir, "jobs.sqlite");
    file = await JobFile.open({ path, limits: LIMITS, keys: [], clock, running: "lost" });
  });
  afterEach(async () => {
    file.close();
    await rm(dir, { recursive: true });
  });

  /** Submits all at once. @returns answers by request id, and the news in the order of telling. */
  function submit(...jobs: NewJob[]) {
    const answers = new Map<string, Answer>();
    const news: News[] = [];
    const calls = jobs.map((job, id): CallMessage => ({ id, name: "submit", args: [job], clock }));
    file.handle(calls, (done) => {
      for (const answer of done.answers) answers.set(jobs[answer.id]?.requestId ?? "", answer);
      news.push(...done.news);
    });
    return { answers, news };
  }
  const bad = (requestId: string) => newJob(requestId, { circuitId: null as never });

  it("that SQLite refuses fail alone, and leave no trace in what is counted and told", () => {
    for (let round = 0; round < 2; round++) {
      const [first, second, third] = [`a${round}`, `bad${round}`, `b${round}`];
      const { answers, news } = submit(newJob(first), bad(second), newJob(third));
      expect(answers.get(first)).toMatchObject({ value: { created: true } });
      expect(answers.get(second)).toMatchObject({ error: { code: "STORE_UNAVAILABLE" } });
      expect(answers.get(third)).toMatchObject({ value: { created: true } });
      expect(news.map(({ kind }) => kind)).toEqual(["joined", "changed", "joined", "changed"]);
    }
    // Four wait: as many as there is room for, and no more were counted before.
    expect(file.waiting()).toHaveLength(LIMITS.queueMax);
    expect(submit(newJob("full")).answers.get("full")).toMatchObject({
      error: { code: "QUEUE_FULL" },
    });
  });

  it("that the service refuses fail alone, in the transaction of the others", () => {
    const { answers, news } = submit(newJob("a"), newJob("a", { contentSha256: "other" }));
    expect([...answers.values()]).toMatchObject([{ error: { code: "REQUEST_ID_REUSED" } }]);
    expect(news).toHaveLength(2);
  });

  it("have their inputs wiped, accepted or not", () => {
    const jobs = [newJob("a"), bad("b"), newJob("a", { contentSha256: "other" })];
    submit(...jobs);
    for (const { input } of jobs) expect(input.bytes.every((byte) => byte === 0)).toBe(true);
  });
});
