/**
 * Who works on a proof: one thread leads it, others may help with its pieces (`pieces.ts`). They
 * come late, leave early or die without harm:
 *
 *  - The leader *opens* its list of pieces, works like everybody, and *closes* it. While it is closed
 *    nobody but the leader touches the proof's memory, so that it can be wiped.
 *  - A helper enters an open list and leaves when nothing is left to take, or between two pieces when
 *    it has something better to do. What it has taken it finishes.
 *  - A helper that dies cannot leave. Whoever owns the threads says so (`bury`) once the thread is
 *    gone. Its piece is lost: the leader sends the others away and begins the list anew, alone.
 *
 * Entering and closing are each a write and then a look at what the other wrote, in an order that
 * all threads see alike (Atomics): the helper writes that it is in, and looks whether the list is
 * still open; the leader closes, and looks who is in. One of them notices.
 *
 * Words, from the beginning of the crew's part of a proof's control block:
 *
 *     word 0   1 while the list is open
 *     word 1 + i   the thread with slot i: out, in, or lost
 */

/** Threads that may share a key's memory. */
export const MAX_CREW = 256;
/** Words of a control block that belong to the crew. */
export const CREW_WORDS = 1 + MAX_CREW;

const OPEN = 0;
const MEMBERS = 1;
const OUT = 0;
const IN = 1;
const LOST = 2;

/** A thread that waits looks up so often, in case nobody wakes it. */
const WAIT_STEP_MS = 50;
/** A thread that waits longer for another one gives up: no piece takes a tenth of that. */
export const MAX_WAIT_MS = 120_000;

/** One proof's crew. Every thread makes its own view of the same words. */
export class Crew {
  readonly #words: Int32Array;

  /** @param words  `CREW_WORDS` in shared memory, all 0 at first. */
  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** The leader: lets helpers in. The list must be there. */
  open(): void {
    Atomics.store(this.#words, OPEN, 1);
    this.wake();
  }

  /**
   * The leader: lets nobody in any more, and waits until everybody is out or buried. They must have
   * a reason to leave: nothing left to take, or the order to stop.
   *
   * @throws Error if somebody stays; then the memory must not be used any more.
   */
  close(): void {
    const words = this.#words;
    Atomics.store(words, OPEN, 0);
    const end = performance.now() + MAX_WAIT_MS;
    for (let member = MEMBERS; member < CREW_WORDS; member++) {
      while (Atomics.load(words, member) === IN) {
        if (performance.now() > end) throw new Error("a helping thread does not leave");
        Atomics.wait(words, member, IN, WAIT_STEP_MS);
      }
      Atomics.compareExchange(words, member, LOST, OUT);
    }
  }

  /** Whether a helper died inside. */
  get hasLost(): boolean {
    for (let member = MEMBERS; member < CREW_WORDS; member++) {
      if (Atomics.load(this.#words, member) === LOST) return true;
    }
    return false;
  }

  /**
   * A helper: waits until the list is open, and enters.
   *
   * @param isWanted  looked at again whenever the words' owner calls `wake`.
   * @returns false if it became unwanted first.
   */
  enter(slot: number, isWanted: () => boolean): boolean {
    const words = this.#words;
    while (isWanted()) {
      if (Atomics.load(words, OPEN) === 1) {
        Atomics.store(words, MEMBERS + slot, IN);
        if (Atomics.load(words, OPEN) === 1) return true;
        this.leave(slot);
      }
      Atomics.wait(words, OPEN, 0, WAIT_STEP_MS);
    }
    return false;
  }

  /** A helper: it will not touch the proof's memory again. */
  leave(slot: number): void {
    Atomics.store(this.#words, MEMBERS + slot, OUT);
    Atomics.notify(this.#words, MEMBERS + slot);
  }

  /** The threads' owner: a helper that is gone without having left. */
  bury(slot: number): void {
    Atomics.compareExchange(this.#words, MEMBERS + slot, IN, LOST);
    Atomics.notify(this.#words, MEMBERS + slot);
  }

  /** Helpers that wait look whether they are wanted. */
  wake(): void {
    Atomics.notify(this.#words, OPEN);
  }
}
