/**
 * The client of the proving service.
 *
 * ```ts
 * const client = new ProverClient({ address: "127.0.0.1:50051" });
 * const { result } = await client.prove({
 *   requestId: "block-7",
 *   circuitId: "batch-4",
 *   input: transferBatchInput(batch),
 * });
 * client.close();
 * ```
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { TransferBatch as TwinBatch } from "../circuits/batch.ts";
import type { Circuit } from "../gen/prover/v1/circuit_pb.ts";
import {
  type Groth16Proof,
  type Job,
  JobState,
  type ProofResult,
} from "../gen/prover/v1/job_pb.ts";
import {
  type GetServerInfoResponse,
  type JobEvent,
  ProverService,
  type SubmitOutcome,
  type SubmitProofRequestSchema,
  type SubmitProofResponse,
  type VerifyProofRequestSchema,
  type VerifyProofResponse,
} from "../gen/prover/v1/prover_pb.ts";
import { fromBytesBE } from "../worker/field.ts";
import { encodeBatch } from "./batch-encoder.ts";
import type { CallScope } from "./call-scope.ts";
import { Caller, type CallerOptions, type CallOptions } from "./caller.ts";
import { ProverClientError } from "./client-error.ts";

export type { CallerOptions, CallOptions } from "./caller.ts";
export {
  ProverClientError,
  type ProverClientErrorDetail,
  type StatusName,
} from "./client-error.ts";
export type { TlsBytes, TlsFiles } from "./client-tls.ts";
export type { FieldViolation } from "./field-violation.ts";

export type SubmitRequest = MessageInitShape<typeof SubmitProofRequestSchema>;
/** All that are given must hold. */
export interface ListFilter {
  readonly states?: JobState[];
  readonly circuitId?: string;
  readonly labels?: Record<string, string>;
  /** Jobs per call, at most 500. */
  readonly pageSize?: number;
}
export type VerifyRequest = MessageInitShape<typeof VerifyProofRequestSchema>;

/** A job by the service's name or by the caller's. */
export type JobName = { readonly jobId: string } | { readonly requestId: string };

/** A job that succeeded. */
export type ProvedJob = Job & { readonly result: ProofResult };

const FINAL_STATES: readonly JobState[] = [
  JobState.SUCCEEDED,
  JobState.FAILED,
  JobState.CANCELLED,
  JobState.EXPIRED,
];

/** What `prove` and `wait` take. */
export type WaitOptions = CallOptions & { readonly onEvent?: (event: JobEvent) => void };

/** Longest wait of one GetProof call; longer waits are made of several. */
const POLL_MS = 60_000;

/** How long `prove`, once aborted, goes on for the sake of cancelling its job. */
const ABANDON_MS = 5_000;

/** A server that forgets a job more often than this has a fault which repeating would hide. */
const SUBMISSIONS_MAX = 4;

/**
 * Repeats calls that may end well later (`ProverClientError.isTransient`) for `patienceMs`, with
 * growing pauses; a broken stream goes on where it broke. A submission is repeated under its request
 * id and makes no second job. Every method throws ProverClientError.
 */
export class ProverClient {
  readonly #caller: Caller;

  constructor(options: CallerOptions) {
    this.#caller = new Caller(options);
  }

  /** Queues a proof. Safe to repeat with the same request id and content. */
  submit(request: SubmitRequest, options: CallOptions = {}): Promise<SubmitProofResponse> {
    return this.#caller.unary(ProverService.method.submitProof, request, options);
  }

