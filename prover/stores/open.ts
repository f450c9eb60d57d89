/** Job stores by the setting that names them. */
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { ProverError } from "../errors.ts";
import type { JobStore } from "../job-store.ts";
import { MemoryStore } from "./memory.ts";
import { SqliteStore } from "./sqlite.ts";
import type { StoreLimits } from "./transition.ts";

/** Where jobs are kept: in this process's memory, or in a file. */
export type StoreName = "memory" | `sqlite:${string}`;

/** @throws Error whose message ends the sentence "expected ...". */
export function parseStoreName(text: string): StoreName {
  if (text === "memory" || /^sqlite:./.test(text)) return text as StoreName;
  throw new Error("memory, or sqlite: and the path of a file");
}

/** @throws ProverError STORE_UNAVAILABLE if the file cannot be used; the message says why. */
export async function openStore(name: StoreName, limits: StoreLimits): Promise<JobStore> {
  if (name === "memory") return new MemoryStore(limits);
  const path = name.slice("sqlite:".length);
  await mkdir(dirname(path), { recursive: true });
  try {
    return await SqliteStore.open(path, limits);
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new ProverError(
      "STORE_UNAVAILABLE",
      `${path}: cannot be used as job store (${reason}). Is another server using it?`,
      { cause },
    );
  }
}
