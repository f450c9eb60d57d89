/** Rings for those who wait for a change under a name. */
export class Bells {
  readonly #bells = new Map<string, Set<Bell>>();

  /** To be closed. */
  open(name: string): Bell {
    const bells = this.#bells.get(name) ?? new Set();
    this.#bells.set(name, bells);
    const bell = new Bell(() => {
      bells.delete(bell);
      if (bells.size === 0 && this.#bells.get(name) === bells) this.#bells.delete(name);
    });
    bells.add(bell);
    return bell;
  }

  ring(name: string): void {
    for (const bell of this.#bells.get(name) ?? []) bell.ring();
  }

  ringAll(): void {
    for (const name of this.#bells.keys()) this.ring(name);
  }
}

/** Remembers that it rang: nobody misses a change between a look and the wait for the next one. */
export class Bell {
  readonly close: () => void;
  #hasRung = false;
  #wake: () => void = () => {};

  constructor(close: () => void) {
    this.close = close;
  }

  ring(): void {
    this.#hasRung = true;
    this.#wake();
  }

  /** To be called before a look. */
  reset(): void {
    this.#hasRung = false;
  }

  /** Until it has rung since `reset`, or the signal aborts. */
  rung(signal: AbortSignal): Promise<void> {
    if (this.#hasRung || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = () => {
        signal.removeEventListener("abort", this.#wake);
        resolve();
      };
      signal.addEventListener("abort", this.#wake);
    });
  }
}
