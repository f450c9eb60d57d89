import { getAddress, parseEventLogs } from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ChannelState } from "../../operator/channel/agreement.ts";
import {
  ALICE_KEY,
  BOTH_ABI,
  bothSigned,
  channelRevert,
  ETHER,
  EXTENSION,
  openChannel,
  PERIOD,
  signed,
  signerOf,
  type TestChannel,
} from "./channel.ts";

let town: TestChannel;

beforeEach(async () => {
  town = await openChannel();
});

afterEach(() => town.connection.close());

const dispute = async (state: ChannelState, user = town.asBob) =>
  user.write.initiateDispute(await bothSigned(town.place, state));
const answer = async (state: ChannelState, user = town.asCarol) =>
  user.write.challengeDispute(await bothSigned(town.place, state));
const reported = async (hash: `0x${string}`) => {
  const { logs } = await town.client.getTransactionReceipt({ hash });
  return parseEventLogs({ abi: BOTH_ABI, logs }).map(({ eventName, args }) => [eventName, args]);
};
const expiration = async () => Number(await town.channel.read.expirationTime());

describe("contracts / a dispute", () => {
  it("stores the state, sets a fixed end and reports both", async () => {
    const hash = await dispute(town.state(3n, 9n * ETHER));
    const expirationTime = BigInt((await town.now()) + PERIOD);
    expect(await reported(hash)).toEqual([
      [
        "DisputeInitiated",
        {
          initiator: town.terms.bob,
          nonce: 3n,
          alicePayout: 9n * ETHER,
          bobPayout: ETHER,
          expirationTime,
        },
      ],
    ]);
    expect(await town.channel.read.status()).toBe(1);
    expect(await town.channel.read.nonce()).toBe(3n);
    expect(await town.channel.read.payouts()).toEqual([9n * ETHER, ETHER]);
    expect(await town.channel.read.expirationTime()).toBe(expirationTime);
  });

  it("pays the stored state, not the deposits", async () => {
    await dispute(town.state(3n, ETHER));
    await town.at(await expiration());
    const hash = await town.asCarol.write.finalizeDispute();
    expect(await reported(hash)).toEqual([
      ["ChannelClosed", { aliceFinal: ETHER, bobFinal: 9n * ETHER, nonce: 3n }],
    ]);
    await town.asAlice.write.withdraw();
    await town.asBob.write.withdraw();
    expect(await town.balanceOf(town.address)).toBe(0n);
  });

  it("can be had with nothing signed: everybody gets its deposits back", async () => {
    await town.asBob.write.deposit({ value: 5n });
    await town.asBob.write.initiateDepositDispute();
    expect(await town.channel.read.nonce()).toBe(0n);
    expect(await town.channel.read.payouts()).toEqual([6n * ETHER, 4n * ETHER + 5n]);
    await town.at(await expiration());
    await town.asCarol.write.finalizeDispute();
    expect(await town.channel.read.payouts()).toEqual([6n * ETHER, 4n * ETHER + 5n]);
  });

  it("of deposits is answered by any signed state", async () => {
    await town.asAlice.write.initiateDepositDispute();
    await answer(town.state(1n, 0n));
    expect(await town.channel.read.payouts()).toEqual([0n, 10n * ETHER]);
  });

  it("is for the parties and their keys; old states in a stranger's hands start none", async () => {
    const carol = getAddress(town.carol.account.address);
    const refused = { name: "NotParticipant", args: [carol] };
    expect(await channelRevert(dispute(town.state(1n, 0n), town.asCarol))).toEqual(refused);
    expect(await channelRevert(town.asCarol.write.initiateDepositDispute())).toEqual(refused);
    let start = await town.control.snapshot();
    const { alice, bob, aliceSigner, bobSigner } = town.terms;
    for (const account of [alice, bob, aliceSigner, bobSigner]) {
      await town.control.impersonateAccount({ address: account });
      await town.control.setBalance({ address: account, value: ETHER });
      const args = await bothSigned(town.place, town.state(1n, 0n));
      await town.asCarol.write.initiateDispute(args, { account });
      expect(await town.channel.read.status()).toBe(1);
      await town.control.revert({ id: start });
      start = await town.control.snapshot();
    }
  });

  it("is had once", async () => {
    await dispute(town.state(3n, 0n));
    const refused = { name: "WrongStatus", args: [1, 0] };
    expect(await channelRevert(dispute(town.state(4n, 0n)))).toEqual(refused);
    expect(await channelRevert(town.asAlice.write.initiateDepositDispute())).toEqual(refused);
  });

  it("takes no signed state of nonce 0", async () => {
    expect(await channelRevert(dispute(town.state(0n, 10n * ETHER)))).toEqual({
      name: "NonceNotNewer",
      args: [0n, 0n],
    });
  });

  it("is possible years after the opening", async () => {
    await town.at((await town.now()) + 10 * 365 * PERIOD);
    await dispute(town.state(1n, 0n));
  });

  it("checks sums, deposits and both signatures when it starts and when it is answered", async () => {
    const total = 10n * ETHER;
    const wrongSum = town.state(4n, 1n, { bobBalance: total });
    const unknown = town.state(4n, 0n, {
      bobDeposited: town.bobWei + 1n,
      bobBalance: total + 1n,
    });
    const good = town.state(4n, 0n);
    const [, a] = await bothSigned(town.place, good);
    const byAliceAlone = [good, a, await signed(town.place, ALICE_KEY, good)] as const;
    const errors = ["BalancesMismatch", "DepositsMissing", "WrongSigner"];
    const starts = [
      () => dispute(wrongSum),
      () => dispute(unknown),
      () => town.asBob.write.initiateDispute(byAliceAlone),
    ];
    for (const [i, call] of starts.entries()) {
      expect((await channelRevert(call())).name).toBe(errors[i]);
    }
    await dispute(town.state(3n, 0n));
    const answers = [
      () => answer(wrongSum),
      () => answer(unknown),
      () => town.asCarol.write.challengeDispute(byAliceAlone),
    ];
    for (const [i, call] of answers.entries()) {
      expect((await channelRevert(call())).name).toBe(errors[i]);
    }
  });

  it("is no dispute where there is none: nothing to answer, nothing to finalize", async () => {
    const refused = { name: "WrongStatus", args: [0, 1] };
    expect(await channelRevert(answer(town.state(1n, 0n)))).toEqual(refused);
    await town.at((await town.now()) + 100 * PERIOD);
    expect(await channelRevert(town.asBob.write.finalizeDispute())).toEqual(refused);
  });
});

