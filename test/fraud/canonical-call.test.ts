// Calls that count on one history only, and what the contract reports.

import { encodeFunctionData, type Hex, parseEventLogs, zeroHash } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OPTIMISTIC_ABI } from "../../operator/fraud/optimistic-abi.ts";
import type { Truth } from "../../operator/fraud/truth.ts";
import { revertOf } from "../contracts/reverts.ts";
import { ALICE, Arena, BOB, BOND, DEPOSIT, keyOf, lieAt, MALLORY } from "./arena.ts";

let arena: Arena;
let truth: Truth;
let genesis: Hex;

beforeAll(async () => {
  arena = await Arena.open();
  await arena.batch(3);
  truth = await arena.truth();
  genesis = keyOf(0, truth.rootAfter(0));
});
afterAll(() => arena?.close());

const encode = (functionName: string, args: readonly unknown[]) =>
  encodeFunctionData({ abi: OPTIMISTIC_ABI, functionName, args } as never);
const block = async (behind: bigint) => {
  const head = await arena.chain.read.getBlockNumber();
  return arena.chain.read.getBlock({ blockNumber: head - behind });
};
const wrapped = (number: bigint, hash: Hex, inner: Hex, value = 0n) =>
  arena.call(ALICE, "callIfCanonical", [number, hash, inner], value);
/** Expects the name and arguments of a refusal. */
const refuses = async (call: Promise<unknown>, name: string, args: readonly unknown[]) =>
  expect(await revertOf(call, OPTIMISTIC_ABI)).toEqual({ name, args });

describe("fraud / calls on one history", () => {
  it("runs as its sender, with its money, while the block is there", async () => {
    const { number, hash } = await block(1n);
    const root = truth.rootAfter(1);
    await wrapped(number, hash, encode("proposeStateRoot", [root, genesis]), BOND);
    const entry = await arena.entry(await arena.entryCount());
    expect(entry.proposer).toBe(arena.address(ALICE));
    expect(await arena.chain.read.getBalance({ address: arena.deployment.rollup })).toBe(BOND);
  });

  it("is void with another hash, for the block that is being made, and for blocks to come", async () => {
    const { number, hash } = await block(1n);
    const inner = encode("withdrawCredit", []);
    await refuses(wrapped(number, lieAt(1), inner), "NotCanonical", [number, lieAt(1), hash]);
    const next = (await arena.chain.read.getBlockNumber()) + 1n;
    for (const future of [next, next + 1n, 2n ** 255n]) {
      await refuses(wrapped(future, lieAt(1), inner), "NotCanonical", [future, lieAt(1), zeroHash]);
      // The hash that an unknown block seems to have proves nothing either.
      await refuses(wrapped(future, zeroHash, inner), "NotCanonical", [future, zeroHash, zeroHash]);
    }
  });

  it("passes the reason of a refusal on, and keeps the money out", async () => {
    const { number, hash } = await block(1n);
    await refuses(wrapped(number, hash, encode("withdrawCredit", [])), "NoCredit", [
      arena.address(ALICE),
    ]);
    const proposal = encode("proposeStateRoot", [lieAt(7), genesis]);
    await refuses(wrapped(number, hash, proposal, BOND - 1n), "StakeMismatch", [BOND - 1n, BOND]);
    await refuses(wrapped(number, hash, encode("bisect", [9n, zeroHash])), "ChallengeUnknown", [
      9n,
    ]);
  });

  it("knows the last 256 blocks, and no older one", async () => {
    const { number, hash } = await block(0n);
    const proposal = (salt: number) => encode("proposeStateRoot", [lieAt(salt), genesis]);
    await arena.chain.control.mine({ blocks: 254 });
    await wrapped(number, hash, proposal(8), BOND); // 255 blocks later
    await wrapped(number, hash, proposal(9), BOND); // 256
    await refuses(wrapped(number, hash, proposal(10), BOND), "NotCanonical", [
      number,
      hash,
      zeroHash,
    ]);
  });

  it("costs a few thousand gas more than the bare call", async () => {
    const id = (await arena.entryCount()) + 1n;
    await arena.call(MALLORY, "proposeStateRoot", [lieAt(3), genesis], BOND);
    await arena.call(BOB, "challengeStateRoot", [id], DEPOSIT);
    await arena.call(BOB, "challengeStateRoot", [id], DEPOSIT);
    const [first, second] = [await arena.gameCount(), (await arena.gameCount()) - 1n];
    const bare = await arena.call(MALLORY, "bisect", [first, lieAt(1)]);
    const { number, hash } = await block(1n);
    const inner = encode("bisect", [second, lieAt(1)]);
    const guarded = await arena.call(MALLORY, "callIfCanonical", [number, hash, inner]);
    expect(Number(guarded - bare)).toBeLessThan(4_000);
  });
});

describe("fraud / what the contract reports", () => {
  it("says in every event what happened, not what the caller claims", async () => {
    await arena.call(MALLORY, "proposeStateRoot", [lieAt(4), genesis], BOND);
    const id = await arena.entryCount();
    await arena.call(BOB, "challengeStateRoot", [id], DEPOSIT);
    const game = await arena.gameCount();
    const trace = await truth.trace(0, 1);
    await arena.call(MALLORY, "bisect", [game, trace.root(1)]);
    await arena.call(BOB, "choose", [game, true]);
    await arena.call(MALLORY, "bisect", [game, trace.root(2)]);
    await arena.call(BOB, "choose", [game, true]);
    const evidence = (await arena.inbox()).evidence(2);
    const { preState } = await trace.witness(2);
    const from = await arena.chain.read.getBlockNumber();
    await arena.call(ALICE, "resolveChallenge", [game, evidence, preState]);
    const logs = await arena.chain.read.getLogs({
      address: arena.deployment.rollup,
      fromBlock: from - 4n,
    });
    const events = parseEventLogs({ abi: OPTIMISTIC_ABI, logs }).map(
      ({ eventName, args }) => [eventName, args] as const,
    );
    expect(events).toEqual([
      [
        "ChallengeInitiated",
        { challengeId: game, id, challenger: arena.address(BOB), instructions: 3n },
      ],
      ["Bisected", { challengeId: game, mid: 1n, midState: trace.root(1) }],
      ["Chosen", { challengeId: game, agree: true, lo: 1n, hi: 3n }],
      ["Bisected", { challengeId: game, mid: 2n, midState: trace.root(2) }],
      ["Chosen", { challengeId: game, agree: true, lo: 2n, hi: 3n }],
      ["ChallengeResolved", { challengeId: game, id, challengerWon: true }],
      ["StateRootRejected", { id }],
      ["CreditAdded", { account: arena.address(BOB), amountWei: DEPOSIT }],
      ["CreditAdded", { account: arena.address(BOB), amountWei: BOND / 2n }],
      ["CreditAdded", { account: `0x${"00".repeat(20)}`, amountWei: BOND / 2n }],
    ]);
  });
});
