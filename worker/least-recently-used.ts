/** Values by key, no more than `maximum`: one more, and the one that was used least recently goes. */
export class LeastRecentlyUsed<T extends object> {
  readonly #maximum: number;
  readonly #dispose: (value: T) => void;
  /** A Map keeps the order of insertion: the first is the least recently used. */
  readonly #values = new Map<string, T>();

  constructor(maximum: number, dispose: (value: T) => void = () => undefined) {
    this.#maximum = maximum;
    this.#dispose = dispose;
  }

  get(key: string): T | undefined {
    const value = this.#values.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  set(key: string, value: T): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    const [oldest] = this.#values;
    if (this.#values.size > this.#maximum && oldest !== undefined) {
      this.#values.delete(oldest[0]);
      this.#dispose(oldest[1]);
    }
  }

  /** The value, or what `make` gives. A failure is not kept. */
  async getOrMake(key: string, make: () => Promise<T>): Promise<T> {
    const value = this.get(key) ?? (await make());
    this.set(key, value);
    return value;
  }
}