  /** Queues several; one outcome for each, in order. Refused items are not repeated. */
  async submitAll(
    requests: readonly SubmitRequest[],
    options: CallOptions = {},
  ): Promise<readonly SubmitOutcome[]> {
    const method = ProverService.method.batchSubmitProofs;
    const message = { requests: [...requests] } as MessageInitShape<typeof method.input>;
    return (await this.#caller.unary(method, message, options)).outcomes;
  }

  /**
   * Queues a proof and waits for it, over lost connections and restarts of the server. A server that
   * comes back without the job gets it again, under the same request id.
   *
   * @param options.onEvent  hears of every event, snapshots included.
   * @param options.signal  aborting cancels the job, too, for which it may take some seconds.
   * @param options.timeoutMs  ends the waiting only: the job goes on, and calling again finds it.
   * @throws ProverClientError with `job` if the job ends without a proof.
   */
  async prove(request: SubmitRequest, options: WaitOptions = {}): Promise<ProvedJob> {
    const scope = this.#caller.scope(options);
    let name: JobName | undefined;
    try {
      for (let submissions = 1; ; submissions++) {
        const { job } = await this.#submitToEnd(request, scope, options.signal);
        name = { jobId: present(job, "job").jobId };
        scope.throwIfOver();
        try {
          return await this.wait(name, { ...options, signal: scope.signal });
        } catch (error) {
          const isForgotten = error instanceof ProverClientError && error.reason === "JOB_UNKNOWN";
          if (!isForgotten || submissions === SUBMISSIONS_MAX) throw error;
        }
      }
    } catch (error) {
      if (name !== undefined && options.signal?.aborted) {
        await this.cancel(name, { timeoutMs: ABANDON_MS }).catch(() => {});
      }
      throw error;
    } finally {
      scope.end();
    }
  }

  /**
   * Waits for a job's proof, over lost connections.
   *
   * @param options.timeoutMs  ends the waiting only.
   * @throws ProverClientError with `job` if the job ends without a proof.
   */
  async wait(name: JobName, options: WaitOptions = {}): Promise<ProvedJob> {
    const { onEvent } = options;
    // Who does not ask for events gets one answer.
    if (onEvent === undefined)
      return proved(await this.get(name, { ...options, waitMs: Infinity }));
    let job: Job | undefined;
    for await (const event of this.watch(name, options)) {
      onEvent(event);
      job = event.job;
    }
    return proved(present(job, "job"));
  }

  /**
   * A job's events up to its final state, over lost connections: none twice, and none left out that
   * the service still has (the last 64; whoever is further behind gets a snapshot). Leaving the loop
   * ends the stream and leaves the job.
   *
   * @param options.afterSequence  the last one that the caller has seen. Such a number belongs to a
   *   job: name it by `jobId`.
   */
  async *watch(
    name: JobName,
    { afterSequence = 0n, ...options }: CallOptions & { readonly afterSequence?: bigint } = {},
  ): AsyncGenerator<JobEvent> {
    const scope = this.#caller.scope(options);
    const patience = this.#caller.patience(scope);
    let reference = referenceOf(name);
    let seen = afterSequence;
    try {
      while (true) {
        try {
          const request = { reference, afterSequence: seen };
          const stream = this.#caller.stream(ProverService.method.watchProof, request, {
            signal: scope.signal,
            onOpen: () => patience.opened(),
          });
          for await (const { event } of stream) {
            const { job, sequence } = present(event, "event");
            const { jobId, state } = present(job, "event.job");
            patience.renew();
            // A request id may come to stand for another job; sequences belong to this one.
            reference = { case: "jobId", value: jobId };
            seen = sequence;
            yield event as JobEvent;
            if (isFinal(state)) return;
          }
          throw new ProverClientError("UNAVAILABLE", "the stream ended before the job did");
        } catch (error) {
          await patience.after(error);
        }
      }
    } finally {
      scope.end();
    }
  }

  /**
   * A job as it stands.
   *
   * @param options.waitMs  waits so long for its end, then returns it as it stands.
   */
  async get(
    name: JobName,
    { waitMs = 0, ...options }: CallOptions & { readonly waitMs?: number } = {},
  ): Promise<Job> {
    const scope = this.#caller.scope(options);
    const patience = this.#caller.patience(scope);
    const untilMs = performance.now() + waitMs;
    try {
      while (true) {
        const askedMs = performance.now();
        const leftMs = Math.max(0, Math.ceil(untilMs - askedMs));
        const pollMs = Math.min(POLL_MS, leftMs);
        const { job } = await this.#caller.unary(
          ProverService.method.getProof,
          { reference: referenceOf(name), wait: durationFromMs(pollMs) },
          { signal: scope.signal, extraMs: pollMs },
        );
        if (leftMs <= pollMs || isFinal(present(job, "job").state)) return present(job, "job");
        // A server that goes does not let anybody wait.
        if (performance.now() - askedMs < pollMs / 2) await patience.after(leaving());
        else patience.renew();
      }
    } finally {
      scope.end();
    }
  }

  /** All jobs that match, newest first, without their results. */
  async *list(filter: ListFilter = {}, options: CallOptions = {}): AsyncGenerator<Job> {
    let pageToken = "";
    do {
      const request = { ...filter, pageToken };
      const page = await this.#caller.unary(ProverService.method.listProofs, request, options);
      yield* page.jobs;
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }

  /** Stops a job that has not ended; one that has is returned as it is. */
  async cancel(name: JobName, options: CallOptions = {}): Promise<Job> {
    const request = { reference: referenceOf(name) };
    const { job } = await this.#caller.unary(ProverService.method.cancelProof, request, options);
    return present(job, "job");
  }

  verify(request: VerifyRequest, options: CallOptions = {}): Promise<VerifyProofResponse> {
    return this.#caller.unary(ProverService.method.verifyProof, request, options);
  }

  async listCircuits(options: CallOptions = {}): Promise<readonly Circuit[]> {
    return (await this.#caller.unary(ProverService.method.listCircuits, {}, options)).circuits;
  }

  /** With its verification key. */
  async getCircuit(circuitId: string, options: CallOptions = {}): Promise<Circuit> {
    const method = ProverService.method.getCircuit;
    const { circuit } = await this.#caller.unary(method, { circuitId }, options);
    return present(circuit, "circuit");
  }

  getServerInfo(options: CallOptions = {}): Promise<GetServerInfoResponse> {
    return this.#caller.unary(ProverService.method.getServerInfo, {}, options);
  }

  /**
   * Ends open calls with CANCELLED and closes the connection; jobs go on. Nothing of the client keeps
   * the process alive then, and later calls fail with CANCELLED. Idempotent.
   */
  close(): void {
    this.#caller.close();
  }

  /**
   * Submits for somebody who may give up meanwhile. An abandoned call may have made a job that nobody
   * knows the name of, so that its answer is waited for, within reason.
   */
  async #submitToEnd(
    request: SubmitRequest,
    scope: CallScope,
    abandoned: AbortSignal | undefined,
  ): Promise<SubmitProofResponse> {
    scope.throwIfOver();
    const leave = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const onOver = () => {
      const reason: unknown = scope.signal.reason;
      if (abandoned?.aborted) timer = setTimeout(() => leave.abort(reason), ABANDON_MS);
      else leave.abort(reason);
    };
    scope.signal.addEventListener("abort", onOver);
    try {
      return await this.submit(request, { signal: leave.signal });
    } catch (error) {
      scope.throwIfOver();
      throw error;
    } finally {
      scope.signal.removeEventListener("abort", onOver);
      clearTimeout(timer);
    }
  }
}

