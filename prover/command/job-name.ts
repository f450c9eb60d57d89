// How the command line names a job.
import type { JobName } from "../client.ts";
import { type Flags, positionalArguments } from "./command.ts";

export const JOB_OPTIONS = { "by-request-id": { type: "boolean" } } as const;

export const JOB_USAGE =
  "  --by-request-id    JOB is the caller's request id, not the service's job id";

/** @throws UsageError unless there is exactly one argument. */
export function jobName(positionals: readonly string[], flags: Flags): JobName {
  const [id] = positionalArguments(positionals, ["JOB"]);
  return flags["by-request-id"] === true ? { requestId: id } : { jobId: id };
}
