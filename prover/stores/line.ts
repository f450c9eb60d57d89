/** A first-in first-out line with numbered places: every operation takes constant time. */
export class Line<T> {
  readonly #places = new Map<number, T>();
  #head = 0;
  #tail = 0;

  get size(): number {
    return this.#places.size;
  }

  /** Appends; the place is for `remove` and `ahead`. */
  push(value: T): number {
    this.#places.set(this.#tail, value);
    return this.#tail++;
  }

  /** Puts in front of all. */
  unshift(value: T): number {
    this.#places.set(--this.#head, value);
    return this.#head;
  }

  first(): T | undefined {
    // Each removed place is passed once, so the loop's cost belongs to the removals.
    while (this.#head < this.#tail && !this.#places.has(this.#head)) this.#head++;
    return this.#places.get(this.#head);
  }

  remove(place: number): void {
    this.#places.delete(place);
  }

  /** How many stand before this place, at most: places left in the middle count until the line passes them. */
  ahead(place: number): number {
    this.first();
    return Math.min(place - this.#head, this.size);
  }
}
