// More than one game, more than one liar: what is won must be won whoever else plays.

import type { Hex } from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { FraudPlayer } from "../../operator/fraud/player.ts";
import type { Truth } from "../../operator/fraud/truth.ts";
import {
  ALICE,
  Arena,
  BOB,
  BOND,
  CHALLENGES,
  CLOCK,
  COPYCAT,
  DEPOSIT,
  GRACE,
  keyOf,
  lieAt,
  MALLORY,
  PROPOSES,
  SYBIL,
} from "./arena.ts";
import { LyingProposer } from "./liars.ts";

const INSTRUCTIONS = 17;
const PENDING = 1;
const FINALIZED = 2;
const REJECTED = 3;
const SLASHED = 4;
const REFUNDED = 5;

let arena: Arena;
let truth: Truth;
let genesis: Hex;
let from: bigint;

beforeEach(async () => {
  arena = await Arena.open();
  await arena.batch(INSTRUCTIONS);
  truth = await arena.truth();
  genesis = keyOf(0, truth.rootAfter(0));
  from = await arena.chain.read.getBlockNumber();
});

afterEach(() => arena.close());

const statusOf = async (id: bigint) => (await arena.entry(id)).status;

const balanceOf = (account: number) =>
  arena.chain.read.getBalance({ address: arena.address(account) });

/** What an account has more or less than before, gas apart. */
async function gainOf(account: number, before: bigint): Promise<bigint> {
  const gas = await arena.gasPaid(arena.address(account), from + 1n);
  return (await balanceOf(account)) - before + gas;
}

async function finalizeAfterDeadline(id: bigint, player: FraudPlayer) {
  const { deadline, lastResolvedAt } = await arena.entry(id);
  const calm = lastResolvedAt + BigInt(GRACE);
  await arena.mineAt(calm > deadline ? calm : deadline);
  await arena.settle(player);
}