describe("contracts / an answer to a dispute", () => {
  beforeEach(async () => {
    await dispute(town.state(3n, 9n * ETHER));
  });

  it("comes from anybody, replaces the state and is reported", async () => {
    const before = await expiration();
    const hash = await answer(town.state(4n, 2n * ETHER));
    expect(await reported(hash)).toEqual([
      [
        "DisputeChallenged",
        {
          challenger: getAddress(town.carol.account.address),
          nonce: 4n,
          alicePayout: 2n * ETHER,
          bobPayout: 8n * ETHER,
          expirationTime: BigInt(before),
        },
      ],
    ]);
    expect(await town.channel.read.nonce()).toBe(4n);
    await town.at(before);
    await town.asBob.write.finalizeDispute();
    expect(await town.channel.read.payouts()).toEqual([2n * ETHER, 8n * ETHER]);
  });

  it("is strictly later", async () => {
    for (const nonce of [1n, 2n, 3n]) {
      expect(await channelRevert(answer(town.state(nonce, 0n)))).toEqual({
        name: "NonceNotNewer",
        args: [nonce, 3n],
      });
    }
    await answer(town.state(2n ** 64n - 1n, 0n));
  });

  it("is valid whatever was deposited after it was signed", async () => {
    await town.connection.close();
    town = await openChannel();
    const args = await bothSigned(town.place, town.state(4n, 0n));
    await town.asAlice.write.deposit({ value: 1n });
    await town.asBob.write.deposit({ value: 10n });
    await dispute(town.state(3n, ETHER, { aliceBalance: 9n * ETHER, bobBalance: ETHER }));
    await town.asCarol.write.challengeDispute(args);
    expect(await town.channel.read.payouts()).toEqual([1n, 10n * ETHER + 10n]);
  });

  it.each([
    [-1, "taken"],
    [0, "refused"],
    [1, "refused"],
  ] as const)("is, %d seconds from the end, %s", async (offset, outcome) => {
    const end = await expiration();
    await town.at(end + offset);
    const call = answer(town.state(4n, 0n));
    if (outcome === "taken") await call;
    else {
      expect(await channelRevert(call)).toEqual({ name: "DisputeExpired", args: [BigInt(end)] });
    }
    expect(await town.channel.read.nonce()).toBe(outcome === "taken" ? 4n : 3n);
  });

  it.each([
    [-1, "refused"],
    [0, "done"],
    [1, "done"],
  ] as const)("leaves the finalization, %d seconds from the end, %s", async (offset, outcome) => {
    const end = await expiration();
    await town.at(end + offset);
    const call = town.asAlice.write.finalizeDispute();
    if (outcome === "done") await call;
    else {
      expect(await channelRevert(call)).toEqual({ name: "DisputeRunning", args: [BigInt(end)] });
    }
  });

  it.each([
    [EXTENSION + 1, 0],
    [EXTENSION, 0],
    [EXTENSION - 1, EXTENSION],
    [1, EXTENSION],
  ])("with %d seconds left moves the end by %d", async (left, moved) => {
    const end = await expiration();
    await town.at(end - left);
    await answer(town.state(4n, 0n));
    expect(await expiration()).toBe(end + moved);
  });

  it("in the last second leaves an hour for a still later one, and moves the end once only", async () => {
    const end = await expiration();
    await town.at(end - 1);
    await answer(town.state(4n, 10n * ETHER), town.asAlice);
    const moved = end + EXTENSION;
    for (const [nonce, left] of [
      [5n, 100],
      [6n, 2],
      [7n, 1],
    ] as const) {
      await town.at(moved - left);
      await answer(town.state(nonce, 0n));
      expect(await expiration()).toBe(moved);
    }
    await town.at(moved);
    expect(await channelRevert(answer(town.state(8n, 0n)))).toEqual({
      name: "DisputeExpired",
      args: [BigInt(moved)],
    });
    await town.asCarol.write.finalizeDispute();
    expect(await town.channel.read.payouts()).toEqual([0n, 10n * ETHER]);
  });

  it("comes too late after the close", async () => {
    await town.at(await expiration());
    await town.asBob.write.finalizeDispute();
    const refused = { name: "WrongStatus", args: [2, 1] };
    expect(await channelRevert(answer(town.state(9n, 0n)))).toEqual(refused);
    expect(await channelRevert(town.asBob.write.finalizeDispute())).toEqual(refused);
  });

  it("by a key that holds no party's money is enough for the party", async () => {
    // The cheater comes with an old state; the process that answers knows the key only.
    const address = signerOf(ALICE_KEY);
    await town.control.impersonateAccount({ address });
    await town.control.setBalance({ address, value: ETHER });
    const args = await bothSigned(town.place, town.state(8n, 10n * ETHER));
    await town.asCarol.write.challengeDispute(args, { account: address });
    expect((await town.channel.read.payouts())[0]).toBe(10n * ETHER);
  });
});
