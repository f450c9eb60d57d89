/** What a bell keeps for one who is slow; behind that, who waits looks up what it missed. */
const KEPT_MAX = 16;

/** Rings for those who wait for a change under a name, and tells them what it was, if that is known. */
export class Bells<T> {
  readonly #bells = new Map<string, Set<Bell<T>>>();

  /** To be closed. */
  open(name: string): Bell<T> {
    const bells = this.#bells.get(name) ?? new Set();
    this.#bells.set(name, bells);
    const bell = new Bell<T>(() => {
      bells.delete(bell);
      if (bells.size === 0 && this.#bells.get(name) === bells) this.#bells.delete(name);
    });
    bells.add(bell);
    return bell;
  }

  /** @param change  undefined: whoever waits has to look. */
  ring(name: string, change: T | undefined): void {
    for (const bell of this.#bells.get(name) ?? []) bell.ring(change);
  }

  ringAll(): void {
    for (const name of this.#bells.keys()) this.ring(name, undefined);
  }
}

/** Remembers that it rang: nobody misses a change between a look and the wait for the next one. */
export class Bell<T> {
  readonly close: () => void;
  /** Undefined: not all changes are known. At first nothing is known of those before. */
  #changes: T[] | undefined;
  #wake: () => void = () => {};

  constructor(close: () => void) {
    this.close = close;
  }

  ring(change: T | undefined): void {
    if (change === undefined || this.#changes?.length === KEPT_MAX) this.#changes = undefined;
    else this.#changes?.push(change);
    this.#wake();
  }

  /** @returns what it rang with since the last call; undefined: look. */
  take(): readonly T[] | undefined {
    const changes = this.#changes;
    this.#changes = [];
    return changes;
  }

  /** Until there is something to take, or the signal aborts. */
  rung(signal: AbortSignal): Promise<void> {
    if (this.#changes?.length !== 0 || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = () => {
        signal.removeEventListener("abort", this.#wake);
        resolve();
      };
      signal.addEventListener("abort", this.#wake);
    });
  }
}
