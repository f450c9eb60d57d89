import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { JobState } from "../../gen/prover/v1/job_pb.ts";
import { AdminClient } from "../../prover/admin-client.ts";
import { ProverClient } from "../../prover/client.ts";
import { ProverClientError } from "../../prover/client-error.ts";
import { smallCircuits } from "./small-circuits.ts";
import { chainRequest, productRequest } from "./test-server.ts";

const KILLS = 20;
const root = join(import.meta.dirname, "../..");

/** A server in a process of its own, on the given file. */
async function serve(
  store: string,
): Promise<{ child: ChildProcess; port: number; adminPort: number }> {
  const env = {
    ...process.env,
    PROVER_STORE: `sqlite:${store}`,
    PROVER_LISTEN: "127.0.0.1:0",
    PROVER_ADMIN_LISTEN: "127.0.0.1:0",
    PROVER_CIRCUITS_DIR: await smallCircuits(),
    PROVER_CIRCUITS: "product,chain",
    PROVER_ALLOW_DEV_KEYS: "true",
    PROVER_THREADS: "2",
    // Each kill takes an attempt from what runs.
    PROVER_ATTEMPTS_MAX: "10",
    PROVER_LOG_LEVEL: "silent",
  };
  const args = [join(root, "prover/command/main.ts"), "serve"];
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  return { child, ...(JSON.parse(line as string) as { port: number; adminPort: number }) };
}

describe("prover / killed under load, with its jobs in a file", () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);

  it(`loses and doubles no job over ${KILLS} kills at random moments (SEED=${seed})`, async () => {
    let state = seed;
    const random = (below: number) => {
      state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
      return state % below;
    };
    const dir = await mkdtemp(join(tmpdir(), "crash-"));
    const store = join(dir, "jobs.sqlite");
    /** Job ids of what was accepted, by request id. */
    const accepted = new Map<string, string>();
    const requests: ReturnType<typeof productRequest>[] = [];
    try {
      for (let kill = 0; kill < KILLS; kill++) {
        const { child, port } = await serve(store);
        const client = new ProverClient({ address: `127.0.0.1:${port}`, patienceMs: 0 });
        const isAlive = { now: true };
        const load = (async () => {
          while (isAlive.now) {
            const request = random(2) === 0 ? productRequest() : chainRequest();
            requests.push(request);
            // A call that the kill cuts off was accepted or not: its repetition will show.
            const answer = await client.submit(request).catch(() => undefined);
            if (answer?.job) accepted.set(request.requestId as string, answer.job.jobId);
            await sleep(random(60));
          }
        })();
        await sleep(50 + random(600));
        child.kill("SIGKILL");
        isAlive.now = false;
        await Promise.all([load, once(child, "exit")]);
        client.close();
      }
      const { child, port, adminPort } = await serve(store);
      const client = new ProverClient({ address: `127.0.0.1:${port}` });
      const admin = new AdminClient({ address: `127.0.0.1:${adminPort}` });
      expect(accepted.size).toBeGreaterThan(KILLS);
      for (const request of requests) {
        const { job, created } = await client.submit(request);
        const known = accepted.get(request.requestId as string);
        if (known !== undefined) expect([job?.jobId, created]).toEqual([known, false]);
        const reference = { requestId: request.requestId as string };
        const ended = await client.wait(reference).catch((error: unknown) => error);
        // Killed in each of ten attempts: a stated failure, and its input is kept for a retry.
        if (ended instanceof ProverClientError) {
          expect(ended.reason).toBe("WORKER_LOST");
          await admin.retry(reference);
        }
        const proved = await client.wait(reference);
        expect(proved.state).toBe(JobState.SUCCEEDED);
        expect(proved.result?.proof).toBeDefined();
      }
      admin.close();
      client.close();
      child.kill("SIGTERM");
      expect((await once(child, "exit"))[0]).toBe(0);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }, 240_000);
});
