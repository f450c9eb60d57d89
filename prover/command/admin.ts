import { enumToJson, toJson } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { type Worker, WorkerSchema } from "../../gen/prover/v1/admin_pb.ts";
import { JobStageSchema } from "../../gen/prover/v1/job_pb.ts";
import { AdminClient } from "../admin-client.ts";
import { adminAccess } from "./admin-access.ts";
import {
  type Command,
  EXIT,
  type Flags,
  integerFlag,
  positionalArguments,
  type Terminal,
  UsageError,
} from "./command.ts";
import { JOB_OPTIONS, JOB_USAGE, jobName } from "./job-name.ts";
import { printJob } from "./job-report.ts";
import { statesOf } from "./list.ts";
import { ACCESS_USAGE, SERVICE_OPTIONS } from "./service-access.ts";
import { age, table } from "./table.ts";

type Action = (
  client: AdminClient,
  words: readonly string[],
  flags: Flags,
  terminal: Terminal,
) => Promise<number>;

const ACTIONS: Record<string, Action> = { workers, retry, purge, drain };

export const admin: Command = {
  name: "admin",
  summary: "for those who run a service: its workers, dead letters, old jobs, draining",
  usage: `workers [flags]
       proofmill admin retry JOB [--by-request-id] [flags]
       proofmill admin purge (--older-than SECONDS | --state STATE | --all) [flags]
       proofmill admin drain [flags]

workers: the threads that prove. retry: queues a dead letter again. purge: forgets jobs that have
ended, dead letters and their inputs included. drain: the server takes no new jobs and finishes the
accepted ones; only a new process takes some again.
${JOB_USAGE}
  --older-than SECONDS  only jobs that ended so long ago
  --state STATE      only jobs that ended so: succeeded, failed, cancelled, expired; repeatable
  --all              all jobs that have ended
  --server ADDRESS   host:port of AdminService (PROVER_ADMIN_LISTEN of the environment)
${ACCESS_USAGE}`,
  options: {
    "older-than": { type: "string" },
    state: { type: "string", multiple: true },
    all: { type: "boolean" },
    ...JOB_OPTIONS,
    ...SERVICE_OPTIONS,
  },
  async run(positionals, flags, terminal) {
    const [name = "", ...words] = positionals;
    const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
    if (action === undefined) {
      const expected = Object.keys(ACTIONS).join(", ");
      throw new UsageError(`got "${name}", expected one of ${expected}`);
    }
    const client = new AdminClient(await adminAccess(flags, terminal.env));
    try {
      return await action(client, words, flags, terminal);
    } finally {
      client.close();
    }
  },
};

async function workers(
  client: AdminClient,
  words: readonly string[],
  flags: Flags,
  { stdout, signal }: Terminal,
): Promise<number> {
  positionalArguments(words, []);
  const all = await client.listWorkers({ signal });
  if (flags.json === true) {
    const json = { workers: all.map((worker) => toJson(WorkerSchema, worker)) };
    stdout.write(`${JSON.stringify(json)}\n`);
  } else {
    const head = ["slot", "stage", "for", "attempts", "restarts", "job"];
    stdout.write(table([head, ...all.map((worker) => describe(worker, Date.now()))]));
  }
  return EXIT.ok;
}

function describe(worker: Worker, nowMs: number): string[] {
  const stage = String(enumToJson(JobStageSchema, worker.stage)).replace("JOB_STAGE_", "");
  const isIdle = worker.jobId === "";
  const since = worker.startTime === undefined ? "" : age(timestampMs(worker.startTime), nowMs);
  return [
    String(worker.slot),
    isIdle ? "idle" : stage === "UNSPECIFIED" ? "starting" : stage.toLowerCase(),
    isIdle ? "" : since,
    String(worker.completedCount),
    String(worker.restartCount),
    worker.jobId,
  ];
}

async function retry(
  client: AdminClient,
  words: readonly string[],
  flags: Flags,
  terminal: Terminal,
): Promise<number> {
  const job = await client.retry(jobName(words, flags), { signal: terminal.signal });
  if (job === undefined) throw new Error("the answer has no job; is it a prover service?");
  return printJob(job, terminal, flags.json === true);
}

async function purge(
  client: AdminClient,
  words: readonly string[],
  flags: Flags,
  { stdout, signal }: Terminal,
): Promise<number> {
  positionalArguments(words, []);
  const states = statesOf(flags);
  const isBounded = flags["older-than"] !== undefined || states.length > 0;
  // All results at once are not to be lost by a line that was sent too early.
  if (isBounded === (flags.all === true)) {
    throw new UsageError("expected --older-than, --state, or else --all");
  }
  const seconds = integerFlag(flags, "older-than", { min: 0, max: 1_000_000_000, preset: 0 });
  const endBefore = timestampFromMs(Date.now() - seconds * 1000);
  const isByAge = flags["older-than"] !== undefined;
  const purgedCount = await client.purge({ states, ...(isByAge && { endBefore }) }, { signal });
  stdout.write(flags.json ? `${JSON.stringify({ purgedCount })}\n` : `${purgedCount} forgotten\n`);
  return EXIT.ok;
}

async function drain(
  client: AdminClient,
  words: readonly string[],
  flags: Flags,
  { stdout, signal }: Terminal,
): Promise<number> {
  positionalArguments(words, []);
  const { queuedCount, runningCount } = await client.drain({ signal });
  stdout.write(
    flags.json
      ? `${JSON.stringify({ queuedCount, runningCount })}\n`
      : `draining: ${queuedCount} waiting, ${runningCount} running\n`,
  );
  return EXIT.ok;
}
