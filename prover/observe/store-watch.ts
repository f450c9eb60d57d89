import type { Logger } from "pino";
import { faultOf } from "../fault.ts";
import type { JobStore, StoreStats } from "../job-store.ts";

/** How often the store is asked: as fresh as a page that people look at needs to be. */
const POLL_MS = 1_000;
/** A store that does not answer for so long is away. */
const PATIENCE_MS = 3_000;

export interface StoreWatchOptions {
  readonly pollMs?: number;
  readonly patienceMs?: number;
}

/** Asks the store for its depths every second, for probes, metrics and the status page alike. */
export class StoreWatch {
  readonly #patienceMs: number;
  readonly #store: Pick<JobStore, "stats">;
  readonly #log: Logger;
  readonly #onChange: (isUp: boolean) => void;
  readonly #timer: NodeJS.Timeout;
  #stats: StoreStats | undefined;
  #awaySinceMs: number | undefined;
  #isAsking = false;
  #isStopped = false;

  /** @param onChange  is told when the store goes away and when it is back. */
  constructor(
    { pollMs = POLL_MS, patienceMs = PATIENCE_MS }: StoreWatchOptions,
    dependencies: {
      readonly store: Pick<JobStore, "stats">;
      readonly log: Logger;
      readonly onChange: (isUp: boolean) => void;
    },
  ) {
    this.#patienceMs = patienceMs;
    this.#store = dependencies.store;
    this.#log = dependencies.log;
    this.#onChange = dependencies.onChange;
    this.#timer = setInterval(() => this.#ask(), pollMs);
    this.#timer.unref();
    this.#ask();
  }

  /** At most a second old. Undefined while the store is away. */
  get stats(): StoreStats | undefined {
    return this.#stats;
  }

  /** Unix ms. */
  get awaySinceMs(): number | undefined {
    return this.#awaySinceMs;
  }

  /** From now on nothing is told: a store that is closed is not away. */
  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#timer);
  }

  /** One question at a time: a store that is slow gets no more of them. */
  async #ask(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const silent = setTimeout(() => this.#away("no answer"), this.#patienceMs);
    silent.unref();
    try {
      const stats = await this.#store.stats();
      this.#stats = stats;
      if (this.#awaySinceMs !== undefined) {
        this.#log.info({ awayMs: Date.now() - this.#awaySinceMs }, "store is back");
        this.#awaySinceMs = undefined;
        this.#onChange(true);
      }
    } catch (error) {
      this.#away(faultOf(error).kind);
    } finally {
      clearTimeout(silent);
      this.#isAsking = false;
    }
  }

  #away(kind: string): void {
    this.#stats = undefined;
    if (this.#isStopped || this.#awaySinceMs !== undefined) return;
    this.#awaySinceMs = Date.now();
    this.#log.error({ kind }, "store is away");
    this.#onChange(false);
  }
}
