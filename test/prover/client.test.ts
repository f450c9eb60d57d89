import { randomUUID } from "node:crypto";
import { connect, createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { JobStage, JobState } from "../../gen/prover/v1/job_pb.ts";
import { ProverClient } from "../../prover/client.ts";
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

describe("prover / client", () => {
  it("resumes a watch over cut connections, without loss or repetition", async () => {
    await using wire = await Wire.to(under.server.port);
    const client = new ProverClient({ address: wire.address });
    const request = chainRequest();
    await client.submit(request);
    const seen: bigint[] = [];
    let cuts = 0;
    for await (const event of client.watch({ requestId: request.requestId as string })) {
      seen.push(event.sequence);
      if (cuts < 3) {
        cuts++;
        wire.cut();
      }
      if (event.job?.state === JobState.SUCCEEDED) expect(event.job.result).toBeDefined();
    }
    client.close();
    expect(cuts).toBe(3);
    const first = seen[0] as bigint;
    expect(seen).toEqual(seen.map((_, i) => first + BigInt(i)));
  });

  it("waits for a server that is away, for as long as its patience", async () => {
    const wire = await Wire.to(under.server.port);
    const { address } = wire;
    await wire[Symbol.asyncDispose]();
    const hasty = new ProverClient({ address, patienceMs: 0 });
    await expect(hasty.getServerInfo()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    hasty.close();

    const patient = new ProverClient({ address, patienceMs: 60_000 });
    const answer = patient.getServerInfo();
    const port = Number(address.split(":")[1]);
    const back = createServer((near) => {
      const far = connect(under.server.port, "127.0.0.1");
      near.on("error", () => {});
      far.on("error", () => {});
      near.pipe(far).pipe(near);
    });
    back.listen(port, "127.0.0.1");
    expect((await answer).workerCount).toBe(1);
    patient.close();
    back.close();
  });

  it("cancels the job when its caller aborts", async () => {
    const request = stubbornRequest();
    const abort = new AbortController();
    const proving = under.client.prove(request, {
      signal: abort.signal,
      onEvent: ({ job }) => {
        if (job?.stage === JobStage.WITNESS) abort.abort();
      },
    });
    await expect(proving).rejects.toMatchObject({ code: "CANCELLED", job: undefined });
    const name = { requestId: request.requestId as string };
    const { state } = await under.client.get(name, { waitMs: 30_000 });
    expect(state).toBe(JobState.CANCELLED);
  });

  it("does nothing when it is aborted beforehand", async () => {
    const request = productRequest();
    const signal = AbortSignal.abort();
    await expect(under.client.submit(request, { signal })).rejects.toMatchObject({
      code: "CANCELLED",
    });
    await expect(
      under.client.get({ requestId: request.requestId as string }),
    ).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("ends a stream that its consumer leaves", async () => {
    const request = stubbornRequest();
    await under.client.submit(request);
    const name = { requestId: request.requestId as string };
    const before = watchesEnded();
    for await (const _ of under.client.watch(name)) break;
    await expect.poll(watchesEnded).toBe(before + 1);
    await under.client.cancel(name);
  });

  it("fails at once, with the reason, on what repeating does not change", async () => {
    const patient = under.connect({ patienceMs: 60_000 });
    const unknown = patient.get({ jobId: randomUUID() });
    await expect(unknown).rejects.toMatchObject({ code: "NOT_FOUND", reason: "JOB_UNKNOWN" });
    const watched = patient.watch({ jobId: randomUUID() }).next();
    await expect(watched).rejects.toMatchObject({ code: "NOT_FOUND", reason: "JOB_UNKNOWN" });
  });

  const watchesEnded = () =>
    under.logged.filter(({ method }) => String(method).endsWith("/WatchProof")).length;
});
