import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { Logger } from "pino";
import { type AdminService, WorkerSchema } from "../gen/prover/v1/admin_pb.ts";
import { JobStage as ProtoStage } from "../gen/prover/v1/job_pb.ts";
import type { Backups } from "./backups.ts";
import { ProverError } from "./errors.ts";
import type { Handlers } from "./grpc.ts";
import { jobMessage } from "./job-message.ts";
import type { JobStore } from "./job-store.ts";
import { decodeReference } from "./references.ts";
import type { Scheduler, WorkerView } from "./scheduler.ts";
import { decodeFinalStates } from "./service.ts";

export interface AdminDependencies {
  readonly store: JobStore;
  readonly scheduler: Scheduler;
  readonly backups: Backups;
  /** Makes the server refuse new jobs and report NOT_SERVING. Idempotent. */
  readonly beginDrain: () => void;
  readonly log: Logger;
}

/**
 * Handlers of prover.v1.AdminService.
 *
 * @param ready  gives what they work with; undefined while the server is loading.
 */
export function adminService(
  ready: () => AdminDependencies | undefined,
): Handlers<typeof AdminService> {
  const parts = () => ready() ?? stillLoading();
  return {
    drain: async () => {
      const { store, beginDrain } = parts();
      beginDrain();
      const { queuedCount, runningCount } = await store.stats();
      return { queuedCount, runningCount };
    },
    listWorkers: async () => ({ workers: parts().scheduler.workers().map(workerMessage) }),
    retryProof: async ({ reference, owner }) => {
      const { store, log } = parts();
      const job = await store.retry(decodeReference(reference, owner));
      log.info({ jobId: job.jobId }, "dead letter queued again");
      return { job: jobMessage(job, await store.position(job.jobId)) };
    },
    purgeProofs: async ({ endBefore, states }) => {
      const { store, log } = parts();
      const endedBeforeMs = endBefore === undefined ? undefined : timestampMs(endBefore);
      const purgedCount = await store.purge({ states: decodeFinalStates(states), endedBeforeMs });
      log.info({ purgedCount }, "jobs purged");
      return { purgedCount };
    },
    backupStore: async () => {
      const { backups, log } = parts();
      const { path, sizeBytes } = await backups.write();
      log.info({ path, sizeBytes }, "job store copied");
      return { path, sizeBytes: BigInt(sizeBytes) };
    },
  };
}

/** @throws ProverError LOADING */
function stillLoading(): never {
  throw new ProverError(
    "LOADING",
    "this server is still loading its keys. Repeat in a few seconds",
  );
}

function workerMessage(view: WorkerView) {
  const message = create(WorkerSchema, {
    slot: view.slot,
    jobId: view.jobId ?? "",
    stage: view.stage === undefined ? ProtoStage.UNSPECIFIED : ProtoStage[view.stage],
    completedCount: BigInt(view.completedCount),
    restartCount: BigInt(view.restartCount),
  });
  if (view.startedMs !== undefined) message.startTime = timestampFromMs(view.startedMs);
  return message;
}
