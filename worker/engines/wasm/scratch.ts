/**
 * Hands out addresses one after the other: the memory map of a key and of the arenas is whatever
 * the same sequence of `take` calls gives, so that every thread finds the same addresses.
 */
export class Region {
  #next: number;

  /** @param start  Address. */
  constructor(start: number) {
    this.#next = start;
    this.#next = this.take(0);
  }

  /** The first address that is still free. */
  get end(): number {
    return this.#next;
  }

  /** @returns a multiple of 64, a cache line. */
  take(bytes: number): number {
    const address = Math.ceil(this.#next / CACHE_LINE) * CACHE_LINE;
    this.#next = address + Math.ceil(bytes);
    return address;
  }
}

const CACHE_LINE = 64;
