import { fieldError } from "./errors.ts";
import type { JobReference } from "./job-store.ts";

/** The oneof `reference` of every request that names a job. */
export type ReferenceField =
  | { readonly case: "jobId" | "requestId"; readonly value: string }
  | { readonly case: undefined; readonly value?: undefined };

/** @throws ProverError REQUEST_MALFORMED */
export function decodeReference(reference: ReferenceField): JobReference {
  if (reference.case === undefined || reference.value === "") {
    throw fieldError("reference", "got none, expected one of job_id and request_id");
  }
  return reference.case === "jobId" ? { jobId: reference.value } : { requestId: reference.value };
}
