// Round by round against a chain: what the watch looks at, and what it has answered.

import { createWalletClient, custom, HttpRequestError } from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ChannelPlace } from "../../operator/channel/agreement.ts";
import { AnswerSender } from "../../operator/channel/answer-sender.ts";
import { ChannelReader } from "../../operator/channel/channel-reader.ts";
import { DisputeWatch } from "../../operator/channel/dispute-watch.ts";
import type { SignedState } from "../../operator/channel/signed-state.ts";
import { developmentAccount } from "./chain.ts";
import {
  ALICE,
  BOB,
  type ChannelTown,
  listeningLog,
  openChannelTown,
  PERIOD_SECONDS,
  STRANGER,
  signedState,
  TOWER,
} from "./channel-chain.ts";

let town: ChannelTown;
let place: ChannelPlace;
let nowMs: number;
const states = new Map<string, SignedState>();

beforeEach(async () => {
  town = await openChannelTown();
  place = await town.open();
  nowMs = 0;
  states.clear();
});

afterEach(() => town.chain.close());

const RESEND_MS = 1_000;

async function makeWatch(
  options: { maxFeePerGasWei?: bigint; sweepMs?: number; isSendingRefused?: () => boolean } = {},
) {
  const log = listeningLog();
  const { read } = town.chain;
  const account = developmentAccount(TOWER);
  const reader = await ChannelReader.open(read, town.factory);
  const sender = new AnswerSender(
    { maxFeePerGasWei: options.maxFeePerGasWei ?? 10n ** 12n, resendAfterMs: RESEND_MS },
    {
      read,
      signer: createWalletClient({
        account,
        transport: custom(
          {
            request: async (call) => {
              if (call.method === "eth_sendRawTransaction" && options.isSendingRefused?.()) {
                throw new HttpRequestError({
                  status: 429,
                  url: "https://node.example/v3/password",
                });
              }
              return read.request(call);
            },
          },
          { retryCount: 0 },
        ),
      }),
      log,
      nowMs: () => nowMs,
    },
  );
  const watch = new DisputeWatch(
    { sweepMs: options.sweepMs ?? 10 ** 12, rangeBlocks: 1_000 },
    {
      reader,
      sender,
      states: {
        get channels() {
          return [...states.keys()] as `0x${string}`[];
        },
        state: (channel) => states.get(channel),
      },
      log,
      nowMs: () => nowMs,
    },
  );
  return { watch, log, reader };
}

const keep = async (of: ChannelPlace, nonce: bigint) =>
  states.set(of.channel, await signedState(of, nonce));
const nonceOf = async (of = place) => (await town.standing(of)).nonce;
const towerNonce = () =>
  town.chain.read.getTransactionCount({ address: developmentAccount(TOWER).address });
const pending = async () =>
  (await town.chain.read.getBlock({ blockTag: "pending", includeTransactions: true })).transactions;