/** A batch of the twin as the input of a request. */
export function transferBatchInput(batch: TwinBatch): NonNullable<SubmitRequest["input"]> {
  return { case: "transferBatch", value: encodeBatch(batch) };
}

/** a.x, a.y, b.x imaginary, b.x real, b.y imaginary, b.y real, c.x, c.y, as they came. */
export function proofElements({ a, b, c }: Groth16Proof): bigint[] {
  return [...a, ...b, ...c].map(fromBytesBE);
}

export function isFinal(state: JobState): boolean {
  return FINAL_STATES.includes(state);
}

function proved(job: Job): ProvedJob {
  if (job.state === JobState.SUCCEEDED && job.result !== undefined) return job as ProvedJob;
  const name = Object.entries(JobState).find(([, value]) => value === job.state)?.[0] ?? "UNKNOWN";
  throw ProverClientError.fromJob(job, name);
}

/** As every request names a job. */
export function referenceOf(name: JobName) {
  return "jobId" in name
    ? { case: "jobId" as const, value: name.jobId }
    : { case: "requestId" as const, value: name.requestId };
}

const leaving = () =>
  new ProverClientError("UNAVAILABLE", "the server ended the wait before the job did");

function present<T>(value: T | undefined, field: string): T {
  if (value !== undefined) return value;
  throw new ProverClientError("INTERNAL", `the answer has no ${field}; is it a prover service?`);
}
