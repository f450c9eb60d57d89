import { fieldError } from "./errors.ts";
import type { JobReference } from "./job-store.ts";

/** Longer than any name of a job: stores need not look for it. */
const NAME_MAX = 128;

/** The oneof `reference` of every request that names a job. */
export type ReferenceField =
  | { readonly case: "jobId" | "requestId"; readonly value: string }
  | { readonly case: undefined; readonly value?: undefined };

/**
 * @param owner  whose request id it is.
 * @throws ProverError REQUEST_MALFORMED
 */
export function decodeReference(reference: ReferenceField, owner: string): JobReference {
  if (reference.case === undefined || reference.value === "") {
    throw fieldError("reference", "got none, expected one of job_id and request_id");
  }
  const { length } = reference.value;
  if (length > NAME_MAX) {
    const field = reference.case === "jobId" ? "job_id" : "request_id";
    throw fieldError(field, `got ${length} characters, expected at most ${NAME_MAX}`);
  }
  return reference.case === "jobId"
    ? { jobId: reference.value }
    : { owner, requestId: reference.value };
}
