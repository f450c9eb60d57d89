/**
 * The waiting line before a device. One batch at a time is on it; meanwhile jobs gather, and those
 * that want the same thing go together: a device is too wide for one small proof.
 */
import { WorkError } from "../../errors.ts";

/** Jobs that may be done together. */
export interface Group<Job, Result> {
  /** How many jobs a batch may have now, at least 1. */
  batchMax(): number;
  /** As many results as jobs, in the same order. */
  work(jobs: readonly Job[], onProgress: (done: number) => void): Promise<readonly Result[]>;
  /** Called with a result that nobody waits for any more. */
  discard(result: Result): void;
}

interface Waiting {
  readonly group: Group<unknown, unknown>;
  readonly job: unknown;
  readonly onProgress: (done: number) => void;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class Line {
  #waiting: Waiting[] = [];
  #batch: Promise<void> | undefined;
  /** Jobs in the batches so far, and batches: their ratio says how well the line fills the device. */
  readonly counts = { jobs: 0, batches: 0 };

  /**
   * Does a job when its turn comes, with others of the group that wait then.
   *
   * @param signal  Aborted before its turn: the job leaves the line. Later: it is done, and nobody
   *   hears of it.
   * @returns `result`, which an abort rejects at once with its reason; and `left`, fulfilled when the
   *   job is not used any more.
   */
  do<Job, Result>(
    group: Group<Job, Result>,
    job: Job,
    signal: AbortSignal,
    onProgress: (done: number) => void,
  ): { readonly result: Promise<Result>; readonly left: Promise<void> } {
    let leave = () => {};
    const left = new Promise<void>((resolve) => {
      leave = resolve;
    });
    const result = new Promise<Result>((resolve, reject) => {
      const waiting: Waiting = {
        group: group as Group<unknown, unknown>,
        job,
        onProgress,
        resolve: (value) => {
          leave();
          if (signal.aborted) group.discard(value as Result);
          else resolve(value as Result);
        },
        reject: (error) => {
          leave();
          reject(error);
        },
      };
      const abort = () => {
        const place = this.#waiting.indexOf(waiting);
        if (place >= 0) {
          this.#waiting.splice(place, 1);
          leave();
        }
        reject(signal.reason);
      };
      if (signal.aborted) {
        leave();
        reject(signal.reason);
        return;
      }
      signal.addEventListener("abort", abort, { once: true });
      void left.then(() => signal.removeEventListener("abort", abort));
      this.#waiting.push(waiting);
      this.#start();
    });
    return { result, left };
  }

  /** Fulfilled when nothing is on the device and nothing waits for it. */
  async empty(): Promise<void> {
    while (this.#batch !== undefined) await this.#batch;
  }

  #start(): void {
    const [first] = this.#waiting;
    if (this.#batch !== undefined || first === undefined) return;
    // In a later turn, so that those who come together go together.
    this.#batch = Promise.resolve()
      .then(() => this.#run())
      .finally(() => {
        this.#batch = undefined;
        this.#start();
      });
  }

  async #run(): Promise<void> {
    const [first] = this.#waiting;
    if (first === undefined) return;
    const { group } = first;
    let most = 1;
    try {
      most = group.batchMax();
    } catch (error) {
      this.#waiting = this.#waiting.filter((other) => other !== first);
      first.reject(error);
      return;
    }
    const batch = this.#waiting.filter((other) => other.group === group).slice(0, most);
    this.#waiting = this.#waiting.filter((other) => !batch.includes(other));
    await this.#together(group, batch);
  }

  /** A batch for which memory is short is done in halves, down to one job. */
  async #together(group: Group<unknown, unknown>, batch: readonly Waiting[]): Promise<void> {
    try {
      const results = await group.work(
        batch.map(({ job }) => job),
        (done) => {
          for (const { onProgress } of batch) onProgress(done);
        },
      );
      this.counts.batches++;
      this.counts.jobs += batch.length;
      for (const [i, { resolve }] of batch.entries()) resolve(results[i]);
    } catch (error) {
      if (batch.length > 1 && error instanceof WorkError && error.detail.gpu === "memory") {
        const half = batch.length >> 1;
        await this.#together(group, batch.slice(0, half));
        await this.#together(group, batch.slice(half));
        return;
      }
      for (const { reject } of batch) reject(error);
    }
  }
}
