import type { Hex } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Truth } from "../../operator/fraud/truth.ts";
import {
  ALICE,
  Arena,
  BOB,
  BOND,
  CHALLENGES,
  CLOCK,
  DEPOSIT,
  GRACE,
  keyOf,
  lieAt,
  MALLORY,
  PERIOD,
  PROPOSES,
} from "./arena.ts";
import {
  type ChallengerStyle,
  dice,
  LyingChallenger,
  LyingProposer,
  type ProposerStyle,
} from "./liars.ts";

const PENDING = 1;
const FINALIZED = 2;
const REJECTED = 3;

const PROPOSER_STYLES: readonly ProposerStyle[] = [
  "consistent",
  "end",
  "random",
  "last second",
  "stalling",
  "equivocating",
];
const CHALLENGER_STYLES: readonly ChallengerStyle[] = [
  "agreeing",
  "denying",
  "random",
  "last second",
  "stalling",
];

/** First wrong steps at the start, in the middle, at the end, and anywhere. */
const placesOf = (instructions: number): number[] => {
  const roll = dice(instructions);
  const places = [1, Math.ceil(instructions / 2), instructions, 1 + roll(instructions)];
  return [...new Set(places)];
};

describe.each([1, 2, 3, 5, 8, 17, 64, 1024])("fraud / %d instructions", (instructions) => {
  let arena: Arena;
  let truth: Truth;
  let genesis: Hex;

  beforeAll(async () => {
    arena = await Arena.open();
    await arena.batch(instructions);
    truth = await arena.truth();
    genesis = keyOf(0, truth.rootAfter(0));
  });
  afterAll(() => arena?.close());

  const isLarge = instructions > 8;
  /** Large ranges are played against two kinds of liars a place: together they meet all of them. */
  const stylesFor = (place: number): readonly ProposerStyle[] =>
    isLarge
      ? [0, 1].map((i) => PROPOSER_STYLES[(2 * place + i) % 6] as ProposerStyle)
      : PROPOSER_STYLES;

  /** In a world of its own: afterwards everything is as before. */
  async function inOwnWorld(play: () => Promise<void>): Promise<void> {
    const id = await arena.chain.control.snapshot();
    try {
      await play();
    } finally {
      await arena.chain.control.revert({ id });
    }
  }

  it.each(placesOf(instructions))(
    "an honest challenger beats liars whose first wrong step is %d, and pays gas only",
    async (wrong) => {
      for (const style of stylesFor(placesOf(instructions).indexOf(wrong))) {
        await inOwnWorld(() => beatLiar(style, wrong));
      }
    },
  );

  it("an honest proposer beats lying challengers, and pays gas only", async () => {
    for (const style of isLarge ? CHALLENGER_STYLES.slice(1, 4) : CHALLENGER_STYLES) {
      await inOwnWorld(() => beatChallenger(style));
    }
  });

  async function beatLiar(style: ProposerStyle, wrong: number): Promise<void> {
    const bob = arena.player(BOB, CHALLENGES, { truth });
    const liar = new LyingProposer(arena, {
      account: MALLORY,
      truth,
      style,
      wrong,
      seed: instructions * 31 + wrong,
    });
    const from = await arena.chain.read.getBlockNumber();
    const before = await arena.chain.read.getBalance({ address: arena.address(BOB) });
    await arena.call(MALLORY, "proposeStateRoot", [lieAt(instructions), genesis], BOND);
    await arena.settle(bob);
    expect(await arena.gameCount(), `${style}: the lie is disputed`).toBe(1n);
    const start = await arena.now();
    while (await liar.act(1n)) await arena.settle(bob);
    await arena.settle(bob);
    expect((await arena.entry(1n)).status, `${style}: rejected`).toBe(REJECTED);
    expect((await arena.now()) - start, `${style}: in time`).toBeLessThan(
      2n * BigInt(CLOCK) + 100n,
    );
    const gas = await arena.gasPaid(arena.address(BOB), from);
    const after = await arena.chain.read.getBalance({ address: arena.address(BOB) });
    expect(after - before, `${style}: money`).toBe(BOND / 2n - gas);
  }

  async function beatChallenger(style: ChallengerStyle): Promise<void> {
    const alice = arena.player(ALICE, PROPOSES, { truth });
    const liar = new LyingChallenger(arena, { account: MALLORY, style, seed: instructions });
    const from = await arena.chain.read.getBlockNumber();
    const before = await arena.chain.read.getBalance({ address: arena.address(ALICE) });
    await arena.settle(alice);
    expect((await arena.entry(1n)).status).toBe(PENDING);
    await arena.call(MALLORY, "challengeStateRoot", [1n], DEPOSIT);
    await arena.settle(alice);
    while (await liar.act(1n)) await arena.settle(alice);
    expect(await arena.game(1n), style).toMatchObject({ resolved: true });
    expect((await arena.entry(1n)).status, style).toBe(PENDING);
    const { deadline, lastResolvedAt } = await arena.entry(1n);
    const resolved = lastResolvedAt + BigInt(GRACE);
    await arena.mineAt(resolved > deadline ? resolved : deadline);
    await arena.settle(alice);
    expect((await arena.entry(1n)).status, style).toBe(FINALIZED);
    expect(
      (await arena.now()) - deadline + BigInt(PERIOD),
      `${style}: time to finality`,
    ).toBeLessThan(BigInt(PERIOD + 2 * CLOCK + GRACE) + 100n);
    const gas = await arena.gasPaid(arena.address(ALICE), from);
    const after = await arena.chain.read.getBalance({ address: arena.address(ALICE) });
    expect(after - before, `${style}: money`).toBe(DEPOSIT - gas);
  }
});
