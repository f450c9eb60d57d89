import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { executeBatch } from "../../circuits/batch.ts";
import { circuitParameters } from "../../circuits/parameters.ts";
import { BadRequestSchema, ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { exampleBatch } from "../../scripts/example-batch.ts";
import { fromBytesBE } from "../../worker/field.ts";
import { proofFromJson } from "../../worker/proof.ts";
import { verificationKeyFromJson } from "../../worker/verification-key.ts";
import { verifyWithNoble } from "../circuits/pairing.ts";
import { startTestServer, type TestServer } from "./test-server.ts";

const root = join(import.meta.dirname, "../..");
const EXAMPLE_PATH = join(root, "docs/examples/batch-tiny.json");

const tiny = circuitParameters("batch-tiny");
const batch = exampleBatch("batch-tiny");

let under: TestServer;
beforeAll(async () => {
  under = await startTestServer({
    PROVER_CIRCUITS_DIR: join(root, "build/circuits"),
    PROVER_CIRCUITS: "batch-tiny",
  });
});
afterAll(() => under[Symbol.asyncDispose]());

/** buf's gRPC client, which is Go's, and learns the messages by reflection. */
async function bufCurl(method: string, data: string, ...flags: string[]): Promise<string> {
  const url = `http://127.0.0.1:${under.server.port}/${method}`;
  const args = ["curl", "--protocol", "grpc", "--http2-prior-knowledge", ...flags, "-d", data, url];
  const { stdout } = await promisify(execFile)(join(root, "node_modules/.bin/buf"), args, {
    maxBuffer: 16 * 1024 * 1024,
  });
  return stdout;
}

const SERVICE = "prover.v1.ProverService";

describe("prover / an independent client", () => {
  it("finds the services and methods by reflection", async () => {
    const url = `http://127.0.0.1:${under.server.port}`;
    const list = async (flag: string, ...rest: string[]) => {
      const args = ["curl", "--protocol", "grpc", "--http2-prior-knowledge", ...rest, flag, url];
      const { stdout } = await promisify(execFile)(join(root, "node_modules/.bin/buf"), args);
      return stdout.trim().split("\n").sort();
    };
    expect(await list("--list-services")).toEqual(["grpc.health.v1.Health", SERVICE]);
    for (const protocol of ["grpc-v1", "grpc-v1alpha"]) {
      const methods = await list("--list-methods", "--reflect-protocol", protocol);
      expect(methods.filter((method) => method.startsWith(SERVICE))).toHaveLength(11);
      expect(methods).toContain(`${SERVICE}/SubmitProof`);
    }
    const health = await bufCurl("grpc.health.v1.Health/Check", "{}");
    expect(JSON.parse(health)).toEqual({ status: "SERVING" });
  });

  it("submits the example batch and gets a proof that verifies", async () => {
    const submitted = JSON.parse(await bufCurl(`${SERVICE}/SubmitProof`, `@${EXAMPLE_PATH}`));
    expect(submitted).toMatchObject({
      created: true,
      job: { requestId: "example-batch-tiny", inputKind: "INPUT_KIND_TRANSFER_BATCH" },
    });
    const wait = JSON.stringify({ requestId: "example-batch-tiny", wait: "120s" });
    const { job } = JSON.parse(await bufCurl(`${SERVICE}/GetProof`, wait));
    expect(job).toMatchObject({ state: "JOB_STATE_SUCCEEDED", developmentKeys: true });

    const circuit = await under.client.getCircuit("batch-tiny");
    const key = verificationKeyFromJson(
      JSON.parse(Buffer.from(circuit.verificationKeyJson).toString()),
    );
    const proof = proofFromJson(
      JSON.parse(Buffer.from(job.result.snarkjsProofJson, "base64").toString()),
    );
    const signals = job.result.publicSignals.map((text: string) =>
      fromBytesBE(Buffer.from(text, "base64")),
    );
    expect(signals).toEqual(executeBatch(tiny, batch).publicSignals);
    expect(verifyWithNoble(key, signals, proof)).toBe(true);
    expect(verifyWithNoble(key, signals.toReversed(), proof)).toBe(false);

    const events = await bufCurl(`${SERVICE}/WatchProof`, '{"requestId": "example-batch-tiny"}');
    expect(events).toContain("JOB_STATE_SUCCEEDED");
  });

  it("reads the details of an error", async () => {
    const request = JSON.parse(await readFile(EXAMPLE_PATH, "utf8"));
    request.requestId = "bad-example";
    request.transferBatch.transfers[1].amountGwei = "400001";
    const failed = bufCurl(`${SERVICE}/SubmitProof`, JSON.stringify(request));
    const { stderr, code } = await failed.catch((error) => error);
    // buf exits with the gRPC status, shifted by three bits.
    expect(code).toBe(3 << 3);
    const { details, message } = JSON.parse(stderr);
    expect(message).toContain("transfer_batch.transfers[1].signature");
    expect(details.map(({ type }: { type: string }) => type)).toEqual([
      "google.rpc.ErrorInfo",
      "google.rpc.BadRequest",
    ]);
    const [info, fields] = details.map(({ value }: { value: string }) =>
      Buffer.from(value, "base64"),
    );
    expect(fromBinary(ErrorInfoSchema, info)).toMatchObject({
      reason: "BATCH_SIGNATURE",
      domain: "proofmill",
    });
    expect(fromBinary(BadRequestSchema, fields).fieldViolations).toMatchObject([
      { field: "transfer_batch.transfers[1].signature" },
    ]);
  });
});
