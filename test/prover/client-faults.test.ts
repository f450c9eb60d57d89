import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { JobState } from "../../gen/prover/v1/job_pb.ts";
import { ProverClient, type SubmitRequest } from "../../prover/client.ts";
import { BACKOFF_MAX_MS } from "../../prover/patience.ts";
import { SeededRandom } from "./seeded-random.ts";
import {
  chainRequest,
  productRequest,
  startTestServer,
  stubbornRequest,
  type TestServer,
} from "./test-server.ts";
import { Wire } from "./wire.ts";

let under: TestServer;
beforeAll(async () => {
  under = await startTestServer();
});
afterAll(() => under[Symbol.asyncDispose]());

const named = (request: SubmitRequest) => ({ requestId: request.requestId as string });

describe("prover / client over a bad connection", () => {
  it("keeps a watch whole however its connection breaks, at any moment", async () => {
    const random = new SeededRandom();
    await using wire = await Wire.to(under.server.port);
    const client = new ProverClient({ address: wire.address, patienceMs: 60_000 });
    const faults = [
      () => wire.cut(),
      () => wire.halfClose(),
      () => {
        wire.delayMs = 20 * random.next();
      },
    ];
    for (let round = 0; round < 3; round++) {
      const request = chainRequest();
      let isOver = false;
      const breaking = (async () => {
        while (!isOver) {
          await new Promise((resolve) => setTimeout(resolve, 400 * random.next()));
          faults[random.below(faults.length)]?.();
        }
      })();
      const seen: bigint[] = [];
      const { job } = await client.submit(request);
      for await (const event of client.watch({ jobId: job?.jobId ?? "" })) {
        if (!event.snapshot || seen.length === 0) seen.push(event.sequence);
      }
      isOver = true;
      await breaking;
      const first = seen[0] as bigint;
      expect(seen, `seed ${random.seed}, round ${round}`).toEqual(
        seen.map((_, i) => first + BigInt(i)),
      );
    }
    expect(wire.connections).toBeGreaterThan(1);
    client.close();
  });

  it("notices a connection that swallows everything, and goes on over another one", async () => {
    await using wire = await Wire.to(under.server.port);
    const client = new ProverClient({ address: wire.address, keepaliveMs: 200 });
    const running = stubbornRequest();
    await under.client.submit(running);
    const waiting = productRequest();
    await client.submit(waiting);
    const proof = client.wait(named(waiting), {
      onEvent({ job }) {
        if (job?.state !== JobState.QUEUED || wire.connections > 1) return;
        wire.swallow();
        // What the hole swallows includes the end of the job.
        void under.client.cancel(named(running));
      },
    });
    expect((await proof).state).toBe(JobState.SUCCEEDED);
    expect(wire.connections).toBeGreaterThan(1);
    client.close();
  });

  it("waits on over connections that each break after a while, however little patience it has", async () => {
    await using wire = await Wire.to(under.server.port);
    const client = new ProverClient({ address: wire.address, patienceMs: 1_000 });
    const request = stubbornRequest();
    await under.client.submit(request);
    const waiting = client.wait(named(request));
    // Handled below; not to fail the process before that.
    waiting.catch(() => {});
    // The second one stands for longer than the longest pause between two attempts.
    for (const standsMs of [200, BACKOFF_MAX_MS + 1_000]) {
      await sleep(standsMs);
      wire.cut();
    }
    await expect.poll(() => wire.connections).toBe(3);
    await under.client.cancel(named(request));
    await expect(waiting).rejects.toMatchObject({ job: { state: JobState.CANCELLED } });
    client.close();
  });

  it("outlives a thousand streams that were left early, and more", async () => {
    const client = new ProverClient({ address: `127.0.0.1:${under.server.port}` });
    const request = stubbornRequest();
    await client.submit(request);
    for (let round = 0; round < 24; round++) {
      const leave = async () => {
        for await (const _ of client.watch(named(request))) break;
      };
      await Promise.all(Array.from({ length: 50 }, leave));
    }
    expect((await client.cancel(named(request))).requestId).toBe(request.requestId);
    client.close();
  });

  it("takes a bare reset for a broken connection, which repeating may mend", async () => {
    // Something that accepts connections and resets them, as a proxy without a server behind it does.
    const proxy = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.resetAndDestroy());
    });
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const { port } = proxy.address() as { port: number };
    const client = new ProverClient({ address: `127.0.0.1:${port}`, patienceMs: 0 });
    await expect(client.getServerInfo()).rejects.toMatchObject({
      code: "UNAVAILABLE",
      isTransient: true,
    });
    client.close();
    proxy.close();
  });
});
