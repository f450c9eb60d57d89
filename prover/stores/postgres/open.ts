import { ProverError } from "../../errors.ts";
import type { JobStore } from "../../job-store.ts";
import { readSealingKeys } from "../input-sealer.ts";
import type { StoreLimits } from "../transition.ts";
import { addressOf } from "./address.ts";

export interface PostgresOptions extends StoreLimits {
  /** Absent or empty: inputs are stored as they come. */
  readonly storeKeyFile?: string;
  /** Absent or empty: the URL's password, or pg's own ways (PGPASSWORD, PGPASSFILE). */
  readonly storePasswordFile?: string;
}

/**
 * @param url  that `checkAddress` has passed.
 * @throws ProverError STORE_UNAVAILABLE if the database cannot be used, STORE_KEY_REFUSED; the message
 *   says why, and no password.
 */
export async function openPostgres(url: string, options: PostgresOptions): Promise<JobStore> {
  const keys = await readSealingKeys(options.storeKeyFile ?? "");
  // Loaded when it is needed: nothing else needs a database's client.
  const { PostgresStore } = await import("./store.ts");
  let label = "postgres";
  try {
    const address = addressOf(url, options.storePasswordFile ?? "");
    label = `postgres ${address.label}`;
    return await PostgresStore.open(address, options, { keys });
  } catch (cause) {
    if (cause instanceof ProverError) throw cause;
    throw new ProverError("STORE_UNAVAILABLE", `PROVER_STORE: ${label}: ${whyUnusable(cause)}`, {
      cause,
    });
  }
}

function whyUnusable(cause: unknown): string {
  const { code, message } = cause as Error & { readonly code?: string };
  // Several addresses were tried, and none of the errors is in the message.
  const reason = cause instanceof AggregateError ? (cause.errors[0] as Error).message : message;
  if (code === "ECONNREFUSED" || code === "ENOENT") {
    return `no server answers (${reason}). Start it, or correct host and port`;
  }
  if (code === "28P01" || code === "28000") {
    return `the server refuses the user (${reason}). Set PROVER_STORE_PASSWORD_FILE, or PGPASSFILE`;
  }
  if (code === "42501") return `the user may not make tables (${reason}). Let it create the schema`;
  return `the database cannot be used as job store (${reason})`;
}
