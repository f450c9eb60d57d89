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

/** What belongs to a transaction besides rows, and is undone with it: totals, and news for those who listen. */
export class Ledger {
  /** Of the call at work. */
  clock: Clock = { nowMs: 0, steadyMs: 0 };
  totals: Totals;
  #news: News[] = [];
  #before: Totals;

  constructor(totals: Totals) {
    this.totals = { ...totals };
    this.#before = { ...totals };
  }

  begin(): void {
    this.#before = { ...this.totals };
    this.#news = [];
  }

  undo(): void {
    this.totals = this.#before;
    this.#news = [];
  }

  tell(news: News): void {
    this.#news.push(news);
  }

  /** What was told since `begin`. */
  get news(): readonly News[] {
    return this.#news;
  }
}
