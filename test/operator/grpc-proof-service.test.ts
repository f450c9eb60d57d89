import * as grpc from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import { type Groth16Proof, JobState } from "../../gen/prover/v1/job_pb.ts";
import { ProverService } from "../../gen/prover/v1/prover_pb.ts";
import { GrpcProofService } from "../../operator/grpc-proof-service.ts";
import type { ProofCall } from "../../operator/prover-link.ts";
import { ERRORS, type ErrorCode, ProverError } from "../../prover/errors.ts";
import { addService, type Handlers } from "../../prover/grpc.ts";

type Points = Pick<Groth16Proof, "a" | "b" | "c">;

const open: { close(): void }[] = [];

afterEach(() => {
  for (const part of open.splice(0)) part.close();
});

const CALL: ProofCall = {
  requestId: "block-1",
  circuitId: "batch-tiny",
  batch: {
    domain: 1n,
    blockNumber: 1,
    feeIndex: 0,
    prevRoot: 0n,
    topNodes: [],
    openings: [],
    l1Items: [],
    transfers: [],
  },
  signal: new AbortController().signal,
  onProgress() {},
};

/** Asks a prover whose every job ends at once, like this. */
type Outcome =
  | { readonly proof: Points }
  | { readonly failure: string; readonly reason?: ErrorCode }
  | { readonly refusal: ErrorCode };

async function ask(outcome: Outcome): Promise<readonly bigint[]> {
  const reason = "failure" in outcome ? (outcome.reason ?? "BUG") : "BUG";
  const job =
    "failure" in outcome
      ? {
          jobId: "1",
          state: JobState.FAILED,
          failure: { reason, message: outcome.failure, grpcCode: ERRORS[reason].grpc },
        }
      : {
          jobId: "1",
          state: JobState.SUCCEEDED,
          ...("proof" in outcome && { result: { proof: outcome.proof } }),
        };
  const handlers: Partial<Handlers<typeof ProverService>> = {
    async submitProof() {
      if ("refusal" in outcome) throw new ProverError(outcome.refusal, "refused");
      return { job: { jobId: "1" } };
    },
    async *watchProof() {
      yield { event: { sequence: 1n, job } };
    },
  };
  const server = new grpc.Server();
  addService(server, ProverService, handlers as Handlers<typeof ProverService>, () => {});
  const port = await new Promise<number>((resolve, reject) => {
    const credentials = grpc.ServerCredentials.createInsecure();
    server.bindAsync("127.0.0.1:0", credentials, (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const service = new GrpcProofService(`127.0.0.1:${port}`);
  open.push(service, { close: () => server.forceShutdown() });
  return service.prove(CALL);
}

/** Coordinate i is the number i. */
function points(): Points {
  const word = (value: number): Uint8Array => new Uint8Array(32).fill(value, 31);
  return { a: [word(1), word(2)], b: [word(3), word(4), word(5), word(6)], c: [word(7), word(8)] };
}

describe("operator / gRPC proof service", () => {
  it("reads eight coordinates of 32 bytes", async () => {
    expect(await ask({ proof: points() })).toEqual([1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n]);
  });

  const lies: [what: string, proof: Points][] = [
    [
      "a coordinate with a zero in front",
      { ...points(), a: [new Uint8Array(33), new Uint8Array(32)] },
    ],
    ["a short coordinate", { ...points(), c: [new Uint8Array(31), new Uint8Array(32)] }],
    [
      "a coordinate of 20 kB",
      { ...points(), a: [new Uint8Array(20_000).fill(1), new Uint8Array(32)] },
    ],
    ["a coordinate too many", { ...points(), a: [...points().a, new Uint8Array(32)] }],
    ["none", { a: [], b: [], c: [] }],
  ];
  it.each(lies)("makes no numbers of %s", async (_what, proof) => {
    await expect(ask({ proof })).rejects.toMatchObject({ code: "PROOF_MALFORMED" });
  });

  const passing: ErrorCode[] = [
    "DRAINING",
    "STORE_UNAVAILABLE",
    "ENGINE_UNAVAILABLE",
    "JOB_UNKNOWN",
  ];
  it.each(passing)(
    "takes %s for a prover that is away, and the same job may still be asked for",
    async (refusal) => {
      await expect(ask({ refusal })).rejects.toMatchObject({ code: "PROVER_UNAVAILABLE" });
    },
  );

  const lasting: ErrorCode[] = ["CIRCUIT_UNKNOWN", "REQUEST_ID_REUSED", "BATCH_SIGNATURE", "BUG"];
  it.each(lasting)("takes %s for a failure that somebody must hear of", async (refusal) => {
    await expect(ask({ refusal })).rejects.toMatchObject({ code: "PROOF_FAILED" });
  });

  it("asks for another job when one has ended, also one whose worker was lost", async () => {
    const lost = ask({ failure: "each attempt lost its worker", reason: "WORKER_LOST" });
    await expect(lost).rejects.toMatchObject({ code: "PROOF_FAILED" });
  });

  it("passes on the beginning of what the prover says, however much that is", async () => {
    const failure = "no ".repeat(100_000);
    const error = await ask({ failure }).catch((caught: Error) => caught);
    expect(error).toMatchObject({ code: "PROOF_FAILED" });
    expect((error as Error).message.length).toBeLessThan(400);
  });
});
