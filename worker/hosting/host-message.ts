/** What crosses between the thread that hosts an engine (`host-entry.ts`) and who started it. */
import type { MessagePort } from "node:worker_threads";
import type { DeviceFacts, Opener } from "./hosted.ts";
import type { Failure } from "./message.ts";

/** What the thread is started with. */
export interface HostEntryData {
  readonly opener: Opener;
  readonly keysMax: number;
  readonly niceness: number;
  /** Numbers of `HostUse`, in the order of `USE_FIELDS`, written by the thread. */
  readonly use: SharedArrayBuffer;
}

export const USE_FIELDS = [
  "allocatedBytes",
  "batches",
  "jobs",
  "keys",
  "openRuns",
  "beats",
] as const;

/** How often the thread says that it is not within a call that does not return, in milliseconds. */
export const BEAT_MS = 250;

export type HostOrder =
  | { readonly kind: "serve"; readonly port: MessagePort }
  | { readonly kind: "close" };

export type HostNews =
  | { readonly kind: "ready"; readonly name: string; readonly device: DeviceFacts | undefined }
  /** It could not be opened, or is of no use any more. */
  | { readonly kind: "failed"; readonly failure: Failure };
