/** How often the loop is looked at: the precision of a delay. */
const TICK_MS = 250;

/**
 * A loop that stands still for so long leaves callers, heartbeats of jobs and probes without answers.
 * Nothing in the service takes a tenth of it on this thread.
 */
const BLOCKED_MS = 5_000;

/**
 * For so long after a block, liveness is denied. One block is seen by one or two probes, which are
 * usually forgiven; a process that is blocked again and again is restarted.
 */
const REMEMBERED_MS = 15_000;

export interface EventLoopOptions {
  readonly tickMs?: number;
  readonly blockedMs?: number;
  readonly rememberedMs?: number;
}

/**
 * Measures how late timers are. Node runs timers that are due before it reads what came in, so that a
 * probe that waited through a block hears of it.
 */
export class EventLoopWatch {
  readonly #timer: NodeJS.Timeout;

  /** @param onDelay  is told every tick. */
  constructor(
    { tickMs = TICK_MS, blockedMs = BLOCKED_MS, rememberedMs = REMEMBERED_MS }: EventLoopOptions,
    onDelay: (delayMs: number, isResponsive: boolean) => void,
  ) {
    let lastMs = performance.now();
    let blockedAtMs = Number.NEGATIVE_INFINITY;
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      const delayMs = Math.max(0, nowMs - lastMs - tickMs);
      lastMs = nowMs;
      if (delayMs >= blockedMs) blockedAtMs = nowMs;
      onDelay(delayMs, nowMs - blockedAtMs >= rememberedMs);
    }, tickMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
