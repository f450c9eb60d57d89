import type { Job, JobEvent } from "./job.ts";
import type { JobReference, JobStore } from "./job-store.ts";

/** An event with the job's place in the line at that time. */
export interface PlacedEvent {
  readonly event: JobEvent;
  readonly position: number;
}

/** How often a waiting job's place is looked up for its watcher. */
const POSITION_MS = 1_000;

/**
 * A job's events, and while it waits a snapshot whenever it has moved up in the line. Moving up is
 * no event of its own: each job that leaves the line would cause one for every job in it.
 *
 * @throws ProverError JOB_UNKNOWN
 */
export async function* watchJob(
  store: JobStore,
  reference: JobReference,
  afterSequence: number,
  signal: AbortSignal,
): AsyncGenerator<PlacedEvent> {
  const leave = new AbortController();
  const events = store.events(reference, afterSequence, AbortSignal.any([signal, leave.signal]));
  const iterator = events[Symbol.asyncIterator]();
  const turn = new Turn();
  let next = turn.of(iterator.next());
  /** The latest event, if the job waits. */
  let waiting: PlacedEvent | undefined;
  try {
    while (true) {
      const result = waiting === undefined ? await next : await turn.within(next, POSITION_MS);
      if (result === undefined) {
        const event: JobEvent = { ...(waiting as PlacedEvent).event, isSnapshot: true };
        const position = await store.position(event.job.jobId);
        if (position === waiting?.position) continue;
        waiting = { event: { ...event, timeMs: Date.now() }, position };
        yield waiting;
        continue;
      }
      if (result.done) return;
      const event = result.value;
      const placed = { event, position: await positionOf(store, event.job) };
      waiting = event.job.state === "QUEUED" ? placed : undefined;
      yield placed;
      next = turn.of(iterator.next());
    }
  } finally {
    leave.abort();
    // Nobody waits for it any more, whatever becomes of it.
    next.catch(() => {});
  }
}

/** A job's place in the line, which only a waiting one has: the store is not asked for others. */
export async function positionOf(
  store: Pick<JobStore, "position">,
  { jobId, state }: Job,
): Promise<number> {
  return state === "QUEUED" ? store.position(jobId) : 0;
}

/**
 * Waits for a promise now and then without leaving something behind on it each time, as a race would
 * until the promise settles: a job may wait for hours.
 */
class Turn {
  #isOver = false;
  #end: () => void = () => {};

  /** The promise of the next turn. */
  of<T>(promise: Promise<T>): Promise<T> {
    this.#isOver = false;
    const end = () => {
      this.#isOver = true;
      this.#end();
    };
    promise.then(end, end);
    return promise;
  }

  /** That promise's value, or undefined if it takes longer. */
  async within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#end = resolve;
      if (this.#isOver) resolve();
      timer = setTimeout(resolve, ms).unref();
    });
    clearTimeout(timer);
    return this.#isOver ? promise : undefined;
  }
}
