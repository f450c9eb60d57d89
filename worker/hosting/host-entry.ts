/** The thread of `host-thread.ts`: opens an engine and serves it over the ports that it is sent. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { WorkError } from "../errors.ts";
import { giveWay } from "../priority.ts";
import { EngineHost } from "./host.ts";
import { type DeviceFacts, type Opener, openHosted } from "./hosted.ts";
import { type Failure, failureOf } from "./message.ts";

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

if (parentPort !== null) await main(workerData as HostEntryData);

async function main({ opener, keysMax, niceness, use }: HostEntryData): Promise<void> {
  const tell = (news: HostNews) => parentPort?.postMessage(news);
  giveWay(niceness);
  try {
    const hosted = await openHosted(opener);
    const numbers = new Float64Array(use);
    const onUse = () => {
      const now = { ...hosted.use(), keys: host.keyCount, openRuns: host.openRuns };
      USE_FIELDS.forEach((field, i) => {
        if (field !== "beats") numbers[i] = now[field];
      });
    };
    const beats = USE_FIELDS.indexOf("beats");
    setInterval(() => {
      numbers[beats] = (numbers[beats] as number) + 1;
    }, BEAT_MS).unref();
    const onFatal = (error: WorkError) => tell({ kind: "failed", failure: failureOf(error) });
    const host = new EngineHost(hosted, { keysMax, onFatal, onUse });
    onUse();
    parentPort?.on("message", (order: HostOrder) => {
      if (order.kind === "serve") host.serve(order.port);
      else void host.close().finally(() => parentPort?.close());
    });
    tell({ kind: "ready", name: hosted.engine.name, device: hosted.device });
  } catch (error) {
    tell({ kind: "failed", failure: failureOf(error) });
  }
}
