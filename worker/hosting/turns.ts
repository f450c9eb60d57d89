/** Who may work: many at the same time, one alone, or one after the other with the same thing. */
export class Turns {
  #activeCount = 0;
  #onIdle: () => void = () => {};
  /** The end of those that want to be alone. */
  #aloneLine: Promise<unknown> = Promise.resolve();
  #aloneCount = 0;
  readonly #lines = new WeakMap<object, Promise<void>>();

  /** With others, unless somebody is alone or waits to be. */
  async shared<T>(work: () => Promise<T>): Promise<T> {
    while (this.#aloneCount > 0) await this.#aloneLine;
    this.#activeCount++;
    try {
      return await work();
    } finally {
      this.#activeCount--;
      if (this.#activeCount === 0) this.#onIdle();
    }
  }

  /** When nobody else works. Not from within other work. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    this.#aloneCount++;
    const mine = this.#aloneLine.then(async () => {
      while (this.#activeCount > 0) await this.#idle();
      return work();
    });
    this.#aloneLine = mine.catch(() => {});
    try {
      return await mine;
    } finally {
      this.#aloneCount--;
    }
  }

  /** After those that came before for the same thing. @returns what ends the turn; idempotent. */
  async of(thing: object): Promise<() => void> {
    const before = this.#lines.get(thing);
    let end = () => {};
    const mine = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#lines.set(thing, mine);
    await before;
    return end;
  }

  #idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }
}
