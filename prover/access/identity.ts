import { ProverError } from "../errors.ts";
import type { Job } from "../job.ts";

/**
 * What a caller may do. `submit`: queue jobs and cancel its own. `read`: see its own jobs and their
 * proofs. `read-all`: see everybody's, and the pages of the admin port. `admin`: AdminService, those
 * pages, and seeing and cancelling everybody's jobs. None contains another.
 */
export const RIGHTS = ["submit", "read", "read-all", "admin"] as const;
export type Right = (typeof RIGHTS)[number];

/** How much one caller may have. Undefined: as much as the service takes. */
export interface CallerLimits {
  /** Jobs in the waiting line. */
  readonly waitingJobs?: number;
  /** Submissions in the long run, repetitions included. */
  readonly submissionsPerSecond?: number;
  /** Submissions at once, after a pause. */
  readonly submissionsBurst?: number;
  /** Calls that have begun and not ended, streams among them. */
  readonly openCalls?: number;
}

/** Who calls. */
export interface Identity {
  /** Owner of the jobs that it submits. Empty: callers are not told apart. */
  readonly name: string;
  readonly rights: ReadonlySet<Right>;
  readonly limits: CallerLimits;
}

/** Every caller of a service that does not tell callers apart. */
export const ANYBODY: Identity = { name: "", rights: new Set(RIGHTS), limits: {} };

/**
 * @param rights  of which one is needed. Empty: any caller that is known will do.
 * @throws ProverError PERMISSION_DENIED
 */
export function requireRight({ name, rights: held }: Identity, rights: readonly Right[]): void {
  if (rights.length === 0 || rights.some((right) => held.has(right))) return;
  throw new ProverError(
    "PERMISSION_DENIED",
    `got caller ${name} with the rights ${[...held].join(", ")}, expected ${rights.join(" or ")}. Whoever runs the service can grant it`,
  );
}

/** Whose jobs this caller may see. Undefined: everybody's. */
export function ownerSeen({ name, rights }: Identity): string | undefined {
  return rights.has("read-all") || rights.has("admin") ? undefined : name;
}

/** Whether a job is for this caller to see. */
export function maySee(identity: Identity, { owner }: Pick<Job, "owner">): boolean {
  const seen = ownerSeen(identity);
  return seen === undefined || seen === owner;
}
