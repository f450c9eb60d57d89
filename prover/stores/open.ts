/** Job stores by the setting that names them. */
import { dirname, resolve } from "node:path";
import { ProverError } from "../errors.ts";
import { makeFolder } from "../folder.ts";
import type { JobStore } from "../job-store.ts";
import { readSealingKeys } from "./input-sealer.ts";
import { MemoryStore } from "./memory.ts";
import { checkAddress } from "./postgres/address.ts";
import { openPostgres, type PostgresOptions } from "./postgres/open.ts";
import { SqliteStore } from "./sqlite.ts";

/** Where jobs are kept: in this process's memory, in a file, or in a database that several share. */
export type StoreName = "memory" | `sqlite:${string}` | `postgres${string}`;

/** @throws Error whose message ends the sentence "expected ...". */
export function parseStoreName(text: string): StoreName {
  if (text === "memory" || /^sqlite:./.test(text)) return text as StoreName;
  if (!text.startsWith("postgres")) {
    throw new Error("memory, sqlite: and the path of a file, or a postgres:// URL");
  }
  checkAddress(text);
  return text as StoreName;
}

/** Several processes may use it at once. */
export function isShared(name: StoreName): boolean {
  return name.startsWith("postgres");
}

/** @throws ProverError STORE_UNAVAILABLE if the file cannot be used, STORE_KEY_REFUSED; the message says why and what to do. */
export async function openStore(name: StoreName, options: PostgresOptions): Promise<JobStore> {
  if (name === "memory") return new MemoryStore(options);
  if (isShared(name)) return openPostgres(name, options);
  const keys = await readSealingKeys(options.storeKeyFile ?? "");
  // To SQLite some paths mean no file: ":memory:", or what begins with "file:".
  const path = resolve(name.slice("sqlite:".length));
  try {
    await makeFolder(dirname(path));
    return await SqliteStore.open(path, options, { keys });
  } catch (cause) {
    if (cause instanceof ProverError) throw cause;
    throw new ProverError("STORE_UNAVAILABLE", `PROVER_STORE=${name}: ${whyUnusable(cause)}`, {
      cause,
    });
  }
}

function whyUnusable(cause: unknown): string {
  const { code, message } = cause as Error & { readonly code?: string };
  if (code === "ERR_UNKNOWN_BUILTIN_MODULE") {
    return `Node ${process.versions.node} has no SQLite. Use Node 22.13 or newer, or PROVER_STORE=memory, which loses its jobs with the process`;
  }
  if (/locked/.test(message)) {
    return "another server uses the file. Give each server a file of its own";
  }
  if (/unable to open/.test(message)) {
    return "the file cannot be opened or made. Name a file, in a folder that this user may write";
  }
  return `the file cannot be used as job store (${message})`;
}
