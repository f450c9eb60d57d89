import type { JobEvent } from "./job.ts";
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
  let next = iterator.next();
  /** The latest event, if the job waits. */
  let waiting: PlacedEvent | undefined;
  try {
    while (true) {
      const result = waiting === undefined ? await next : await Promise.race([next, sleep()]);
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
      const placed = { event, position: await store.position(event.job.jobId) };
      waiting = event.job.state === "QUEUED" ? placed : undefined;
      yield placed;
      next = iterator.next();
    }
  } finally {
    leave.abort();
    // Nobody waits for it any more, whatever becomes of it.
    next.catch(() => {});
  }
}

function sleep(): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), POSITION_MS).unref());
}
