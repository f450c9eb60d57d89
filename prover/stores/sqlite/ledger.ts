import type { Clock, News } from "./messages.ts";

/** What the file amounts to, kept so that nobody has to count. */
export interface Totals {
  queuedCount: number;
  /** Inputs of waiting jobs. */
  queuedBytes: number;
  endedCount: number;
  /** Inputs of dead letters. */
  deadBytes: number;
  /** Places in the line: the next job goes behind the one, or in front of the other. */
  backPlace: number;
  frontPlace: number;
}

/**
 * What belongs to a transaction besides rows, and is undone with it: totals, which slots are free, and
 * news for those who listen.
 */
export class Ledger {
  /** Of the call at work. */
  clock: Clock = { nowMs: 0, steadyMs: 0 };
  totals: Totals;
  #news: News[] = [];
  #before: Totals;
  readonly #freeSlots: number[];
  /** By this transaction. What it freed is free when it has been committed. */
  #slotsTaken: number[] = [];
  #slotsFreed: number[] = [];

  constructor(totals: Totals, freeSlots: readonly number[]) {
    this.totals = { ...totals };
    this.#before = { ...totals };
    this.#freeSlots = [...freeSlots];
  }

  begin(): void {
    this.#before = { ...this.totals };
    this.#news = [];
    this.#freeSlots.push(...this.#slotsFreed);
    this.#forgetSlots();
  }

  undo(): void {
    this.totals = this.#before;
    this.#news = [];
    this.#freeSlots.push(...this.#slotsTaken);
    this.#forgetSlots();
  }

  /** @returns undefined if none is free. */
  takeSlot(): number | undefined {
    const slot = this.#freeSlots.pop();
    if (slot !== undefined) this.#slotsTaken.push(slot);
    return slot;
  }

  freeSlot(slot: number): void {
    this.#slotsFreed.push(slot);
  }

  tell(news: News): void {
    this.#news.push(news);
  }

  /** What was told since `begin`. */
  get news(): readonly News[] {
    return this.#news;
  }

  #forgetSlots(): void {
    this.#slotsTaken = [];
    this.#slotsFreed = [];
  }
}
