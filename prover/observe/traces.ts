import type { CallReport } from "../grpc.ts";
import type { Job } from "../job.ts";
import type { EndedAttempt, Observer } from "./observer.ts";
import type { Span } from "./span-exporter.ts";
import { newSpanId, parseTraceparent, TRACEPARENT } from "./trace-context.ts";

/**
 * Makes spans of what happens. A call's span belongs to the caller's trace, and there is none
 * without one. A job's spans (waiting, each attempt with its stages) belong to the trace that its label
 * `traceparent` names, and without it to one whose id is the job's id without dashes.
 */
export class Traces implements Partial<Observer> {
  readonly #add: (span: Span) => void;
  readonly #now: () => number;
  /**
   * When attempts began by this process's clock; the store's may be another. By the job as it was claimed:
   * its next attempt may begin before the last is reported.
   */
  readonly #begun = new WeakMap<Job, number>();

  constructor(dependencies: { readonly add: (span: Span) => void; readonly now?: () => number }) {
    this.#add = dependencies.add;
    this.#now = dependencies.now ?? Date.now;
  }

  callEnded({ method, elapsedMs, error, isAbandoned, traceparent }: CallReport): void {
    const parent = parseTraceparent(traceparent);
    if (parent === undefined || !parent.isSampled) return;
    const endMs = this.#now();
    this.#add({
      traceId: parent.traceId,
      spanId: newSpanId(),
      parentSpanId: parent.spanId,
      name: method,
      kind: "server",
      startMs: endMs - elapsedMs,
      endMs,
      attributes: { "rpc.system": "grpc" },
      failure: isAbandoned ? "CANCELLED" : error?.code,
    });
  }

  attemptStarted(job: Job): void {
    const nowMs = this.#now();
    this.#begun.set(job, nowMs);
    const place = placeOf(job);
    if (place === undefined || job.attempts > 1) return;
    this.#add({
      ...place,
      spanId: newSpanId(),
      name: "wait in line",
      kind: "internal",
      startMs: Math.min(job.createdMs, nowMs),
      endMs: nowMs,
      attributes: attributesOf(job),
      failure: undefined,
    });
  }

  attemptEnded({ job, outcome, reason, proved }: EndedAttempt): void {
    const endMs = this.#now();
    const startMs = this.#begun.get(job) ?? endMs;
    const place = placeOf(job);
    if (place === undefined) return;
    const spanId = newSpanId();
    this.#add({
      ...place,
      spanId,
      name: "attempt",
      kind: "consumer",
      startMs,
      endMs,
      attributes: {
        ...attributesOf(job),
        "proofmill.attempt": job.attempts,
        "proofmill.outcome": outcome,
        ...(proved && { "proofmill.engine": proved.engine }),
      },
      failure: reason,
    });
    if (proved === undefined) return;
    const { loading, witness, proving, verifying } = proved.stageMs;
    let atMs = startMs;
    for (const [name, ms] of Object.entries({
      load: loading,
      witness,
      prove: proving,
      verify: verifying,
    })) {
      if (ms <= 0) continue;
      const stage = { name, kind: "internal", attributes: {}, failure: undefined } as const;
      this.#add({
        ...stage,
        traceId: place.traceId,
        spanId: newSpanId(),
        parentSpanId: spanId,
        startMs: atMs,
        endMs: atMs + ms,
      });
      atMs += ms;
    }
  }
}

/** Undefined: whoever began the trace does not keep it. */
function placeOf({ jobId, labels }: Job): Pick<Span, "traceId" | "parentSpanId"> | undefined {
  const parent = parseTraceparent(labels[TRACEPARENT]);
  if (parent === undefined) return { traceId: jobId.replaceAll("-", ""), parentSpanId: undefined };
  return parent.isSampled ? { traceId: parent.traceId, parentSpanId: parent.spanId } : undefined;
}

const attributesOf = ({ jobId, circuitId, priority }: Job) => ({
  "proofmill.job_id": jobId,
  "proofmill.circuit_id": circuitId,
  "proofmill.priority": priority,
});
