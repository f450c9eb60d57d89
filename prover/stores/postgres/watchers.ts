/** Somebody who waits for a job to change. */
interface Watcher {
  /** The last sequence that it has seen. */
  seen: number;
  /** Something may have changed since it looked. */
  mustLook: boolean;
  wake: () => void;
}

/** Who waits for which job, by the jobs' numbers. */
export class Watchers {
  readonly #watchers = new Map<number, Set<Watcher>>();

  /** Jobs that somebody watches. */
  get numbers(): readonly number[] {
    return [...this.#watchers.keys()];
  }

  /** A way to wait for changes of a job, until `leave`. */
  watch(number: number, signal: AbortSignal): Watch {
    const watcher: Watcher = { seen: 0, mustLook: false, wake: () => {} };
    const ofJob = this.#watchers.get(number) ?? new Set();
    this.#watchers.set(number, ofJob);
    ofJob.add(watcher);
    const wake = () => {
      watcher.mustLook = true;
      watcher.wake();
    };
    signal.addEventListener("abort", wake);
    return {
      look: (seen) => {
        watcher.seen = seen;
        watcher.mustLook = false;
      },
      changed: () =>
        new Promise((resolve) => {
          watcher.wake = () => resolve();
          if (watcher.mustLook || signal.aborted) resolve();
        }),
      leave: () => {
        signal.removeEventListener("abort", wake);
        ofJob.delete(watcher);
        if (ofJob.size === 0) this.#watchers.delete(number);
      },
    };
  }

  wake(number: number): void {
    for (const watcher of this.#watchers.get(number) ?? []) {
      watcher.mustLook = true;
      watcher.wake();
    }
  }

  /** @param sequences  where the watched jobs stand; one that is missing is gone. */
  compare(sequences: ReadonlyMap<number, number>): void {
    for (const [number, watchers] of this.#watchers) {
      const sequence = sequences.get(number);
      if ([...watchers].some(({ seen }) => sequence !== seen)) this.wake(number);
    }
  }
}

export interface Watch {
  /** To be called before each look, with the last sequence seen: changes from then on wake. */
  look(seen: number): void;
  /** Resolves when something may have changed since `look`, or the signal aborts. */
  changed(): Promise<void>;
  leave(): void;
}