describe("fraud / a crowd", () => {
  it("lazy copycat: who claims the truth first and loses on purpose leaves it to others", async () => {
    const alice = arena.player(ALICE, PROPOSES);
    const before = await balanceOf(ALICE);
    await arena.call(MALLORY, "proposeStateRoot", [truth.rootAfter(1), genesis], BOND);
    await arena.settle(alice);
    expect(await arena.entryCount(), "one undisputed stake on the truth is enough").toBe(1n);
    const { deadline } = await arena.entry(1n);
    await arena.nextBlockAt(deadline - 1n);
    await arena.call(SYBIL, "challengeStateRoot", [1n], DEPOSIT);
    await arena.settle(alice);
    expect(await arena.entryCount(), "a disputed one is not").toBe(2n);
    await arena.mineAt((await arena.now()) + BigInt(CLOCK) + 1n);
    await arena.call(SYBIL, "claimTimeout", [1n]);
    expect(await statusOf(1n)).toBe(REJECTED);

    await finalizeAfterDeadline(2n, alice);
    expect(await statusOf(2n)).toBe(FINALIZED);
    expect(await gainOf(ALICE, before)).toBe(0n);
    // The two together have lost half a bond: it is burned.
    const left =
      (await arena.credits(arena.address(SYBIL))) + (await arena.credits(arena.address(MALLORY)));
    expect(left).toBe(DEPOSIT + BOND / 2n);
  });

  it("sybil self-challenge: a sham game, lost or left to rot, keeps nobody from the real one", async () => {
    const bob = arena.player(BOB, CHALLENGES);
    const before = await balanceOf(BOB);
    const liar = new LyingProposer(arena, {
      account: MALLORY,
      truth,
      style: "consistent",
      wrong: 9,
      seed: 1,
    });
    await arena.call(MALLORY, "proposeStateRoot", [lieAt(INSTRUCTIONS), genesis], BOND);
    await arena.call(SYBIL, "challengeStateRoot", [1n], DEPOSIT); // game 1: will rot
    await arena.call(SYBIL, "challengeStateRoot", [1n], DEPOSIT); // game 2: will be lost
    await arena.settle(bob); // game 3
    for (let open = true; open; ) {
      const { lo, hi, resolved } = await arena.game(2n);
      open = !resolved && hi - lo > 1n && (await liar.act(2n));
      if (open) await arena.call(SYBIL, "choose", [2n, true]); // always the wrong half
    }
    expect(await statusOf(1n)).toBe(PENDING);
    while (await liar.act(3n)) await arena.settle(bob);
    await arena.settle(bob);
    expect(await statusOf(1n)).toBe(REJECTED);
    expect(await gainOf(BOB, before)).toBe(BOND / 2n);
  });

  it("sybil that wins first: saves half the liar's bond, and costs the honest challenger gas only", async () => {
    const bob = arena.player(BOB, CHALLENGES);
    const before = await balanceOf(BOB);
    await arena.call(MALLORY, "proposeStateRoot", [lieAt(INSTRUCTIONS), genesis], BOND);
    await arena.call(SYBIL, "challengeStateRoot", [1n], DEPOSIT);
    await arena.settle(bob);
    // The liar answers the honest one in the last second, and never the sybil.
    const { lastMove } = await arena.game(2n);
    await arena.nextBlockAt(lastMove + BigInt(CLOCK));
    await arena.call(MALLORY, "bisect", [2n, lieAt(8)]);
    await arena.call(SYBIL, "claimTimeout", [1n]);
    expect(await statusOf(1n)).toBe(REJECTED);
    await arena.settle(bob);
    expect(await arena.game(2n)).toMatchObject({ resolved: true });
    expect(await gainOf(BOB, before)).toBe(0n);
    expect(await arena.credits(arena.address(SYBIL))).toBe(DEPOSIT + BOND / 2n);
    expect(await arena.credits(arena.address(MALLORY))).toBe(0n);
  });

  it("copycat challenger: who copies each move may take the prize, and costs the honest one gas only", async () => {
    const bob = arena.player(BOB, CHALLENGES);
    const before = await balanceOf(BOB);
    const liar = new LyingProposer(arena, {
      account: MALLORY,
      truth,
      style: "consistent",
      wrong: 5,
      seed: 3,
    });
    await arena.call(MALLORY, "proposeStateRoot", [lieAt(INSTRUCTIONS), genesis], BOND);
    await arena.settle(bob);
    await arena.call(COPYCAT, "challengeStateRoot", [1n], DEPOSIT);
    // A liar that answers both alike lets the copycat read the right choices off game 1.
    for (;;) {
      await liar.act(1n);
      await liar.act(2n);
      const [{ hi, lo }, copy] = [await arena.game(1n), await arena.game(2n)];
      if (hi - lo === 2n || copy.hi - copy.lo === 1n) break;
      const agree =
        (await truth.trace(0, 1)).root(Number(lo + (hi - lo) / 2n)) ===
        (await arena.game(1n)).midState;
      await arena.settle(bob);
      await arena.call(COPYCAT, "choose", [2n, agree]);
    }
    await arena.settle(bob);
    await arena.settle(bob);
    expect(await statusOf(1n)).toBe(REJECTED);
    const gain = await gainOf(BOB, before);
    expect([0n, BOND / 2n]).toContain(gain);
  });

  it("copycat challenger that is faster at the end: the honest one's deposit comes back", async () => {
    const bob = arena.player(BOB, CHALLENGES);
    const before = await balanceOf(BOB);
    await arena.call(MALLORY, "proposeStateRoot", [lieAt(INSTRUCTIONS), genesis], BOND);
    await arena.settle(bob);
    await arena.call(COPYCAT, "challengeStateRoot", [1n], DEPOSIT);
    const trace = await truth.trace(0, 1);
    for (;;) {
      const { lo, hi } = await arena.game(2n);
      if (hi - lo === 1n) break;
      const mid = trace.root(Number(lo + (hi - lo) / 2n));
      await arena.call(MALLORY, "bisect", [2n, mid]);
      await arena.call(COPYCAT, "choose", [2n, true]);
    }
    const { lo } = await arena.game(2n);
    const { preState } = await trace.witness(Number(lo));
    const evidence = (await arena.inbox()).evidence(Number(lo));
    await arena.call(COPYCAT, "resolveChallenge", [2n, evidence, preState]);
    await arena.settle(bob);
    expect(await statusOf(1n)).toBe(REJECTED);
    expect(await gainOf(BOB, before)).toBe(0n);
  });

  it("a dozen false challenges at once bind an honest proposer's time, not its money", async () => {
    const alice = arena.player(ALICE, PROPOSES);
    const before = await balanceOf(ALICE);
    await arena.settle(alice);
    for (let i = 0; i < 12; i++) await arena.call(SYBIL, "challengeStateRoot", [1n], DEPOSIT);
    await arena.settle(alice);
    for (let i = 1n; i <= 6n; i++) await arena.call(SYBIL, "choose", [i, i % 2n === 0n]);
    await arena.settle(alice);
    await arena.mineAt((await arena.now()) + BigInt(CLOCK) + 1n);
    await arena.settle(alice);
    expect((await arena.entry(1n)).openChallenges).toBe(0);
    await finalizeAfterDeadline(1n, alice);
    expect(await statusOf(1n)).toBe(FINALIZED);
    expect(await gainOf(ALICE, before)).toBe(12n * DEPOSIT);
  });

  it("claims on claims: proposes ahead, and disputes a false child of a true parent only", async () => {
    await arena.batch(4);
    await arena.batch(3);
    const alice = arena.player(ALICE, PROPOSES);
    const bob = arena.player(BOB, CHALLENGES);
    await arena.settle(alice);
    const ends = [];
    for (let id = 1n; id <= (await arena.entryCount()); id++)
      ends.push((await arena.entry(id)).key);
    truth = await arena.truth();
    expect(ends).toEqual([keyOf(1, truth.rootAfter(1)), keyOf(3, truth.rootAfter(3))]);

    await arena.call(MALLORY, "proposeStateRoot", [lieAt(1), ends[0] as Hex], BOND); // 3
    await arena.call(MALLORY, "proposeStateRoot", [lieAt(2), genesis], BOND); // 4
    await arena.settle(bob);
    expect(await arena.gameCount()).toBe(2n);
    await arena.call(MALLORY, "proposeStateRoot", [lieAt(3), keyOf(1, lieAt(2))], BOND); // 5: on a false parent
    await arena.settle(bob);
    expect(await arena.gameCount(), "nobody can know the states on a false parent").toBe(2n);
    await arena.mineAt((await arena.now()) + BigInt(CLOCK) + 1n);
    await arena.settle(bob);
    expect([await statusOf(3n), await statusOf(4n)]).toEqual([REJECTED, REJECTED]);
    await finalizeAfterDeadline(2n, alice);
    expect(await arena.finalEnd()).toBe(3n);
    await arena.call(MALLORY, "claimOrphan", [5n]);
    expect(await statusOf(5n)).toBe(REFUNDED);
  });

  it("stakes no further ahead than it is told, and goes on when the first claim is final", async () => {
    const alice = arena.player(ALICE, PROPOSES, { maxAhead: 2 });
    await arena.settle(alice);
    for (let batch = 2; batch <= 5; batch++) {
      await arena.batch(2);
      await arena.settle(alice);
    }
    expect(await arena.entryCount()).toBe(2n);
    await finalizeAfterDeadline(1n, alice);
    expect(await arena.entryCount()).toBeGreaterThan(2n);
    const last = await arena.entry(await arena.entryCount());
    truth = await arena.truth();
    expect(last.key).toBe(keyOf(5, truth.rootAfter(5)));
  });

  it("a liar that is overtaken by the truth is slashed, and its challenger paid", async () => {
    const alice = arena.player(ALICE, PROPOSES);
    const bob = arena.player(BOB, CHALLENGES);
    const before = await balanceOf(BOB);
    await arena.settle(alice);
    const { deadline } = await arena.entry(1n);
    await arena.nextBlockAt(deadline - 10n);
    await arena.call(MALLORY, "proposeStateRoot", [lieAt(INSTRUCTIONS), genesis], BOND);
    await arena.settle(bob);
    await finalizeAfterDeadline(1n, alice);
    await arena.settle(bob);
    expect(await statusOf(2n)).toBe(SLASHED);
    expect(await gainOf(BOB, before)).toBe(BOND / 2n);
  });
});
