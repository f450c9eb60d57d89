/**
 * A thread that hosts an engine, because the engine's device can have one owner only. Whoever proves
 * gets a port to it. It is of use until it fails once; then another one can be opened.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { WorkError } from "../errors.ts";
import { moduleUrl } from "../module-url.ts";
import { execArgv } from "../task-thread.ts";
import {
  BEAT_MS,
  type HostEntryData,
  type HostNews,
  type HostOrder,
  USE_FIELDS,
} from "./host-message.ts";
import type { DeviceFacts, DeviceUse, Opener } from "./hosted.ts";
import { errorOf, type Greeting } from "./message.ts";

const ENTRY = moduleUrl(new URL("./host-entry.ts", import.meta.url));

/** Most time for opening, as for the trial (`probe.ts`): not every driver keeps what it has compiled. */
const OPEN_MS = 300_000;
/**
 * A thread that gives no sign for so long is within a call of the driver that does not return. Checking
 * the largest keys takes it tens of seconds.
 */
const STALL_MS = 180_000;
/** Time for replies that say more than that the host has failed. */
const REPLY_MS = 1_000;
/** Most time for what runs to end, and for the device to be freed. */
const CLOSE_MS = 5_000;

export interface HostThreadOptions {
  readonly opener: Opener;
  /** Keys that stay in the engine. */
  readonly keysMax: number;
  /** As in ThreadData. */
  readonly niceness?: number;
  /** `OPEN_MS` when left out. */
  readonly openMs?: number;
  /** `STALL_MS` when left out. */
  readonly stallMs?: number;
}

export interface HostUse extends DeviceUse {
  /** Grows as long as the thread is not within a call that does not return. */
  readonly beats: number;
  readonly keys: number;
  readonly openRuns: number;
}

let threadCount = 0;

export class HostThread {
  /** That no other one has in this process. */
  readonly id = ++threadCount;
  readonly name: string;
  readonly device: DeviceFacts | undefined;
  /** Why it is of no use any more; also fulfilled when it was closed. Never rejects. */
  readonly failed: Promise<WorkError>;
  readonly #worker: Worker;
  readonly #use: Float64Array;
  /** Of ports that are open. */
  readonly #lifelines = new Set<MessagePort>();
  #isOver = false;

  private constructor(
    worker: Worker,
    use: SharedArrayBuffer,
    news: HostNews & { kind: "ready" },
    failed: Promise<WorkError>,
  ) {
    this.#worker = worker;
    this.#use = new Float64Array(use);
    this.name = news.name;
    this.device = news.device;
    this.failed = failed;
    void failed.then(() => this.#leave());
  }

  /** @throws WorkError ENGINE_UNAVAILABLE, with `detail.gpu` if the device is the reason. */
  static async open(options: HostThreadOptions): Promise<HostThread> {
    const { openMs = OPEN_MS, stallMs = STALL_MS } = options;
    const use = new SharedArrayBuffer(USE_FIELDS.length * Float64Array.BYTES_PER_ELEMENT);
    const { opener, keysMax, niceness = 0 } = options;
    const workerData: HostEntryData = { opener, keysMax, niceness, use };
    const worker = new Worker(ENTRY, { workerData, ...execArgv() });
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<WorkError>((resolve) => {
      timer = setTimeout(() => resolve(slow(openMs)), openMs);
    });
    const ready = new Promise<HostNews & { kind: "ready" }>((resolve) => {
      worker.on("message", (news: HostNews) => news.kind === "ready" && resolve(news));
    });
    const failed = failureOf(worker, () => new Float64Array(use)[BEATS] as number, stallMs);
    try {
      const first = await Promise.race([ready, failed, tooLong]);
      if (!(first instanceof WorkError)) return new HostThread(worker, use, first, failed);
      // A thread within a driver that does not return cannot be ended: nobody waits for it.
      void worker.terminate();
      throw first;
    } finally {
      clearTimeout(timer);
    }
  }

  get use(): HostUse {
    const entries = USE_FIELDS.map((field, i) => [field, this.#use[i] as number] as const);
    return Object.fromEntries(entries) as unknown as HostUse;
  }

  /** A new port to the engine, for `LinkedEngine`, which leaves it when the thread has failed or is gone. */
  connect(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    // A message to a thread that is gone goes nowhere, and the port in it stays open.
    if (this.#isOver || this.#worker.threadId === -1) {
      port2.close();
      return port1;
    }
    const { port1: lifeline, port2: theirs } = new MessageChannel();
    this.#lifelines.add(lifeline);
    lifeline.on("close", () => this.#lifelines.delete(lifeline));
    port2.postMessage({ lifeline: theirs } satisfies Greeting, [theirs]);
    this.#worker.postMessage({ kind: "serve", port: port2 } satisfies HostOrder, [port2]);
    return port1;
  }

  /** A thread within a call that does not return closes no port: those who wait for it hear of it here. */
  async #leave(): Promise<void> {
    await sleep(REPLY_MS, undefined, { ref: false });
    this.#isOver = true;
    for (const lifeline of this.#lifelines) lifeline.close();
  }

  /**
   * Ends it as a crash would, for tests.
   */
  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  /**
   * Ends what runs and frees the device. Where that does not come to an end, it is left as it is.
   * Idempotent.
   */
  async close(): Promise<void> {
    this.#worker.postMessage({ kind: "close" } satisfies HostOrder);
    let timer: NodeJS.Timeout | undefined;
    const isSlow = await new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(true), CLOSE_MS);
      this.#worker.once("exit", () => resolve(false));
      // It may be gone already.
      if (this.#worker.threadId === -1) resolve(false);
    });
    clearTimeout(timer);
    if (!isSlow) return;
    this.#worker.unref();
    void this.#worker.terminate();
  }
}

const BEATS = USE_FIELDS.indexOf("beats");

/** @param beats  changes as long as the thread is at work, from when the engine is open. */
function failureOf(worker: Worker, beats: () => number, stallMs: number): Promise<WorkError> {
  return new Promise((resolve) => {
    let [last, sinceMs] = [0, performance.now()];
    const watch = setInterval(() => {
      const now = beats();
      if (now !== last) [last, sinceMs] = [now, performance.now()];
      if (now > 0 && performance.now() - sinceMs > stallMs) resolve(stalled(stallMs));
    }, 4 * BEAT_MS).unref();
    worker.on("exit", () => clearInterval(watch));
    let cause: unknown;
    worker.on("error", (error) => {
      cause = error;
    });
    worker.on("message", (news: HostNews) => {
      if (news.kind === "failed") resolve(errorOf(news.failure));
    });
    worker.on("exit", () => {
      const message = "the thread that has the device has died; see the log of the system";
      resolve(new WorkError("ENGINE_UNAVAILABLE", message, { gpu: "lost" }, { cause }));
    });
  });
}

function stalled(stallMs: number): WorkError {
  return new WorkError(
    "ENGINE_UNAVAILABLE",
    `the device's driver has not returned for ${stallMs} ms; start the process again, with another driver if it does so again`,
    { gpu: "hang" },
  );
}

function slow(openMs: number): WorkError {
  return new WorkError(
    "ENGINE_UNAVAILABLE",
    `got no device within ${openMs} ms, expected one; look at the driver with vulkaninfo`,
    { gpu: "hang" },
  );
}
