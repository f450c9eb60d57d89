import type { Logger } from "pino";
import { faultOf } from "./fault.ts";

/** Things to do again and again. A fault that lasts, such as a store that is away, is told once. */
export class Rounds {
  readonly #log: Logger;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor({ log }: { readonly log: Logger }) {
    this.#log = log;
  }

  /**
   * @param what        the event that is logged when it fails.
   * @param act         does not throw, but may reject; undefined: there was nothing to do.
   * @param mayOverlap  whether it is begun again while it is still going on; it is not when left out.
   */
  every(
    ms: number,
    what: string,
    act: () => Promise<unknown> | undefined,
    { mayOverlap = false }: { readonly mayOverlap?: boolean } = {},
  ): void {
    let isBusy = false;
    let hasFailed = false;
    const finish = async (work: Promise<unknown>) => {
      isBusy = true;
      try {
        await work;
        hasFailed = false;
      } catch (error) {
        if (!hasFailed) this.#log.error({ fault: faultOf(error) }, what);
        hasFailed = true;
      } finally {
        isBusy = false;
      }
    };
    const round = () => {
      if (isBusy && !mayOverlap) return;
      const work = act();
      if (work !== undefined) void finish(work);
    };
    this.#timers.push(setInterval(round, ms));
  }

  /** What has begun goes on to its end. */
  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }
}
