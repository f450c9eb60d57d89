// Dishonest parties. They act by transactions, and know what everybody can read.

import type { Hex } from "viem";
import type { Truth } from "../../operator/fraud/truth.ts";
import type { Arena } from "./arena.ts";
import { lieAt } from "./arena.ts";

/** How a proposer lies about a range whose end it has claimed falsely. */
export type ProposerStyle =
  /** The truth before the first wrong step, something else after it. */
  | "consistent"
  /** The truth in every middle: only the end is wrong. */
  | "end"
  | "random"
  /** Makes its last answer in the last second of its clock. */
  | "last second"
  /** Stops answering after some moves. */
  | "stalling"
  /** Takes its answers back, and says another thing in another game. */
  | "equivocating";

export type ChallengerStyle = "agreeing" | "denying" | "random" | "last second" | "stalling";

/** xorshift32, so that a run can be repeated. */
export function dice(seed: number): (below: number) => number {
  let state = seed * 2_654_435_761 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const DEFENDERS = 0;

const middle = ({ lo, hi }: { lo: bigint; hi: bigint }): number => Number(lo + (hi - lo) / 2n);

export class LyingProposer {
  readonly #arena: Arena;
  readonly #account: number;
  readonly #truth: Truth;
  readonly #style: ProposerStyle;
  readonly #wrong: number;
  readonly #roll: (below: number) => number;
  #moves = 0;

  /** @param wrong the first step whose result it lies about, from 1. */
  constructor(
    arena: Arena,
    options: {
      readonly account: number;
      readonly truth: Truth;
      readonly style: ProposerStyle;
      readonly wrong: number;
      readonly seed: number;
    },
  ) {
    this.#arena = arena;
    this.#account = options.account;
    this.#truth = options.truth;
    this.#style = options.style;
    this.#wrong = options.wrong;
    this.#roll = dice(options.seed);
  }

  /** Answers in a game if it is its turn. @returns whether there was anything for it to do. */
  async act(game: bigint): Promise<boolean> {
    const position = await this.#arena.game(game);
    if (position.resolved || position.turn !== DEFENDERS) return false;
    if (position.hi - position.lo === 1n) return false;
    const end = position.lastMove + BigInt(position.clockDefender);
    const isLate = (await this.#arena.now()) >= end;
    if (isLate || (this.#style === "stalling" && this.#moves >= 2)) {
      await this.#arena.mineAt(end + 1n);
      return true;
    }
    if (this.#style === "last second" && position.hi - position.lo <= 3n) {
      await this.#arena.nextBlockAt(end);
    }
    const said = await this.#say(middle(position), game);
    await this.#arena.call(this.#account, "bisect", [game, said]);
    this.#moves++;
    if (this.#style === "equivocating") await this.#takeBack(game, said);
    return true;
  }

  async #say(mid: number, game: bigint): Promise<Hex> {
    const [from, to] = [0, 1];
    const trace = await this.#truth.trace(from, to);
    const isTrue = {
      consistent: mid < this.#wrong,
      "last second": mid < this.#wrong,
      stalling: mid < this.#wrong,
      end: true,
      random: this.#roll(2) === 0,
      // Another answer for each game.
      equivocating: mid < this.#wrong === (game % 2n === 0n),
    }[this.#style];
    return isTrue ? trace.root(mid) : lieAt(mid, Number(game));
  }

  async #takeBack(game: bigint, said: Hex): Promise<void> {
    const before = await this.#arena.game(game);
    const again = this.#arena.call(this.#account, "bisect", [game, lieAt(99)]);
    await again.then(
      () => {
        throw new Error("an answer was taken back");
      },
      () => undefined,
    );
    const { midState } = await this.#arena.game(game);
    if (midState !== before.midState || midState !== said) throw new Error("the answer moved");
  }
}

export class LyingChallenger {
  readonly #arena: Arena;
  readonly #account: number;
  readonly #style: ChallengerStyle;
  readonly #roll: (below: number) => number;
  #moves = 0;

  constructor(
    arena: Arena,
    options: { readonly account: number; readonly style: ChallengerStyle; readonly seed: number },
  ) {
    this.#arena = arena;
    this.#account = options.account;
    this.#style = options.style;
    this.#roll = dice(options.seed);
  }

  /** Answers in a game if it is its turn. @returns whether there was anything for it to do. */
  async act(game: bigint): Promise<boolean> {
    const position = await this.#arena.game(game);
    if (position.resolved || position.turn === DEFENDERS) return false;
    const end = position.lastMove + BigInt(position.clockChallenger);
    const isLate = (await this.#arena.now()) >= end;
    // It cannot win the step, so there it always lets its time run out.
    const isLost = isLate || position.hi - position.lo === 1n;
    if (isLost || (this.#style === "stalling" && this.#moves >= 1)) {
      await this.#arena.mineAt(end + 1n);
      return true;
    }
    if (this.#style === "last second" && position.hi - position.lo <= 3n) {
      await this.#arena.nextBlockAt(end);
    }
    const agree = {
      agreeing: true,
      denying: false,
      random: this.#roll(2) === 0,
      "last second": this.#roll(2) === 0,
      stalling: true,
    }[this.#style];
    await this.#arena.call(this.#account, "choose", [game, agree]);
    this.#moves++;
    return true;
  }
}
