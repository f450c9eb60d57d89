import { status } from "@grpc/grpc-js";
import { Counter, Histogram, Registry } from "prom-client";
import { ERRORS } from "../errors.ts";
import type { CallReport } from "../grpc.ts";
import { FINAL_STATES, type Job, PRIORITIES } from "../job.ts";
import type { Refusal } from "../listening/front.ts";
import { addGauges } from "./gauges.ts";
import type { EndedAttempt, Observer, StoreUse } from "./observer.ts";
import type { Overview } from "./overview.ts";

/** Upper bounds, in seconds. Waiting goes up to the hours in which people notice. */
const WAIT_BUCKETS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600];
/** From a proof of a few rows to one of 2^22. */
const STAGE_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
/** Streams and long polls last as long as their callers wait. */
const CALL_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 60, 300];
const STORE_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
const DELAY_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 10];

/** Circuits that only other processes serve share one label: who names a circuit must not make series. */
const OTHER_CIRCUIT = "other";

/**
 * The service's metrics: docs/observability.md lists them. Labels are of a small number of known
 * values: circuits served here, codes, methods, stages; never jobs, requests, callers or their labels.
 */
export class Metrics implements Observer {
  readonly #overview: Overview;
  readonly #registry = new Registry();
  readonly #calls = this.#counter(
    "proofmill_calls_total",
    "Calls that have ended, by method, gRPC status and reason (empty when OK).",
    ["method", "code", "reason"],
  );
  readonly #callSeconds = this.#histogram(
    "proofmill_call_seconds",
    "Duration of calls; streams and long polls last as long as their callers wait.",
    ["method"],
    CALL_BUCKETS,
  );
  readonly #accepted = this.#counter(
    "proofmill_jobs_accepted_total",
    "New jobs that were put into the store.",
    ["circuit", "priority"],
  );
  readonly #ended = this.#counter(
    "proofmill_jobs_ended_total",
    "Jobs that have ended, by outcome and reason (empty unless failed).",
    ["circuit", "outcome", "reason"],
  );
  readonly #jobSeconds = this.#histogram(
    "proofmill_job_seconds",
    "From acceptance to the end of jobs that succeeded.",
    ["circuit"],
    WAIT_BUCKETS,
  );
  readonly #queueWait = this.#histogram(
    "proofmill_queue_wait_seconds",
    "From acceptance to the start of the first attempt.",
    ["priority"],
    WAIT_BUCKETS,
  );
  readonly #attempts = this.#counter(
    "proofmill_attempts_total",
    "Attempts that have ended, by outcome and reason (empty unless failed).",
    ["circuit", "outcome", "reason"],
  );
  readonly #retries = this.#counter(
    "proofmill_retries_total",
    "Attempts that failed and put their job back into the line.",
    ["circuit", "reason"],
  );
  readonly #stageSeconds = this.#histogram(
    "proofmill_stage_seconds",
    "Time of a proof's stages: load (key), witness, prove, verify.",
    ["stage", "engine", "circuit"],
    STAGE_BUCKETS,
  );
  readonly #rejected = this.#counter(
    "proofmill_proofs_rejected_total",
    "Proofs that the service's own verification refused. Must stay 0.",
    ["circuit"],
  );
  readonly #storeSeconds = this.#histogram(
    "proofmill_store_operation_seconds",
    "Duration of the job store's operations.",
    ["operation"],
    STORE_BUCKETS,
  );
  readonly #storeFailures = this.#counter(
    "proofmill_store_failures_total",
    "Operations of the job store that failed; refusals of a caller's wish are none.",
    ["operation", "reason"],
  );
  readonly #refused = this.#counter(
    "proofmill_connections_refused_total",
    "Connections that were refused: too many, no valid TLS, too slow, no HTTP/2.",
    ["reason"],
  );
  readonly #loopDelay = this.#histogram(
    "proofmill_event_loop_delay_seconds",
    "How late the main thread ran a timer, looked at four times a second.",
    [],
    DELAY_BUCKETS,
  );
  #knownCircuits: readonly string[] = [];

  constructor(overview: Overview) {
    this.#overview = overview;
    addGauges(this.#registry, overview);
    for (const operation of ["submit", "claim", "heartbeat", "settle"]) {
      this.#storeFailures.inc({ operation, reason: "STORE_UNAVAILABLE" }, 0);
    }
  }

  /** For the header Content-Type. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Everything in Prometheus's text format 0.0.4. */
  async text(): Promise<string> {
    this.#learnCircuits();
    return this.#registry.metrics();
  }

  callEnded({ method, elapsedMs, error, isAbandoned }: CallReport): void {
    const name = method.split(".").at(-1) ?? method;
    const reason = error?.code ?? "";
    const grpc = isAbandoned ? status.CANCELLED : error ? ERRORS[error.code].grpc : status.OK;
    this.#calls.inc({ method: name, code: status[grpc], reason });
    this.#callSeconds.observe({ method: name }, elapsedMs / 1000);
  }

  jobAccepted({ circuitId, priority }: Job): void {
    this.#accepted.inc({ circuit: this.#circuit(circuitId), priority });
  }

  jobEnded({ circuitId, state, failure, createdMs, endedMs }: Job): void {
    const circuit = this.#circuit(circuitId);
    this.#ended.inc({ circuit, outcome: state.toLowerCase(), reason: reasonOf(failure?.reason) });
    if (state !== "SUCCEEDED") return;
    this.#jobSeconds.observe({ circuit }, secondsBetween(createdMs, endedMs ?? createdMs));
  }

  attemptStarted({ attempts, priority, createdMs, startedMs }: Job): void {
    // A later attempt's wait would count the earlier one's work.
    if (attempts > 1) return;
    this.#queueWait.observe({ priority }, secondsBetween(createdMs, startedMs ?? createdMs));
  }

  attemptEnded({ job, outcome, reason, isRetried, proved }: EndedAttempt): void {
    const circuit = this.#circuit(job.circuitId);
    this.#attempts.inc({ circuit, outcome, reason: reasonOf(reason) });
    if (isRetried && reason !== undefined) this.#retries.inc({ circuit, reason: reasonOf(reason) });
    if (reason === "PROOF_REJECTED") this.#rejected.inc({ circuit });
    if (proved === undefined) return;
    const { engine, stageMs } = proved;
    const stages = {
      load: stageMs.loading,
      witness: stageMs.witness,
      prove: stageMs.proving,
      verify: stageMs.verifying,
    };
    for (const [stage, ms] of Object.entries(stages)) {
      // 0: the stage was not needed.
      if (ms > 0) this.#stageSeconds.observe({ stage, engine, circuit }, ms / 1000);
    }
  }

  storeUsed({ operation, elapsedMs, failure }: StoreUse): void {
    this.#storeSeconds.observe({ operation }, elapsedMs / 1000);
    if (failure !== undefined) this.#storeFailures.inc({ operation, reason: failure });
  }

  connectionRefused(reason: Refusal): void {
    this.#refused.inc({ reason });
  }

  loopDelayed(delayMs: number): void {
    this.#loopDelay.observe(delayMs / 1000);
  }

  /** From 0 on: an alert on the increase of a counter does not see the first step of one that was not there. */
  #learnCircuits(): void {
    const circuits = this.#overview.parts.circuits?.all.map(({ id }) => id) ?? [];
    if (circuits.length === this.#knownCircuits.length) return;
    this.#knownCircuits = circuits;
    for (const circuit of circuits) {
      this.#rejected.inc({ circuit }, 0);
      this.#retries.inc({ circuit, reason: "WORKER_LOST" }, 0);
      for (const priority of PRIORITIES) this.#accepted.inc({ circuit, priority }, 0);
      for (const state of FINAL_STATES) {
        if (state === "FAILED") continue;
        this.#ended.inc({ circuit, outcome: state.toLowerCase(), reason: "" }, 0);
      }
    }
  }

  #circuit(id: string): string {
    this.#learnCircuits();
    return this.#knownCircuits.includes(id) ? id : OTHER_CIRCUIT;
  }

  #counter<L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
  }

  #histogram<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    buckets: readonly number[],
  ): Histogram<L> {
    const registers = [this.#registry];
    return new Histogram({
      name,
      help,
      labelNames: [...labelNames],
      buckets: [...buckets],
      registers,
    });
  }
}

/** Reasons come from stores, which may have got them from another release. */
function reasonOf(reason: string | undefined): string {
  if (reason === undefined) return "";
  return Object.hasOwn(ERRORS, reason) ? reason : "BUG";
}

/** A clock that was set back makes no negative time. */
const secondsBetween = (fromMs: number, toMs: number): number => Math.max(0, toMs - fromMs) / 1000;
