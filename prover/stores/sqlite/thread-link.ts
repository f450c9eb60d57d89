import { Worker } from "node:worker_threads";
import { moduleUrl } from "../../../worker/module-url.ts";
import { ProverError } from "../../errors.ts";
import {
  type Answer,
  type CallMessage,
  type Calls,
  CLOSE,
  type Clock,
  type ErrorData,
  type News,
  type ThreadData,
  type ThreadMessage,
  type WaitingJob,
} from "./messages.ts";

const THREAD = moduleUrl(new URL("./thread.ts", import.meta.url));

/** Time until a thread that died is replaced: what killed it may need a moment to pass. */
const RESTART_MS = 500;

/** What the thread tells besides its answers. */
export interface Listener {
  /** A thread begins, or another one after the last has died: this is the line now. */
  opened(waiting: readonly WaitingJob[]): void;
  /** Comes before the answers of the same transaction. */
  changed(news: readonly News[]): void;
}

interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

/** The way to the thread that has the file. If it dies, another one takes its place. */
export class ThreadLink {
  readonly #data: Omit<ThreadData, "clock" | "running">;
  readonly #clock: () => Clock;
  readonly #listener: Listener;
  readonly #pending = new Map<number, Pending>();
  #worker: Worker | undefined;
  #exited: Promise<void> = Promise.resolve();
  /** Of the latest thread's death. */
  #cause: unknown;
  #restart: NodeJS.Timeout | undefined;
  #isClosed = false;
  #count = 0;

  private constructor(
    data: Omit<ThreadData, "clock" | "running">,
    clock: () => Clock,
    listener: Listener,
  ) {
    this.#data = data;
    this.#clock = clock;
    this.#listener = listener;
  }

  /** @throws ProverError STORE_KEY_REFUSED, or Error in SQLite's words. */
  static async open(
    data: Omit<ThreadData, "clock" | "running">,
    dependencies: { readonly clock: () => Clock; readonly listener: Listener },
  ): Promise<ThreadLink> {
    const link = new ThreadLink(data, dependencies.clock, dependencies.listener);
    await link.#start("lost");
    return link;
  }

  /**
   * @param transfer  moves to the thread: it is gone here.
   * @throws ProverError of the call, STORE_UNAVAILABLE also if there is no thread now.
   */
  ask<N extends keyof Calls>(
    name: N,
    args: Parameters<Calls[N]>,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<ReturnType<Calls[N]>> {
    return new Promise((resolve, reject) => {
      if (this.#worker === undefined || this.#isClosed) return reject(noThread(this.#cause));
      const id = ++this.#count;
      const call: CallMessage<N> = { id, name, args, clock: this.#clock() };
      this.#worker.postMessage(call, transfer);
      this.#pending.set(id, { resolve, reject });
    });
  }

  /** After what was asked before. Idempotent. */
  async close(): Promise<void> {
    clearTimeout(this.#restart);
    if (!this.#isClosed) this.#worker?.postMessage(CLOSE);
    this.#isClosed = true;
    await this.#exited;
  }

  /** Ends the thread, as a crash would. */
  async kill(): Promise<void> {
    await this.#worker?.terminate();
  }

  /** Resolves when the file is open. */
  #start(running: ThreadData["running"]): Promise<void> {
    const workerData: ThreadData = { ...this.#data, running, clock: this.#clock() };
    const worker = new Worker(THREAD, { workerData });
    return new Promise((resolve, reject) => {
      worker.on("error", (error) => {
        this.#cause = error;
        reject(error);
      });
      worker.on("message", (message: ThreadMessage) => {
        if (message.kind === "done") return this.#hear(message.answers, message.news);
        if (message.kind === "not opened") return reject(errorOf(message.error));
        if (this.#isClosed) return worker.postMessage(CLOSE);
        this.#worker = worker;
        this.#listener.opened(message.waiting);
        resolve();
      });
      this.#exited = new Promise((exited) => {
        worker.on("exit", () => {
          const wasOpen = this.#worker === worker;
          if (wasOpen) this.#lose();
          exited();
          reject(noThread(this.#cause));
          if (wasOpen && !this.#isClosed) this.#startLater();
        });
      });
    });
  }

  #startLater(): void {
    this.#restart = setTimeout(() => {
      this.#start("ours").catch(() => {
        if (!this.#isClosed) this.#startLater();
      });
    }, RESTART_MS);
  }

  #hear(answers: readonly Answer[], news: readonly News[]): void {
    try {
      this.#listener.changed(news);
    } finally {
      // Whoever listens in vain, those who asked get their answers.
      for (const answer of answers) this.#answer(answer);
    }
  }

  #answer(answer: Answer): void {
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if ("error" in answer) pending?.reject(errorOf(answer.error));
    else pending?.resolve(answer.value as never);
  }

  #lose(): void {
    this.#worker = undefined;
    for (const { reject } of this.#pending.values()) reject(noThread(this.#cause));
    this.#pending.clear();
  }
}

function errorOf(error: ErrorData | string): Error {
  if (typeof error === "string") return new Error(error);
  const { code, message, violations, retryAfterMs } = error;
  return new ProverError(code, message, {
    violations,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

function noThread(cause: unknown): ProverError {
  return new ProverError(
    "STORE_UNAVAILABLE",
    "the job store's thread has ended, and another one starts; repeat later with the same request id",
    { retryAfterMs: 2 * RESTART_MS, cause },
  );
}
