import type { Job } from "../job.ts";
import type { JobFilter } from "../job-store.ts";

/**
 * Jobs that a page of a list looks at, at most: a filter that few jobs pass gives a short page and the
 * place to go on, so that no list holds up those who submit and claim. Some milliseconds.
 */
export const SCANNED_MAX = 2_000;

export function matches(job: Job, { owner, states, circuitId, labels }: JobFilter): boolean {
  return (
    (owner === undefined || job.owner === owner) &&
    (states.length === 0 || states.includes(job.state)) &&
    (circuitId === undefined || job.circuitId === circuitId) &&
    Object.entries(labels).every(
      ([name, value]) => Object.hasOwn(job.labels, name) && job.labels[name] === value,
    )
  );
}
