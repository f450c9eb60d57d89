import { connect as connectHttp2 } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import * as grpc from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { describe, expect, it } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { Caller } from "../../prover/caller.ts";
import { addHealth } from "../../prover/health-service.ts";
import { startTestServer } from "./test-server.ts";

describe("prover / health service", () => {
  it("answers those who ask for other names, and keeps nothing of them", async () => {
    const health = new HealthImplementation({ known: "SERVING" });
    const server = new grpc.Server();
    addHealth(server, health, ["known"]);
    const bind = promisify(server.bindAsync).bind(server);
    const port = await bind("127.0.0.1:0", grpc.ServerCredentials.createInsecure());
    const caller = new Caller({ address: `127.0.0.1:${port}`, patienceMs: 0 });
    const first = async (service: string) => {
      for await (const { status } of caller.stream(Health.method.watch, { service })) return status;
    };
    expect([await first("known"), await first("stranger")]).toEqual([1, 3]);
    // A field of the package's own: the names that it would keep.
    const { watchers } = health as unknown as { watchers: Map<string, unknown> };
    expect([...watchers.keys()]).toEqual(["known"]);
    const check = (service: string) => caller.unary(Health.method.check, { service });
    expect(await check("known")).toMatchObject({ status: 1 });
    await expect(check("stranger")).rejects.toMatchObject({ code: "NOT_FOUND" });
    caller.close();
    server.forceShutdown();
  });
});

describe("prover / reflection", () => {
  it("reads no further while its answers are not read", async () => {
    await using under = await startTestServer({ PROVER_CIRCUITS: "product" });
    const session = connectHttp2(`http://127.0.0.1:${under.server.port}`);
    const stream = session.request({
      ":method": "POST",
      ":path": "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", () => {});
    // list_services = "*"
    const question = Buffer.from([0, 0, 0, 0, 3, 0x3a, 1, 0x2a]);
    const many = Buffer.concat(Array.from({ length: 4_096 }, () => question));
    let taken = 0;
    const stalled = async () => {
      const written = new Promise((resolve) => stream.write(many, resolve));
      return (await Promise.race([written, sleep(3_000, "stalled")])) === "stalled";
    };
    // More than all buffers between: a server that reads on takes all of it.
    while (taken < 64 && !(await stalled())) taken++;
    expect(taken).toBeLessThan(64);
    session.destroy();
  });
});
