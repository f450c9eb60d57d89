import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { smallCircuits } from "../small-circuits.ts";
import { proofmill, startService } from "./run-command.ts";

let service: Awaited<ReturnType<typeof startService>>;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "proofmill-jobs-"));
  const input = (name: string, inputs: unknown) =>
    writeFile(join(folder, `${name}.json`), JSON.stringify(inputs));
  await input("product", { a: 3, b: 5, product: 15 });
  await input("stubborn", { steps: 1_000_000_000 });
  const circuits = ["--circuits-dir", await smallCircuits(), "--circuits", "product,stubborn"];
  service = await startService(
    ...[...circuits, "--allow-dev-keys", "--threads", "1", "--store", "memory", "--drain-ms", "0"],
  );
});
afterAll(async () => {
  await service?.stop();
  await rm(folder, { recursive: true });
});

const call = (...words: string[]) => proofmill(...words, "--server", service.address);
const administer = (...words: string[]) =>
  proofmill("admin", ...words, "--server", service.adminAddress);
const submit = (circuit: string, requestId: string, ...flags: string[]) =>
  call(
    ...["submit", "--circuit", circuit, "--input", join(folder, `${circuit}.json`)],
    ...["--request-id", requestId, ...flags],
  );
const listed = async (...flags: string[]) => {
  const { stdout } = await call("list", "--json", ...flags);
  return JSON.parse(stdout).jobs.map(({ requestId }: { requestId: string }) => requestId);
};

describe("proofmill cancel, list and admin", () => {
  it("shows a running job and its worker, and stops it", async () => {
    expect(await submit("stubborn", "endless", "--no-wait")).toMatchObject({ code: 0 });
    await expect.poll(() => listed("--state", "running"), { timeout: 30_000 }).toEqual(["endless"]);
    const { stdout: table } = await call("list");
    expect(table).toMatch(
      /^state +age +circuit +request +job\nrunning \d+% +\d+ s +stubborn +endless /,
    );
    const { stdout: workers } = await administer("workers");
    expect(workers).toMatch(/^slot +stage +for .*\n0 +witness +\d+ s +0 +0 +[0-9a-f-]{36}\n$/);

    const cancelled = await call("cancel", "endless", "--by-request-id", "--json");
    expect(cancelled).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(cancelled.stdout)).toMatchObject({ cancelRequested: true });
    const watched = await call("watch", "endless", "--by-request-id", "--json");
    expect(watched.code).toBe(1);
    expect(JSON.parse(watched.stdout).state).toBe("JOB_STATE_CANCELLED");
    expect((await call("cancel", "endless", "--by-request-id")).code).toBe(0);
    const idle = JSON.parse((await administer("workers", "--json")).stdout);
    expect(idle.workers[0].jobId).toBeUndefined();
  });

  it("finds jobs by label and circuit, as many as asked for", async () => {
    const accepted = await submit("product", "quick-1", "--label", "chain=7", "--priority", "high");
    expect(accepted).toMatchObject({ code: 0 });
    expect(accepted.stderr).toMatch(/^accepted as [0-9a-f-]{36}$/m);
    await submit("product", "quick-2", "--label", "chain=8");
    expect(await listed("--label", "chain=7")).toEqual(["quick-1"]);
    expect(await listed("--circuit", "product")).toEqual(["quick-2", "quick-1"]);
    expect(await listed("--circuit", "product", "--limit", "1")).toEqual(["quick-2"]);
    const late = await call("cancel", "quick-1", "--by-request-id");
    expect(late).toMatchObject({ code: 1, stdout: expect.stringContaining("succeeded") });
  });

  it("refuses to retry what is no dead letter, and names of jobs that it does not know", async () => {
    const retried = await administer("retry", "quick-1", "--by-request-id", "--json");
    expect(retried.code).toBe(3);
    expect(JSON.parse(retried.stdout).error.code).toBe("FAILED_PRECONDITION");
    const unknown = await call("cancel", "nobody");
    expect(unknown).toMatchObject({ code: 3, stderr: expect.stringContaining("no such job") });
  });

  it("forgets ended jobs only when it is said which", async () => {
    const usage = {
      code: 2,
      stderr: expect.stringContaining("--older-than, --state, or else --all"),
    };
    expect(await administer("purge")).toMatchObject(usage);
    expect(await administer("purge", "--all", "--state", "failed")).toMatchObject(usage);
    const none = await administer("purge", "--older-than", "3600", "--json");
    expect(JSON.parse(none.stdout)).toEqual({ purgedCount: 0 });
    const stopped = await administer("purge", "--state", "cancelled");
    expect(stopped).toMatchObject({ code: 0, stdout: "1 forgotten\n" });
    expect(await listed()).toEqual(["quick-2", "quick-1"]);
  });

  it("says what is wrong with a word", async () => {
    const cases: [words: string[], problem: string][] = [
      [["list", "--state", "done"], '--state: got "done", expected one of queued, running'],
      [["list", "--label", "x"], '--label: got "x", expected NAME=VALUE'],
      [["submit", "--priority", "now", "--circuit", "c"], '--priority: got "now"'],
      [["cancel"], "JOB is missing"],
      [["admin"], 'got "", expected one of workers, retry, purge, drain'],
      [["admin", "toString"], 'got "toString"'],
    ];
    for (const [words, problem] of cases) {
      expect(await proofmill(...words), words.join(" ")).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(problem),
      });
    }
  });

  it("drains: what comes later is refused, what is known is answered", async () => {
    const drained = await administer("drain");
    expect(drained).toMatchObject({ code: 0, stdout: "draining: 0 waiting, 0 running\n" });
    expect((await submit("product", "quick-1")).code).toBe(0);
    const refused = await submit("product", "late", "--json");
    expect(refused.code).toBe(4);
    expect(JSON.parse(refused.stdout).error.code).toBe("UNAVAILABLE");
  });
});
