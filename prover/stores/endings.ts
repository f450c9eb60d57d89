import { Line } from "./line.ts";
import type { Row } from "./row.ts";

export interface EndingsOptions {
  readonly keepFinishedMs: number;
  readonly keepFinishedMax: number;
  readonly keepDeadMs: number;
  /** Inputs of dead letters, together; beyond that the oldest lose theirs. */
  readonly deadMaxBytes: number;
}

/** The jobs that have ended, in that order, and among them the dead letters whose input is kept. */
export class Endings {
  readonly #options: EndingsOptions;
  readonly #ended = new Line<Row>();
  readonly #dead = new Set<Row>();
  #deadBytes = 0;

  constructor(options: EndingsOptions) {
    this.#options = options;
  }

  /** To be called before the row's job changes to a final state. */
  add(row: Row, isDeadLetter: boolean): void {
    row.place = this.#ended.push(row);
    if (!isDeadLetter) {
      row.deleteInput();
      return;
    }
    this.#dead.add(row);
    this.#deadBytes += row.inputBytes;
    for (const oldest of this.#dead) {
      if (this.#deadBytes <= this.#options.deadMaxBytes) break;
      this.#bury(oldest);
    }
  }

  isDeadLetter(row: Row): boolean {
    return this.#dead.has(row);
  }

  /** Takes a dead letter out, with its input. */
  revive(row: Row): void {
    this.#ended.remove(row.place);
    this.#dead.delete(row);
    this.#deadBytes -= row.inputBytes;
  }

  /** Takes a row out and deletes its input. */
  remove(row: Row): void {
    this.#bury(row);
    this.#ended.remove(row.place);
  }

  /** Deletes inputs that are too old, and calls `forget`, which calls `remove`, for jobs that are. */
  sweep(nowMs: number, forget: (row: Row) => void): void {
    const { keepDeadMs, keepFinishedMs, keepFinishedMax } = this.#options;
    for (const row of this.#dead) {
      if ((row.job.endedMs ?? 0) + keepDeadMs > nowMs) break;
      this.#bury(row);
    }
    for (let row = this.#ended.first(); row !== undefined; row = this.#ended.first()) {
      const isOld = (row.job.endedMs ?? 0) + keepFinishedMs <= nowMs;
      if (!isOld && this.#ended.size <= keepFinishedMax) break;
      forget(row);
    }
  }

  #bury(row: Row): void {
    if (!this.#dead.delete(row)) return;
    this.#deadBytes -= row.inputBytes;
    row.deleteInput();
  }
}
