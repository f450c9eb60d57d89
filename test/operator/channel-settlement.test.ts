// Two sides with a real chain under them, from deposits to money, without a watchtower.

import type { Hex } from "viem";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ChannelPlace } from "../../operator/channel/agreement.ts";
import { ChainView } from "../../operator/channel/chain-view.ts";
import { ChannelReader } from "../../operator/channel/channel-reader.ts";
import { closeData, disputeData } from "../../operator/channel/settlement.ts";
import { developmentAccount } from "./chain.ts";
import {
  ALICE,
  BOB,
  type ChannelTown,
  openChannelTown,
  PERIOD_SECONDS,
  STRANGER,
} from "./channel-chain.ts";
import { Pair, payment } from "./channel-pair.ts";

let town: ChannelTown;
let reader: ChannelReader;
let place: ChannelPlace;
let pair: Pair;

beforeAll(async () => {
  town = await openChannelTown();
  reader = await ChannelReader.open(town.chain.read, town.factory);
});
afterAll(() => town.chain.close());

beforeEach(async () => {
  place = await town.open();
  pair = await Pair.make(place);
});
afterEach(() => pair.remove());

const send = (from: number, data: Hex) =>
  town.chain.signer(from).sendTransaction({
    to: place.channel,
    data,
    chain: null,
    account: developmentAccount(from),
  });

describe("operator / channel, settling", () => {
  it("closes together: one transaction, from anybody, then each fetches its part", async () => {
    await pair.parties.alice.pay(payment(250_000n));
    await pair.parties.bob.close();
    await pair.quiet();
    await send(STRANGER, closeData(pair.parties.alice.record));
    expect(await town.standing(place)).toMatchObject({
      status: 2,
      payouts: [750_000n, 750_000n],
    });
    await town.call(ALICE, place.channel, "withdraw");
    await town.call(BOB, place.channel, "withdraw");
    expect(await town.chain.read.getBalance({ address: place.channel })).toBe(0n);
  });

  it("settles alone with the last state, against a partner that is gone", async () => {
    await pair.parties.alice.pay(payment(250_000n));
    await pair.parties.bob.pay(payment(50_000n));
    await send(BOB, disputeData(pair.parties.bob.record));
    await town.chain.control.increaseTime({ seconds: PERIOD_SECONDS });
    await town.call(STRANGER, place.channel, "finalizeDispute");
    expect((await town.standing(place)).payouts).toEqual([800_000n, 700_000n]);
  });

  it("settles alone where nothing was signed", async () => {
    await send(ALICE, disputeData(pair.parties.alice.record));
    expect((await town.standing(place)).payouts).toEqual([1_000_000n, 500_000n]);
  });

  it("has no close to send before both signed one", () => {
    expect(() => closeData(pair.parties.alice.record)).toThrowError(
      expect.objectContaining({ code: "CHANNEL_CLOSING" }),
    );
  });

  it("counts deposits once they have their confirmations, and none of a channel that is not there", async () => {
    const { control } = town.chain;
    expect(await reader.deposits(place.channel, 0)).toEqual({
      aliceWei: 1_000_000n,
      bobWei: 500_000n,
    });
    await control.mine({ blocks: 3 });
    const signer = town.chain.signer(BOB);
    const account = developmentAccount(BOB);
    await signer.sendTransaction({
      to: place.channel,
      data: "0xd0e30db0",
      value: 7n,
      chain: null,
      account,
    });
    expect((await reader.deposits(place.channel, 0)).bobWei).toBe(500_007n);
    expect((await reader.deposits(place.channel, 2)).bobWei).toBe(500_000n);
    await control.mine({ blocks: 2 });
    expect((await reader.deposits(place.channel, 2)).bobWei).toBe(500_007n);
    const none = { aliceWei: 0n, bobWei: 0n };
    expect(await reader.deposits(place.channel, 10_000)).toEqual(none);
    expect(await reader.deposits(account.address, 0)).toEqual(none);
  });

  it("sees that a channel is in a dispute, asks no more often than it must, and not for ever without", async () => {
    let nowMs = 0;
    let asked = 0;
    let isAway = false;
    const counting = {
      deposits: async (...args: Parameters<ChannelReader["deposits"]>) => {
        asked++;
        if (isAway) throw new Error("away");
        return reader.deposits(...args);
      },
      standing: (channel: typeof place.channel) => reader.standing(channel),
    };
    const options = { channel: place.channel, confirmations: 0, maxAgeMs: 10, staleAfterMs: 100 };
    const { view } = new ChainView(options, { reader: counting, nowMs: () => nowMs });
    const open = { aliceWei: 1_000_000n, bobWei: 500_000n, isOpen: true };
    expect(await Promise.all([view(), view()])).toEqual([open, open]);
    nowMs = 9;
    await view();
    expect(asked).toBe(1);
    await send(ALICE, disputeData(pair.parties.alice.record));
    nowMs = 10;
    expect(await view()).toEqual({ ...open, isOpen: false });
    isAway = true;
    nowMs = 109;
    expect((await view()).isOpen).toBe(false);
    nowMs = 110;
    await expect(view()).rejects.toThrow("away");
    const nowhere = { ...options, channel: developmentAccount(STRANGER).address };
    expect(await new ChainView(nowhere, { reader }).view()).toEqual({
      aliceWei: 0n,
      bobWei: 0n,
      isOpen: true,
    });
  });

  it("reads a channel's terms out of its code", async () => {
    expect(await reader.terms(place.channel)).toEqual(town.terms);
  });
});
