import { durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { JobState as ProtoState } from "../gen/prover/v1/job_pb.ts";
import {
  type GetProofRequest,
  type ListProofsRequest,
  type ProveRequest,
  type ProverService,
  ServerState,
  type SubmitProofRequest,
  type VerifyProofRequest,
} from "../gen/prover/v1/prover_pb.ts";
import { type Identity, maySee, ownerSeen, requireRight } from "./access/identity.ts";
import { circuitMessage } from "./circuit-message.ts";
import { type CircuitRegistry, circuitKey, type ServedCircuit } from "./circuits.ts";
import type { ServedEngine } from "./engine.ts";
import { fieldError, ProverError } from "./errors.ts";
import type { CallContext, Handlers } from "./grpc.ts";
import type { IntakePool } from "./intake-pool.ts";
import { FINAL_STATES, isFinal, type Job, type JobState } from "./job.ts";
import { eventMessage, jobMessage } from "./job-message.ts";
import type { CircuitKey, JobReference, JobStore } from "./job-store.ts";
import { decodePageToken, encodePageToken } from "./page-token.ts";
import { decodeProof } from "./proof-message.ts";
import { decodeReference, type ReferenceField } from "./references.ts";
import { toRpcStatus } from "./status.ts";
import { goingDown, type Submissions } from "./submissions.ts";
import { LABELS_MAX } from "./submit-request.ts";
import { VERSION } from "./version.ts";
import { positionOf, watchJob } from "./watch.ts";

export interface ServiceOptions {
  readonly queueMax: number;
  readonly threads: number;
  readonly messageMaxBytes: number;
}

export interface ServiceDependencies {
  readonly store: JobStore;
  readonly circuits: CircuitRegistry;
  readonly submissions: Submissions;
  readonly intake: IntakePool;
  readonly engine: Pick<ServedEngine, "names" | "namesFor" | "refused">;
  /** Aborts when calls that wait are to go on with another server. */
  readonly leaving: AbortSignal;
}

const BATCH_ITEMS_MAX = 64;
const PAGE_DEFAULT = 50;
/** Of a filter: no circuit has a longer name. */
const CIRCUIT_ID_MAX = 128;
const PAGE_MAX = 500;
/** Longer polls are cut by proxies. */
const WAIT_MAX_MS = 300_000;
/**
 * A long poll answers before the call's deadline, for the answer to arrive in time: by this share of
 * the time that is left, and at least by so much. Whoever gives more time is farther away, or busier.
 */
const DEADLINE_MARGIN = 0.05;
const DEADLINE_MARGIN_MS = 100;

/** Handlers of prover.v1.ProverService: decode, do, encode. */
export function proverService(
  options: ServiceOptions,
  dependencies: ServiceDependencies,
): Handlers<typeof ProverService> {
  const { store, circuits, submissions, intake, engine, leaving } = dependencies;
  const startedMs = Date.now();

  const encodeJob = async (job: Job) => jobMessage(job, await positionOf(store, job));

  const submit = async (request: SubmitProofRequest, context: CallContext) => {
    const { job, created } = await submissions.submit(request, context);
    return { job: await encodeJob(job), created };
  };

  async function* watch(reference: JobReference, afterSequence: number, signal: AbortSignal) {
    const until = AbortSignal.any([signal, leaving]);
    let hasEnded = false;
    for await (const { event, position } of watchJob(store, reference, afterSequence, until)) {
      hasEnded = isFinal(event.job.state);
      yield { event: eventMessage(event, position) };
    }
    if (!hasEnded && !signal.aborted) throw goingDown();
  }

  async function* prove(request: ProveRequest, context: CallContext) {
    const { signal } = context;
    if (request.submit === undefined) throw fieldError("submit", "got nothing, expected a request");
    const { job, created } = await submissions.submit(request.submit, context);
    try {
      yield* watch({ jobId: job.jobId }, 0, signal);
    } finally {
      if (request.cancelOnDisconnect && created && signal.aborted) {
        await store.cancel({ jobId: job.jobId });
      }
    }
  }

  const verify = async (request: VerifyProofRequest, { signal }: CallContext) => {
    const circuit = circuits.get(request.circuitId);
    const proof = decodeProof(request, circuit.publicSignalNames);
    const { verificationKey } = circuit;
    const isValid = await intake.verify({ kind: "verify", verificationKey, ...proof }, signal);
    return {
      valid: isValid,
      vkeySha256: Buffer.from(circuit.verificationKey.sha256, "hex"),
      developmentKeys: circuit.developmentKeys,
    };
  };

  const circuitWithKey = async (circuit: ServedCircuit) =>
    circuitMessage(
      circuit,
      engine.namesFor(circuit.artefacts.zkey.sha256),
      "with key",
      (await loadsOf(store))(circuitKey(circuit)),
    );

  const serverInfo = async () => {
    const { queuedCount, runningCount, circuits: loads } = await store.stats();
    return {
      version: VERSION,
      state: submissions.isClosed ? ServerState.DRAINING : ServerState.SERVING,
      engines: [...engine.names],
      refusedEngines: [...engine.refused],
      workerCount: options.threads,
      runningCount,
      queuedCount,
      queueLimit: options.queueMax,
      maxMessageBytes: options.messageMaxBytes,
      startTime: timestampFromMs(startedMs),
      developmentKeys: circuits.hasDevelopmentKeys,
      unservedJobs: loads
        .filter((load) => !circuits.has(load))
        .map(({ zkeySha256, ...load }) => ({
          ...load,
          zkeySha256: Buffer.from(zkeySha256, "hex"),
        })),
    };
  };

  return {
    submitProof: submit,
    batchSubmitProofs: async ({ requests }, context) => {
      if (requests.length < 1 || requests.length > BATCH_ITEMS_MAX) {
        throw fieldError("requests", `got ${requests.length}, expected 1 to ${BATCH_ITEMS_MAX}`);
      }
      const outcomes = [];
      for (const request of requests) {
        // One at a time: together they would fill the intake's line and refuse each other.
        outcomes.push(await outcomeOf(submit(apart(request), context)));
        if (context.signal.aborted) break;
      }
      return { outcomes };
    },
    prove,
    getProof: async (request, context) => ({
      job: await encodeJob(await awaitJob(dependencies, request, context)),
    }),
    watchProof: async function* ({ reference, afterSequence }, { signal, identity }) {
      const job = await visibleJob(store, reference, identity);
      yield* watch({ jobId: job.jobId }, knownSequence(job, reference, afterSequence), signal);
    },
    listProofs: async (request, { identity }) => {
      const { states, circuitId, limit, cursor } = decodeList(request);
      const filter = { owner: ownerSeen(identity), states, circuitId, labels: request.labels };
      const { jobs, nextCursor } = await store.list(filter, limit, cursor);
      return {
        jobs: await Promise.all(jobs.map(encodeJob)),
        nextPageToken: encodePageToken(nextCursor),
      };
    },
    cancelProof: async ({ reference }, { identity }) => {
      const { jobId, owner } = await visibleJob(store, reference, identity);
      if (owner !== identity.name) requireRight(identity, ["admin"]);
      return { job: await encodeJob(await store.cancel({ jobId })) };
    },
    verifyProof: verify,
    listCircuits: async () => {
      const loads = await loadsOf(store);
      return {
        circuits: circuits.all.map((circuit) =>
          circuitMessage(
            circuit,
            engine.namesFor(circuit.artefacts.zkey.sha256),
            "without key",
            loads(circuitKey(circuit)),
          ),
        ),
      };
    },
    getCircuit: async ({ circuitId }) => ({
      circuit: await circuitWithKey(circuits.get(circuitId)),
    }),
    getServerInfo: serverInfo,
  };
}

/** The jobs of each circuit, which may be none. */
async function loadsOf(store: JobStore) {
  const { circuits } = await store.stats();
  return ({ circuitId, zkeySha256 }: CircuitKey) =>
    circuits.find((load) => load.circuitId === circuitId && load.zkeySha256 === zkeySha256) ?? {
      queuedCount: 0,
      runningCount: 0,
    };
}

/** Its input in a buffer of its own: a submission takes the buffer with it, and others of the message are there. */
function apart(request: SubmitProofRequest): SubmitProofRequest {
  const { input } = request;
  if (input.case === "wtns" || input.case === "inputJson") {
    input.value = new Uint8Array(input.value);
  }
  return request;
}

/** One item of a batch: its fault is an answer, not an error of the call. */
async function outcomeOf<T>(accepted: Promise<T>) {
  try {
    return { outcome: { case: "accepted" as const, value: await accepted } };
  } catch (caught) {
    return { outcome: { case: "refused" as const, value: toRpcStatus(ProverError.from(caught)) } };
  }
}

/** The job, at once, or when it has ended, or when the wait is over. */
async function awaitJob(
  { store, leaving }: Pick<ServiceDependencies, "store" | "leaving">,
  { reference, wait }: GetProofRequest,
  { signal, deadlineMs, identity, tellTaken }: CallContext,
): Promise<Job> {
  const waitMs = wait === undefined ? 0 : durationMs(wait);
  if (!(waitMs >= 0 && waitMs <= WAIT_MAX_MS)) {
    throw fieldError("wait", `got ${waitMs} ms, expected 0 to ${WAIT_MAX_MS} ms`);
  }
  const job = await visibleJob(store, reference, identity);
  const leftMs = deadlineMs - Date.now();
  const marginMs = Math.max(DEADLINE_MARGIN_MS, leftMs * DEADLINE_MARGIN);
  // Without a deadline both are infinite, and their difference is no number.
  const patienceMs =
    leftMs === Number.POSITIVE_INFINITY ? waitMs : Math.min(waitMs, leftMs - marginMs);
  if (isFinal(job.state) || patienceMs <= 0) return job;
  tellTaken();

  const patience = AbortSignal.any([signal, leaving, AbortSignal.timeout(Math.ceil(patienceMs))]);
  let latest = job;
  for await (const event of store.events({ jobId: job.jobId }, job.sequence, patience)) {
    latest = event.job;
  }
  return latest;
}

/**
 * The job, if it is for this caller to see. Another's is as unknown as one that never was: nobody can
 * find out what others have.
 *
 * @throws ProverError REQUEST_MALFORMED, JOB_UNKNOWN
 */
async function visibleJob(
  store: JobStore,
  reference: ReferenceField,
  identity: Identity,
): Promise<Job> {
  const job = await store.get(decodeReference(reference, identity.name));
  if (job !== undefined && maySee(identity, job)) return job;
  throw new ProverError(
    "JOB_UNKNOWN",
    "no such job: it was never accepted here or is forgotten. Submit it again with its request id",
  );
}

/**
 * Where a watch goes on. Under a request id a sequence from another job would make the stream skip
 * events in silence. A job's own may be past its end: a copy of the store, or a machine whose power
 * failed, has forgotten the latest progress. Then the watch begins anew.
 */
function knownSequence(
  { sequence }: Job,
  reference: ReferenceField,
  afterSequence: bigint,
): number {
  if (afterSequence <= BigInt(sequence)) return Number(afterSequence);
  if (reference.case === "jobId") return 0;
  throw fieldError(
    "after_sequence",
    `got ${afterSequence}, but the job is at ${sequence}: it is another job's. Begin with 0`,
  );
}

const STATE_NAMES: Readonly<Record<number, JobState>> = {
  [ProtoState.QUEUED]: "QUEUED",
  [ProtoState.RUNNING]: "RUNNING",
  [ProtoState.SUCCEEDED]: "SUCCEEDED",
  [ProtoState.FAILED]: "FAILED",
  [ProtoState.CANCELLED]: "CANCELLED",
  [ProtoState.EXPIRED]: "EXPIRED",
};

/** @throws ProverError REQUEST_MALFORMED */
export function decodeStates(states: readonly number[]): JobState[] {
  const mostCount = Object.keys(STATE_NAMES).length;
  // Each job is compared with each of them.
  if (states.length > mostCount) {
    throw fieldError("states", `got ${states.length}, expected at most ${mostCount}`);
  }
  return states.map((state, i) => {
    const name = STATE_NAMES[state];
    if (name === undefined) throw fieldError(`states[${i}]`, `got ${state}, expected a job state`);
    return name;
  });
}

/** @throws ProverError REQUEST_MALFORMED */
export function decodeFinalStates(states: readonly number[]): (typeof FINAL_STATES)[number][] {
  return decodeStates(states).map((name, i) => {
    const final = FINAL_STATES.find((candidate) => candidate === name);
    if (final === undefined)
      throw fieldError(`states[${i}]`, `got ${name}, expected a final state`);
    return final;
  });
}

function decodeList(request: ListProofsRequest) {
  if (request.pageSize > PAGE_MAX) {
    throw fieldError("page_size", `got ${request.pageSize}, expected at most ${PAGE_MAX}`);
  }
  if (request.circuitId.length > CIRCUIT_ID_MAX) {
    const got = `got ${request.circuitId.length} characters`;
    throw fieldError("circuit_id", `${got}, expected at most ${CIRCUIT_ID_MAX}`);
  }
  const labelCount = Object.keys(request.labels).length;
  if (labelCount > LABELS_MAX) {
    throw fieldError(
      "labels",
      `got ${labelCount}, expected at most ${LABELS_MAX}: no job has more`,
    );
  }
  return {
    states: decodeStates(request.states),
    circuitId: request.circuitId === "" ? undefined : request.circuitId,
    limit: request.pageSize === 0 ? PAGE_DEFAULT : request.pageSize,
    cursor: decodePageToken(request.pageToken),
  };
}
