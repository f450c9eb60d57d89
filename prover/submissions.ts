import type { SubmitProofRequest } from "../gen/prover/v1/prover_pb.ts";
import type { Quotas } from "./access/quotas.ts";
import { type CircuitRegistry, circuitKey, requireOpen } from "./circuits.ts";
import { ProverError } from "./errors.ts";
import type { CallContext } from "./grpc.ts";
import type { IntakePool } from "./intake-pool.ts";
import type { Job } from "./job.ts";
import { type JobStore, sameContent } from "./job-store.ts";
import { formatTraceparent, parseTraceparent, TRACEPARENT } from "./observe/trace-context.ts";
import { decodeSubmit, LABELS_MAX, type Submission } from "./submit-request.ts";

export interface Accepted {
  readonly job: Job;
  readonly created: boolean;
}

type Caller = Pick<CallContext, "identity" | "traceparent" | "signal">;

/** The way of a request into the job store: form, repetition, room, content, acceptance. */
export class Submissions {
  readonly #store: JobStore;
  readonly #circuits: CircuitRegistry;
  readonly #intake: IntakePool;
  readonly #quotas: Quotas;
  readonly #queueMax: number;
  readonly #isTraced: boolean;
  #isClosed = false;

  constructor(
    options: { readonly queueMax: number; readonly tracesUrl: string },
    dependencies: {
      readonly store: JobStore;
      readonly circuits: CircuitRegistry;
      readonly intake: IntakePool;
      readonly quotas: Quotas;
    },
  ) {
    this.#queueMax = options.queueMax;
    this.#isTraced = options.tracesUrl !== "";
    this.#store = dependencies.store;
    this.#circuits = dependencies.circuits;
    this.#intake = dependencies.intake;
    this.#quotas = dependencies.quotas;
  }

  /** From now on, no new jobs; repetitions are still answered. */
  close(): void {
    this.#isClosed = true;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Takes the bytes of the input with it, and what shares their buffer: the request is spent.
   *
   * @throws ProverError for everything that SubmitProof can refuse.
   */
  async submit(request: SubmitProofRequest, caller: Caller): Promise<Accepted> {
    this.#quotas.countSubmission(caller.identity);
    const submission = decodeSubmit(request, this.#circuits, Date.now());
    // What is dear to check is looked for before: a repetition has passed its check already.
    if (submission.check.kind !== "wtns") {
      const known = await this.#repeated(submission, caller);
      if (known !== undefined) return known;
    }
    try {
      return await this.#accept(submission, caller);
    } catch (refusal) {
      // A repetition is answered also where nothing new is taken.
      const known = await this.#repeated(submission, caller);
      if (known === undefined) throw refusal;
      return known;
    }
  }

  /** @throws ProverError REQUEST_ID_REUSED */
  async #repeated(
    { requestId, contentSha256 }: Submission,
    { identity: { name: owner } }: Caller,
  ): Promise<Accepted | undefined> {
    const known = await this.#store.get({ owner, requestId });
    return known && { job: sameContent(known, contentSha256), created: false };
  }

  async #accept(
    submission: Submission,
    { identity, traceparent, signal }: Caller,
  ): Promise<Accepted> {
    requireOpen(submission.circuit, this.#circuits);
    await this.#requireRoom();
    const owner = identity.name;
    return this.#quotas.withinWaiting(
      identity,
      () => this.#store.queuedOf(owner),
      async () => {
        const { check, contentBytes } = submission;
        const input = await this.#intake.check(check, contentBytes, signal);
        this.#requireOpen();
        const labels = this.#isTraced ? traced(submission.labels, traceparent) : submission.labels;
        return this.#store.submit({ ...described(submission), labels, owner, input });
      },
    );
  }

  async #requireRoom(): Promise<void> {
    this.#requireOpen();
    const { queuedCount } = await this.#store.stats();
    if (queuedCount < this.#queueMax) return;
    throw new ProverError(
      "QUEUE_FULL",
      `queue: got ${queuedCount} jobs waiting, expected fewer than ${this.#queueMax}. Repeat later with the same request id`,
      { retryAfterMs: 1_000 },
    );
  }

  #requireOpen(): void {
    if (this.#isClosed) throw goingDown();
  }
}

/** Labels that also say to whose trace the job's spans belong, unless the caller has said it there. */
function traced(
  labels: Submission["labels"],
  traceparent: string | undefined,
): Submission["labels"] {
  const context = parseTraceparent(traceparent);
  const hasRoom = Object.keys(labels).length < LABELS_MAX && !Object.hasOwn(labels, TRACEPARENT);
  if (context === undefined || !hasRoom) return labels;
  return { ...labels, [TRACEPARENT]: formatTraceparent(context) };
}

function described({ circuit, check: _, contentBytes: __, ...rest }: Submission) {
  return { ...rest, ...circuitKey(circuit), developmentKeys: circuit.developmentKeys };
}

/** Another server will do. */
export function goingDown(): ProverError {
  return new ProverError("DRAINING", "this server is going down: send the request to another one");
}