describe("operator / dispute watch", () => {
  it("answers a dispute about a stale state with the latest one", async () => {
    await keep(place, 9n);
    const { watch } = await makeWatch();
    await watch.advance();
    expect(await towerNonce()).toBe(0);
    await town.dispute(ALICE, place, await signedState(place, 2n));
    await watch.advance();
    expect(await town.standing(place)).toMatchObject({
      status: 1,
      nonce: 9n,
      payouts: [999_991n, 500_009n],
    });
    await watch.advance();
    expect(await towerNonce()).toBe(1);
  });

  it("answers one about the deposits, and one that began before it did", async () => {
    await keep(place, 9n);
    await town.call(BOB, place.channel, "initiateDepositDispute");
    const { watch } = await makeWatch();
    await watch.advance();
    expect(await nonceOf()).toBe(9n);
  });

  it("keeps quiet about the latest state, a later one, strangers' channels, and after the end", async () => {
    await keep(place, 9n);
    const { watch, log } = await makeWatch();
    await watch.advance();
    await town.dispute(ALICE, place, await signedState(place, 9n));
    const second = await town.open();
    await keep(second, 9n);
    await town.dispute(ALICE, second, await signedState(second, 10n));
    const strange = await town.open();
    await town.dispute(ALICE, strange, await signedState(strange, 1n));
    const late = await town.open();
    await town.dispute(ALICE, late, await signedState(late, 1n));
    await town.chain.control.increaseTime({ seconds: PERIOD_SECONDS });
    await town.chain.control.mine({ blocks: 1 });
    await keep(late, 9n);
    watch.touch(late.channel);
    await watch.advance();
    expect(await towerNonce()).toBe(0);
    expect(log.lines.map(({ event }) => event)).toContain(
      "a stale state's time for answers is over",
    );
  });

  it("sends nothing when somebody else was faster", async () => {
    await keep(place, 9n);
    const { watch } = await makeWatch();
    await town.dispute(ALICE, place, await signedState(place, 2n));
    const { state, aliceSignature, bobSignature } = await signedState(place, 9n);
    await town.call(STRANGER, place.channel, "challengeDispute", [
      state,
      aliceSignature,
      bobSignature,
    ]);
    await watch.advance();
    expect(await towerNonce()).toBe(0);
  });

  it("answers again when the cheater comes with a still later, stale state", async () => {
    await keep(place, 5n);
    const { watch } = await makeWatch();
    await town.dispute(ALICE, place, await signedState(place, 2n));
    await watch.advance();
    await keep(place, 9n);
    const { state, aliceSignature, bobSignature } = await signedState(place, 7n);
    await town.call(ALICE, place.channel, "challengeDispute", [
      state,
      aliceSignature,
      bobSignature,
    ]);
    await watch.advance();
    expect(await nonceOf()).toBe(9n);
  });

  it("answers several at once, those with the least time first", async () => {
    const places = [place, await town.open(), await town.open()];
    for (const [i, of] of places.entries()) {
      await keep(of, 9n);
      // The last one to be disputed has the most time left.
      await town.dispute(
        ALICE,
        places[2 - i] as ChannelPlace,
        await signedState(places[2 - i] as ChannelPlace, 1n),
      );
      await town.chain.control.increaseTime({ seconds: 100 });
    }
    await town.chain.control.mine({ blocks: 1 });
    await town.chain.control.setAutomine(false);
    const { watch } = await makeWatch();
    await watch.advance();
    const waiting = [...(await pending())].sort((a, b) => a.nonce - b.nonce);
    expect(waiting.map(({ to }) => to?.toLowerCase())).toEqual(
      places.toReversed().map(({ channel }) => channel.toLowerCase()),
    );
    await town.chain.control.mine({ blocks: 1 });
    for (const of of places) expect(await nonceOf(of)).toBe(9n);
  });

  it("answers beside a channel that cannot be read, and looks at that again", async () => {
    // Where a contract was, and is no more after a reorganisation.
    const unreadable = { ...place, channel: developmentAccount(STRANGER).address };
    await keep(unreadable, 9n);
    await keep(place, 9n);
    await town.dispute(ALICE, place, await signedState(place, 2n));
    const { watch, log } = await makeWatch();
    await watch.advance();
    expect(await nonceOf()).toBe(9n);
    expect(watch.active).toContain(unreadable.channel);
    expect(log.lines.map(({ event }) => event)).toContain(
      "channels that cannot be read; they are looked at again",
    );
  });

  it("raises what waits although more disputes have come than it sends answers at a time", async () => {
    const places = [place];
    while (places.length < 17) places.push(await town.open());
    for (const of of places) await town.dispute(ALICE, of, await signedState(of, 1n));
    const [first, ...others] = places as [ChannelPlace, ...ChannelPlace[]];
    for (const of of others) await keep(of, 9n);
    await town.chain.control.setAutomine(false);
    const { watch } = await makeWatch();
    await watch.advance();
    const feesOf = async () =>
      new Map((await pending()).map(({ to, maxFeePerGas = 0n }) => [to, maxFeePerGas]));
    const before = await feesOf();
    expect(before.size).toBe(16);
    // The one with the least time comes last.
    await keep(first, 9n);
    watch.touch(first.channel);
    nowMs += RESEND_MS;
    await watch.advance();
    for (const [to, fee] of await feesOf()) expect(fee).toBeGreaterThan(before.get(to) ?? fee);
    await town.chain.control.mine({ blocks: 1 });
    await watch.advance();
    await town.chain.control.mine({ blocks: 1 });
    for (const of of places) expect(await nonceOf(of)).toBe(9n);
  });

  it("replaces an answer that nobody mines by one with a higher fee, never by a second one", async () => {
    await keep(place, 9n);
    await town.dispute(ALICE, place, await signedState(place, 2n));
    await town.chain.control.setAutomine(false);
    const { watch } = await makeWatch();
    await watch.advance();
    await watch.advance();
    const [before] = await pending();
    nowMs += RESEND_MS;
    await watch.advance();
    const after = await pending();
    expect(after).toHaveLength(1);
    expect(after[0]?.nonce).toBe(before?.nonce);
    expect(after[0]?.maxFeePerGas).toBeGreaterThan(((before?.maxFeePerGas ?? 0n) * 12n) / 10n);
    await town.chain.control.mine({ blocks: 1 });
    expect(await nonceOf()).toBe(9n);
  });

  it("raises sooner when little time is left", async () => {
    await keep(place, 9n);
    await town.dispute(ALICE, place, await signedState(place, 2n));
    await town.chain.control.increaseTime({ seconds: PERIOD_SECONDS - 5 });
    await town.chain.control.mine({ blocks: 1 });
    await town.chain.control.setAutomine(false);
    const { watch } = await makeWatch();
    await watch.advance();
    const [before] = await pending();
    nowMs += RESEND_MS - 1;
    await watch.advance();
    expect((await pending())[0]?.maxFeePerGas).toBeGreaterThan(before?.maxFeePerGas ?? 0n);
  });

  it("offers no higher fee because a node was busy, and keeps the node's address to itself", async () => {
    await keep(place, 9n);
    await town.dispute(ALICE, place, await signedState(place, 2n));
    await town.chain.control.setAutomine(false);
    let isSendingRefused = true;
    const { watch, log } = await makeWatch({ isSendingRefused: () => isSendingRefused });
    for (let i = 0; i < 12; i++) await watch.advance();
    expect(await pending()).toHaveLength(0);
    isSendingRefused = false;
    await watch.advance();
    const [answer] = await pending();
    const { maxFeePerGas } = await town.chain.read.estimateFeesPerGas();
    expect(answer?.maxFeePerGas).toBeLessThan(2n * maxFeePerGas);
    expect(log.lines.map(({ event }) => event)).toContain("answer not sent");
    expect(JSON.stringify(log.lines)).not.toContain("password");
  });

  it("offers no more than it may, and says so", async () => {
    await keep(place, 9n);
    await town.dispute(ALICE, place, await signedState(place, 2n));
    await town.chain.control.setAutomine(false);
    const limit = 10n ** 10n;
    const { watch, log } = await makeWatch({ maxFeePerGasWei: limit });
    for (let i = 0; i < 12; i++) {
      await watch.advance();
      nowMs += RESEND_MS;
    }
    expect((await pending())[0]?.maxFeePerGas).toBeLessThanOrEqual(limit);
    expect(log.lines.map(({ event }) => event)).toContain("answers need a higher fee than allowed");
  });

  it("gets past a transaction that an earlier process left at its nonce", async () => {
    await keep(place, 9n);
    await town.dispute(ALICE, place, await signedState(place, 2n));
    await town.chain.control.setAutomine(false);
    await town.chain.signer(TOWER).sendTransaction({
      to: developmentAccount(9).address,
      value: 1n,
      // Three times what the watch begins with: it has to raise five times.
      maxFeePerGas: 3n * (await town.chain.read.estimateFeesPerGas()).maxFeePerGas,
      maxPriorityFeePerGas: 3n * (await town.chain.read.estimateFeesPerGas()).maxPriorityFeePerGas,
      chain: null,
      account: developmentAccount(TOWER),
    });
    const { watch } = await makeWatch();
    for (let round = 0; round < 8; round++) await watch.advance();
    expect(await pending()).toHaveLength(1);
    await town.chain.control.mine({ blocks: 1 });
    expect(await nonceOf()).toBe(9n);
  });

  it("uses the nonce of an answer that is not needed any more for the next one", async () => {
    const second = await town.open();
    await keep(place, 9n);
    await keep(second, 9n);
    await town.dispute(ALICE, place, await signedState(place, 2n));
    await town.chain.control.setAutomine(false);
    const { watch } = await makeWatch();
    await watch.advance();
    // The tower's transaction is dropped; somebody else answers, and another channel is disputed.
    const [own] = await pending();
    await town.chain.control.dropTransaction({ hash: own?.hash as `0x${string}` });
    await town.chain.control.setAutomine(true);
    const { state, aliceSignature, bobSignature } = await signedState(place, 9n);
    await town.call(STRANGER, place.channel, "challengeDispute", [
      state,
      aliceSignature,
      bobSignature,
    ]);
    await town.dispute(ALICE, second, await signedState(second, 2n));
    await watch.advance();
    expect(await nonceOf(second)).toBe(9n);
    expect(await towerNonce()).toBe(1);
  });

  it("answers again when a reorganisation takes the answer away", async () => {
    await keep(place, 9n);
    await town.dispute(ALICE, place, await signedState(place, 2n));
    const fork = await town.chain.control.snapshot();
    const { watch } = await makeWatch();
    await watch.advance();
    expect(await nonceOf()).toBe(9n);
    await town.chain.reorganise(fork);
    expect(await nonceOf()).toBe(2n);
    // Nodes put such a transaction back themselves; this one has forgotten it.
    nowMs += RESEND_MS;
    await watch.advance();
    expect(await nonceOf()).toBe(9n);
    await watch.advance();
    expect(await nonceOf()).toBe(9n);
  });

  it("answers again when the dispute itself is undone, and made anew with another state", async () => {
    await keep(place, 9n);
    const { watch } = await makeWatch();
    const fork = await town.chain.control.snapshot();
    await town.dispute(ALICE, place, await signedState(place, 2n));
    await watch.advance();
    await town.chain.reorganise(fork);
    await watch.advance();
    expect((await town.standing(place)).status).toBe(0);
    await town.dispute(ALICE, place, await signedState(place, 3n));
    await watch.advance();
    expect(await nonceOf()).toBe(9n);
  });

  it("finds a dispute that a reorganisation puts below what it has read", async () => {
    await keep(place, 9n);
    const { watch } = await makeWatch();
    const fork = await town.chain.control.snapshot();
    await town.chain.control.mine({ blocks: 70 });
    await watch.advance();
    await town.chain.control.mine({ blocks: 5 });
    await watch.advance();
    expect(watch.active).toEqual([]);
    await town.chain.control.revert({ id: fork });
    await town.chain.control.mine({ blocks: 30 });
    await town.dispute(ALICE, place, await signedState(place, 2n));
    await town.chain.control.mine({ blocks: 46 });
    await watch.advance();
    expect(await nonceOf()).toBe(9n);
  });

  it("finds a dispute whose logs a node leaves out, or refuses to give", async () => {
    await keep(place, 9n);
    const { watch, reader } = await makeWatch({ sweepMs: 5_000 });
    await watch.advance();
    reader.disputed = async () => [];
    await town.chain.control.mine({ blocks: 100 });
    await watch.advance();
    await town.dispute(ALICE, place, await signedState(place, 2n));
    await watch.advance();
    expect(await nonceOf()).toBe(2n);
    nowMs += 5_000;
    await watch.advance();
    expect(await nonceOf()).toBe(9n);

    const second = await town.open();
    await keep(second, 9n);
    await town.dispute(ALICE, second, await signedState(second, 2n));
    reader.disputed = async () => {
      throw new Error("query returned more than 10000 results");
    };
    await watch.advance();
    expect(await nonceOf(second)).toBe(9n);
  });

  it("stops looking at a channel long after its dispute, and not before", async () => {
    await keep(place, 9n);
    const { watch } = await makeWatch();
    await town.dispute(ALICE, place, await signedState(place, 9n));
    await watch.advance();
    await town.chain.control.increaseTime({ seconds: PERIOD_SECONDS });
    await town.call(STRANGER, place.channel, "finalizeDispute");
    await watch.advance();
    expect(watch.active).toEqual([place.channel]);
    for (let round = 0; round < 2; round++) {
      await town.chain.control.mine({ blocks: 130 });
      await watch.advance();
    }
    expect(watch.active).toEqual([]);
  });
});
