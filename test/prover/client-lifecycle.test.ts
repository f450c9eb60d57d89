import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { JobState } from "../../gen/prover/v1/job_pb.ts";
import { ProverClient, type SubmitRequest } from "../../prover/client.ts";
import { chainRequest, startTestServer, stubbornRequest, type TestServer } from "./test-server.ts";

let under: TestServer;
let folder: string;
beforeAll(async () => {
  under = await startTestServer();
  folder = await mkdtemp(join(tmpdir(), "client-lifecycle-"));
});
afterAll(async () => {
  await under[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const named = (request: SubmitRequest) => ({ requestId: request.requestId as string });
const addressOf = ({ server }: TestServer) => `127.0.0.1:${server.port}`;

describe("prover / client and a server that restarts", () => {
  for (const store of ["sqlite", "memory"] as const) {
    it(`gets its proof from the next server, with a store in ${store}`, async () => {
      const settings = {
        PROVER_STORE: store === "memory" ? store : `sqlite:${join(folder, "jobs")}`,
      };
      const first = await startTestServer(settings);
      const client = new ProverClient({ address: addressOf(first), patienceMs: 60_000 });
      const again = { ...settings, PROVER_LISTEN: addressOf(first) };
      let restarted: Promise<TestServer> | undefined;
      const restart = async () => {
        await first[Symbol.asyncDispose]();
        return startTestServer(again);
      };
      const request = chainRequest();
      const jobs = new Set<string>();
      const proved = await client.prove(request, {
        onEvent({ job }) {
          if (job) jobs.add(job.jobId);
          if (job?.state === JobState.RUNNING) restarted ??= restart();
        },
      });
      await using second = (await restarted) as TestServer;
      expect(proved.state).toBe(JobState.SUCCEEDED);
      expect(proved.requestId).toBe(request.requestId);
      // What is kept in memory is gone: another job, under the same request id.
      expect(jobs.size).toBe(store === "memory" ? 2 : 1);
      expect((await second.client.get(named(request))).jobId).toBe(proved.jobId);
      client.close();
    });
  }
});

describe("prover / client of several servers", () => {
  it("takes turns, and leaves out one that is gone", async () => {
    const servers = [await startTestServer(), await startTestServer()] as const;
    const client = new ProverClient({ address: servers.map(addressOf), balance: "round_robin" });
    const asked = ({ logged }: TestServer) =>
      logged.filter(({ method }) => String(method).endsWith("/GetServerInfo")).length;
    await expect
      .poll(
        async () => {
          await client.getServerInfo();
          return servers.every((each) => asked(each) > 0);
        },
        { timeout: 30_000 },
      )
      .toBe(true);
    await servers[0][Symbol.asyncDispose]();
    const before = asked(servers[1]);
    for (let i = 0; i < 10; i++) await client.getServerInfo();
    expect(asked(servers[1])).toBe(before + 10);
    client.close();
    await servers[1][Symbol.asyncDispose]();
  });

  it("stays with one that answers unless told to take turns", async () => {
    const dead = "127.0.0.1:1";
    const client = new ProverClient({ address: [dead, addressOf(under)] });
    expect((await client.getServerInfo()).workerCount).toBe(1);
    client.close();
  });

  it.each([[["localhost:1"]], [["127.0.0.1:1", "[::1]:1"]], [[]]])(
    "refuses %j as a list of addresses",
    (address) => {
      expect(() => new ProverClient({ address })).toThrow(/expected ip:port, all IPv4 or all/);
    },
  );
});

describe("prover / client that gives up", () => {
  it("stops waiting when its time is up, and the job goes on", async () => {
    const request = stubbornRequest();
    const proving = under.client.prove(request, { timeoutMs: 700 });
    await expect(proving).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
      isTransient: true,
      job: undefined,
    });
    const waiting = under.client.wait(named(request), { timeoutMs: 100 });
    await expect(waiting).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    const { state } = await under.client.cancel(named(request));
    expect(state).toBe(JobState.RUNNING);
    await under.client.get(named(request), { waitMs: 30_000 });
  });

  it("spends no more than its time on a server that is away, and says what was wrong", async () => {
    const client = new ProverClient({ address: "127.0.0.1:1", patienceMs: 60_000 });
    const call = client.getServerInfo({ timeoutMs: 500 });
    await expect(call).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
      message: expect.stringMatching(/500 ms; the last attempt: .*ECONNREFUSED/),
    });
    client.close();
  });

  it("cancels a job although its caller left before hearing of it", async () => {
    const request = stubbornRequest();
    const abort = new AbortController();
    const proving = under.client.prove(request, { signal: abort.signal });
    abort.abort();
    await expect(proving).rejects.toMatchObject({ code: "CANCELLED" });
    const { state } = await under.client.get(named(request), { waitMs: 30_000 });
    expect(state).toBe(JobState.CANCELLED);
  });
});

describe("prover / a closed client", () => {
  it("ends what is open, refuses what comes later, and leaves the job", async () => {
    const client = under.connect();
    const request = stubbornRequest();
    await client.submit(request);
    const waiting = client.wait(named(request), { onEvent: () => client.close() });
    await expect(waiting).rejects.toMatchObject({ code: "CANCELLED", message: /closed/ });
    await expect(client.getServerInfo()).rejects.toMatchObject({ code: "CANCELLED" });
    client.close();
    expect((await under.client.cancel(named(request))).state).not.toBe(JobState.CANCELLED);
  });

  it("keeps no process alive, whatever was under way", async () => {
    const request = stubbornRequest();
    await under.client.submit(request);
    const module = new URL("../../prover/client.ts", import.meta.url).href;
    const script = `
      const { ProverClient } = await import(${JSON.stringify(module)});
      const client = new ProverClient({ address: "${addressOf(under)}" });
      const away = new ProverClient({ address: "127.0.0.1:1", patienceMs: 3_600_000 });
      const left = [away.getServerInfo({ timeoutMs: 3_600_000 })];
      for await (const _ of client.watch({ requestId: "${request.requestId}" })) break;
      left.push(client.wait({ requestId: "${request.requestId}" }));
      setTimeout(() => { client.close(); away.close(); }, 200);
      for (const { reason } of await Promise.allSettled(left)) console.log(reason.code);`;
    const args = ["--input-type=module", "-e", script];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 });
    expect(stdout).toBe("CANCELLED\nCANCELLED\n");
    await under.client.cancel(named(request));
  });
});
