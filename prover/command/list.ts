import { enumToJson, toJson } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type Job, JobSchema, JobState, JobStateSchema } from "../../gen/prover/v1/job_pb.ts";
import { type ListFilter, ProverClient } from "../client.ts";
import { type Command, EXIT, type Flags, integerFlag, textFlag, UsageError } from "./command.ts";
import { labelsOf, words } from "./labels.ts";
import { SERVICE_OPTIONS, SERVICE_USAGE, serviceAccess } from "./service-access.ts";
import { age, table } from "./table.ts";

/** As many as fit on a screen. */
const LIMIT = 20;
/** The most that the service returns in one answer. */
const PAGE_MAX = 500;

export const list: Command = {
  name: "list",
  summary: "show the jobs of a service, newest first",
  usage: `[--state STATE]... [--circuit ID] [--label NAME=VALUE]... [--limit N] [--json]

  --state STATE      queued, running, succeeded, failed, cancelled or expired; repeatable
  --circuit ID       only jobs of this circuit
  --label NAME=VALUE only jobs with this label; repeatable
  --limit N          at most so many (${LIMIT})
${SERVICE_USAGE}`,
  options: {
    state: { type: "string", multiple: true },
    circuit: { type: "string" },
    label: { type: "string", multiple: true },
    limit: { type: "string" },
    ...SERVICE_OPTIONS,
  },
  async run(positionals, flags, { stdout, env, signal }) {
    if (positionals.length > 0)
      throw new UsageError(`"${positionals[0]}" is one argument too many`);
    const limit = integerFlag(flags, "limit", { min: 1, max: 1_000_000, preset: LIMIT });
    const filter: ListFilter = {
      states: statesOf(flags),
      circuitId: textFlag(flags, "circuit") ?? "",
      labels: labelsOf(flags),
      pageSize: Math.min(limit, PAGE_MAX),
    };
    const client = new ProverClient(serviceAccess(flags, env));
    try {
      const jobs: Job[] = [];
      for await (const job of client.list(filter, { signal })) {
        if (jobs.push(job) === limit) break;
      }
      if (flags.json === true) {
        stdout.write(`${JSON.stringify({ jobs: jobs.map((job) => toJson(JobSchema, job)) })}\n`);
      } else {
        const rows = jobs.map((job) => describe(job, Date.now()));
        stdout.write(table([["state", "age", "circuit", "request", "job"], ...rows]));
      }
      return EXIT.ok;
    } finally {
      client.close();
    }
  },
};

/** States of `--state`. @throws UsageError for a word that is none. */
export function statesOf(flags: Flags): JobState[] {
  return words(flags.state).map((word) => {
    const state = JobState[word.toUpperCase() as keyof typeof JobState];
    if (typeof state === "number" && state !== JobState.UNSPECIFIED) return state;
    const names = JobStateSchema.values.slice(1).map(({ localName }) => localName.toLowerCase());
    throw new UsageError(`--state: got "${word}", expected one of ${names.join(", ")}`);
  });
}

function describe(job: Job, nowMs: number): string[] {
  const state = String(enumToJson(JobStateSchema, job.state)).replace("JOB_STATE_", "");
  const detail = job.state === JobState.RUNNING ? ` ${job.progressPercent}%` : "";
  const reason = job.failure === undefined ? "" : ` ${job.failure.reason}`;
  const since = job.createTime === undefined ? "" : age(timestampMs(job.createTime), nowMs);
  return [state.toLowerCase() + detail + reason, since, job.circuitId, job.requestId, job.jobId];
}
