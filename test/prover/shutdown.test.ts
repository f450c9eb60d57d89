import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { protoPath } from "grpc-health-check";
import { describe, expect, it } from "vitest";
import { JobStage, JobState } from "../../gen/prover/v1/job_pb.ts";
import { ServerState } from "../../gen/prover/v1/prover_pb.ts";
import type { SubmitRequest } from "../../prover/client.ts";
import {
  chainRequest,
  productRequest,
  startTestServer,
  stubbornRequest,
  type TestServer,
} from "./test-server.ts";

const idOf = (request: SubmitRequest) => ({ requestId: request.requestId as string });

async function submitRunning(under: TestServer, request: SubmitRequest) {
  await under.client.submit(request);
  for await (const { job } of under.client.watch(idOf(request))) {
    if (job?.stage !== JobStage.UNSPECIFIED) return;
  }
}

describe("prover / drain", () => {
  it("refuses new jobs, answers for known ones, and finishes what was accepted", async () => {
    await using under = await startTestServer({ PROVER_DRAIN_MS: "60000" });
    const running = chainRequest();
    const waiting = productRequest();
    await submitRunning(under, running);
    await under.client.submit(waiting);
    expect(await under.admin.drain()).toMatchObject({ queuedCount: 1, runningCount: 1 });
    expect(await under.admin.drain()).toMatchObject({ queuedCount: 1 });

    await expect(under.client.submit(productRequest())).rejects.toMatchObject({
      code: "UNAVAILABLE",
      reason: "DRAINING",
    });
    expect((await under.client.submit(waiting)).created).toBe(false);
    expect(await under.client.getServerInfo()).toMatchObject({ state: ServerState.DRAINING });
    expect((await under.client.wait(idOf(running))).state).toBe(JobState.SUCCEEDED);
    expect((await under.client.wait(idOf(waiting))).state).toBe(JobState.SUCCEEDED);
  });

  it("is what close does first: a watcher gets the proof before the connection ends", async () => {
    await using under = await startTestServer({ PROVER_DRAIN_MS: "60000" });
    const request = chainRequest();
    await submitRunning(under, request);
    const proved = under.client.wait(idOf(request));
    const closed = under.server.close();
    expect((await proved).state).toBe(JobState.SUCCEEDED);
    await closed;
    await expect(under.client.getServerInfo()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  it("ends after its time, whatever runs and whoever listens", async () => {
    await using under = await startTestServer({ PROVER_DRAIN_MS: "100" });
    const request = stubbornRequest();
    await submitRunning(under, request);
    const watched = under.client.wait(idOf(request));
    const refused = expect(watched).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await under.server.close();
    await refused;
    // A second close has nothing to do.
    await under.server.close();
  });
});

describe("prover / health", () => {
  it("is SERVING for the server and its service, and NOT_SERVING while draining", async () => {
    await using under = await startTestServer();
    const { port, adminPort } = under.server;
    expect(await health(port, "")).toBe("SERVING");
    expect(await health(port, "prover.v1.ProverService")).toBe("SERVING");
    expect(await health(adminPort, "prover.v1.AdminService")).toBe("SERVING");
    await expect(health(port, "prover.v1.AdminService")).rejects.toMatchObject({
      code: grpc.status.NOT_FOUND,
    });
    await under.admin.drain();
    expect(await health(port, "")).toBe("NOT_SERVING");
    expect(await health(port, "prover.v1.ProverService")).toBe("NOT_SERVING");
    expect(await health(adminPort, "")).toBe("SERVING");
  });
});

/** Asks by the published health.proto, as a probe does. */
async function health(port: number, service: string): Promise<string> {
  // biome-ignore lint/suspicious/noExplicitAny: grpc-js makes untyped clients at run time.
  const loaded: any = grpc.loadPackageDefinition(loadSync(protoPath, { enums: String }));
  const client = new loaded.grpc.health.v1.Health(
    `127.0.0.1:${port}`,
    grpc.credentials.createInsecure(),
  );
  try {
    return await new Promise((resolve, reject) => {
      client.check({ service }, (error: Error | null, answer: { status: string }) =>
        error === null ? resolve(answer.status) : reject(error),
      );
    });
  } finally {
    client.close();
  }
}
