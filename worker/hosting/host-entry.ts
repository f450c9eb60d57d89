/** The thread of `host-thread.ts`: opens an engine and serves it over the ports that it is sent. */
import { parentPort, workerData } from "node:worker_threads";
import type { WorkError } from "../errors.ts";
import { giveWay } from "../priority.ts";
import { EngineHost } from "./host.ts";
import {
  BEAT_MS,
  type HostEntryData,
  type HostNews,
  type HostOrder,
  USE_FIELDS,
} from "./host-message.ts";
import { openHosted } from "./hosted.ts";
import { failureOf } from "./message.ts";

await main(workerData as HostEntryData);

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
    const beat = () => {
      numbers[beats] = (numbers[beats] as number) + 1;
    };
    beat();
    setInterval(beat, BEAT_MS).unref();
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
