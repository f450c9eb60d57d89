import type { DeviceKeeper } from "../../worker/hosting/keeper.ts";
import type { ServedCircuit } from "../circuits.ts";
import type { ServedEngine } from "../engine.ts";
import { FINAL_STATES, type Job, type JobState } from "../job.ts";
import type { JobStore, StoreStats } from "../job-store.ts";
import type { WorkerView } from "../scheduler.ts";
import { VERSION } from "../version.ts";
import type { History } from "./history.ts";
import type { Overview } from "./overview.ts";

/** Rows of each table: what fits on a page that is looked at. */
const JOBS_SHOWN = 15;
const FAILURES_SHOWN = 8;
/** However many pages are open, the store lists jobs so often, */
const LIST_MS = 1_000;
/** and if that takes long, only for this share of the time: a list looks at every job it passes over. */
const LIST_SHARE = 0.05;
/** A store that is slow must not hold up the page, which says that it is. */
const LIST_PATIENCE_MS = 1_500;

/**
 * What `/status.json` says, and the page shows: docs/observability.md describes it. Times are Unix
 * milliseconds. It holds names and numbers, never inputs or proofs.
 */
export type StatusReport = Awaited<ReturnType<StatusReporter["report"]>>;

/** Makes status reports. */
export class StatusReporter {
  readonly #overview: Overview;
  readonly #history: History;
  #listed: Promise<Lists | null> | undefined;
  #listAgainMs = 0;

  constructor(dependencies: { readonly overview: Overview; readonly history: History }) {
    this.#overview = dependencies.overview;
    this.#history = dependencies.history;
  }

  async report() {
    const { store } = this.#overview.parts;
    // The only wait comes first: what follows is of one moment.
    const lists = store && (await this.#lists(store));
    const { parts, limits, health, loading, startedMs } = this.#overview;
    const { engine, circuits, storeWatch, intake, scheduler } = parts;
    const stats = storeWatch?.stats;
    return {
      timeMs: Date.now(),
      version: VERSION,
      startedMs,
      role: limits.role,
      state: health.phase,
      /** What a server that is loading is at; null when it is at nothing. */
      loading: loading ?? null,
      probes: health.answers,
      /** What computes, and which faster ways do not work here and why; null while that is not known. */
      engine: engine === undefined ? null : engineOf(engine),
      storeAwaySinceMs: storeWatch?.awaySinceMs ?? null,
      /** Of the whole store; null while it is away or not open yet. */
      queue: stats === undefined ? null : queueOf(stats, limits, this.#overview.foreignCount ?? 0),
      intake: { waiting: intake?.waitingCount ?? 0, limit: limits.intakeMax },
      /** Threads of this process. */
      workers: scheduler?.workers().map(workerOf) ?? [],
      /** Of this process, since it began. */
      counts: this.#history.counts,
      throughput: this.#history.throughput,
      latencies: this.#history.latencies,
      circuits: circuits?.all.map((circuit) => circuitOf(circuit, stats)) ?? [],
      /** Begun or ended, the newest first, of the whole store; null while it does not answer. */
      recentJobs: lists?.jobs ?? null,
      recentFailures: lists?.failures ?? null,
    };
  }

  #lists(store: JobStore): Promise<Lists | null> {
    const startedMs = performance.now();
    if (this.#listed !== undefined && startedMs < this.#listAgainMs) return this.#listed;
    this.#listAgainMs = Number.POSITIVE_INFINITY;
    const lists = listsOf(store).finally(() => {
      const tookMs = performance.now() - startedMs;
      this.#listAgainMs = startedMs + Math.max(LIST_MS, tookMs / LIST_SHARE);
    });
    this.#listed = lists;
    return lists;
  }
}

/** All but waiting ones, which may be thousands. */
const BEGUN: readonly JobState[] = ["RUNNING", ...FINAL_STATES];

interface Lists {
  readonly jobs: readonly JobRow[];
  readonly failures: readonly JobRow[];
}

type JobRow = ReturnType<typeof jobOf>;

async function listsOf(store: JobStore): Promise<Lists | null> {
  const newest = async (states: readonly JobState[], count: number) => {
    const filter = { owner: undefined, circuitId: undefined, labels: {}, states };
    return (await store.list(filter, count, undefined)).jobs.map(jobOf);
  };
  let timer: NodeJS.Timeout | undefined;
  const tooSlow = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), LIST_PATIENCE_MS);
  });
  const lists = Promise.all([newest(BEGUN, JOBS_SHOWN), newest(["FAILED"], FAILURES_SHOWN)]).then(
    ([jobs, failures]) => ({ jobs, failures }),
    // The store's watch logs it, and the report says that the store is away.
    () => null,
  );
  try {
    return await Promise.race([lists, tooSlow]);
  } finally {
    clearTimeout(timer);
  }
}

