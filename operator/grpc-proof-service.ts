import { type Groth16Proof, JobStage, JobState } from "../gen/prover/v1/job_pb.ts";
import {
  ProverClient,
  proofElements,
  type TlsFiles,
  transferBatchInput,
} from "../prover/client.ts";
import { OperatorError } from "./errors.ts";
import type { ProofCall, ProofService } from "./prover-link.ts";

const STAGES: Readonly<Partial<Record<JobStage, string>>> = {
  [JobStage.WITNESS]: "witness",
  [JobStage.PROVING]: "proving",
  [JobStage.VERIFYING]: "verifying",
};

const WORD_BYTES = 32;
/** What is passed on of a text that the prover wrote: it goes into the log and to users. */
const TEXT_MAX = 300;

/** Errors of the client; looked at by their form, since its class belongs to the prover's folder. */
interface ClientError extends Error {
  readonly code: string;
  /** The service's own code, as in docs/api.md. */
  readonly reason: string | undefined;
  readonly isTransient: boolean;
  /** The job that ended without a proof. */
  readonly job: unknown;
}

/** How the operator reaches the prover: without more than an address in plaintext, on one machine. */
export interface ProverAccess {
  readonly tls?: TlsFiles;
  /** Asked before each call. */
  readonly token?: () => Promise<string>;
}

/** The proving service over gRPC. */
export class GrpcProofService implements ProofService {
  readonly #client: ProverClient;

  /** @param address host:port */
  constructor(address: string, access: ProverAccess = {}) {
    // Repeating is the link's business: it does so without an end, and says meanwhile that the prover is away.
    this.#client = new ProverClient({ address, patienceMs: 0, ...access });
  }

  async prove(call: ProofCall): Promise<readonly bigint[]> {
    const { requestId, circuitId, batch, signal, onProgress } = call;
    const input = transferBatchInput(batch);
    try {
      const { result } = await this.#client.prove(
        { requestId, circuitId, input },
        {
          signal,
          onEvent({ job }) {
            if (job?.state === JobState.QUEUED) onProgress({ stage: "queued", percent: 0 });
            if (job?.state !== JobState.RUNNING) return;
            const stage = STAGES[job.stage] ?? "running";
            onProgress({ stage, percent: job.progressPercent });
          },
        },
      );
      return readProof(result.proof);
    } catch (error) {
      throw asOperatorError(error);
    }
  }

  close(): void {
    this.#client.close();
  }
}

/** By length first: a coordinate of megabytes would take hours to become a number, in which nothing else happens. */
function readProof(proof: Groth16Proof | undefined): readonly bigint[] {
  const sizes = proof ? [...proof.a, ...proof.b, ...proof.c].map(({ length }) => length) : [];
  if (proof && sizes.length === 8 && sizes.every((bytes) => bytes === WORD_BYTES)) {
    return proofElements(proof);
  }
  const got = `${sizes.length} coordinates, the longest of ${sizes.reduce((a, b) => Math.max(a, b), 0)} bytes`;
  const expected = `8 of ${WORD_BYTES} bytes`;
  throw new OperatorError(
    "PROOF_MALFORMED",
    `the prover's answer is no proof: got ${got}, expected ${expected}.`,
    { got, expected },
  );
}

function asOperatorError(error: unknown): unknown {
  const { name, code, message, reason, isTransient, job } = error as ClientError;
  if (name !== "ProverClientError") return error;
  // A job that has ended stays as it is under its request id. A job that is gone (the prover came back without its
  // memory) or a call that was cut short is submitted again as it was. A circuit that the prover does not have is no
  // such case: somebody must hear of it.
  const isCutShort = isTransient || code === "ABORTED" || reason === "JOB_UNKNOWN";
  const isAway = job === undefined && isCutShort;
  return new OperatorError(
    isAway ? "PROVER_UNAVAILABLE" : "PROOF_FAILED",
    `the prover answers ${code}: ${message.slice(0, TEXT_MAX)}`,
    { got: code },
    { cause: error },
  );
}