function engineOf({ name, refused, keeper, hasFallenBack }: ServedEngine) {
  return { name, refused, device: keeper === undefined ? null : deviceOf(keeper, hasFallenBack) };
}

function deviceOf({ device, state, use, failures }: DeviceKeeper, isGivenUp: boolean) {
  return {
    name: device?.name ?? "",
    kind: device?.kind ?? "",
    /** "ready", "reopening", or "away": tried again later, unless it is given up. */
    state: state.kind,
    isGivenUp,
    /** Why it is not ready; null while it is. */
    failure: state.kind === "ready" ? null : state.error.message,
    memoryBytes: device?.memoryBytes ?? 0,
    allocatedBytes: use?.allocatedBytes ?? 0,
    keys: use?.keys ?? 0,
    /** Proofs that are on it or wait for it. */
    runs: use?.openRuns ?? 0,
    batches: use?.batches ?? 0,
    /** Proofs in those batches. */
    batched: use?.jobs ?? 0,
    failures: Object.fromEntries(failures),
  };
}

function queueOf(stats: StoreStats, limits: Overview["limits"], foreign: number) {
  return {
    waiting: stats.queuedCount,
    waitingByPriority: stats.queuedByPriority,
    limit: limits.queueMax,
    bytes: stats.queuedBytes,
    limitBytes: limits.queueMaxBytes,
    running: stats.runningCount,
    /** Waiting jobs of circuits or keys that are not served here. */
    foreign,
    oldestMs: stats.oldestQueuedMs ?? null,
  };
}

function workerOf({ slot, job, stage, progressPercent, ...view }: WorkerView) {
  return {
    slot,
    /** Null: free, or helping with another one's proof. */
    job:
      job === undefined
        ? null
        : {
            jobId: job.jobId,
            requestId: job.requestId,
            circuitId: job.circuitId,
            attempt: job.attempts,
            stage: stage ?? null,
            progressPercent,
            startedMs: view.startedMs ?? null,
          },
    completedCount: view.completedCount,
    restartCount: view.restartCount,
  };
}

function circuitOf(circuit: ServedCircuit, stats: StoreStats | undefined) {
  const { id, constraintCount, artefacts, verificationKey, developmentKeys } = circuit;
  const load = stats?.circuits.find(
    ({ circuitId, zkeySha256 }) => circuitId === id && zkeySha256 === artefacts.zkey.sha256,
  );
  return {
    circuitId: id,
    constraintCount,
    zkeySha256: artefacts.zkey.sha256,
    vkeySha256: verificationKey.sha256,
    developmentKeys,
    waiting: load?.queuedCount ?? 0,
    running: load?.runningCount ?? 0,
  };
}

function jobOf(job: Job) {
  const { jobId, requestId, owner, circuitId, state, stage, priority, labels, attempts } = job;
  return {
    jobId,
    requestId,
    owner,
    circuitId,
    state,
    stage: stage ?? null,
    progressPercent: job.progressPercent,
    priority,
    labels,
    attempts,
    createdMs: job.createdMs,
    startedMs: job.startedMs ?? null,
    endedMs: job.endedMs ?? null,
    failure: job.failure ?? null,
  };
}
