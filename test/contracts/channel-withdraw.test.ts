import { decodeErrorResult, getAddress, parseEventLogs } from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  BOTH_ABI,
  bothClosed,
  channelRevert,
  ETHER,
  openChannel,
  PERIOD,
  type TestChannel,
} from "./channel.ts";

let town: TestChannel;

beforeEach(async () => {
  town = await openChannel();
});

afterEach(() => town.connection.close());

const MANNERS = { accepts: 0, refuses: 1, reenters: 2, bombs: 3 } as const;

/** A closed channel with this split. */
async function closed(aliceBalance: bigint): Promise<void> {
  await town.asCarol.write.cooperativeClose(
    await bothClosed(town.place, town.state(1n, aliceBalance)),
  );
}

/** Alice is a contract with manners. Its wallet has no key of its own; `aliceSigner` signs for it. */
async function withContract(manners: keyof typeof MANNERS) {
  await town.connection.close();
  town = await openChannel();
  const party = await town.viem.deployContract("ChannelParty");
  const { factory, viem } = town;
  const terms = { ...town.terms, alice: getAddress(party.address) };
  const address = await factory.read.channelAddress([terms, town.salt]);
  await factory.write.openChannel([terms, town.salt, terms.bob], { value: town.bobWei });
  await party.write.set([address, MANNERS[manners]]);
  await party.write.deposit({ value: town.aliceWei });
  const place = { ...town.place, channel: getAddress(address) };
  const asBob = await viem.getContractAt("PaymentChannel", address, {
    client: { wallet: town.bob },
  });
  const close = async (aliceBalance: bigint) =>
    asBob.write.cooperativeClose(await bothClosed(place, town.state(1n, aliceBalance)));
  return { party, address, asBob, close };
}

describe("contracts / channel withdrawals", () => {
  it("pay each party its part once, and say so", async () => {
    await closed(9n * ETHER);
    const before = await town.balanceOf(town.terms.bob);
    const hash = await town.asBob.write.withdraw({ maxFeePerGas: 10n ** 10n });
    const { logs, gasUsed, effectiveGasPrice } = await town.client.getTransactionReceipt({ hash });
    expect(parseEventLogs({ abi: BOTH_ABI, logs }).map(({ args }) => args)).toEqual([
      { participant: town.terms.bob, amountWei: ETHER },
    ]);
    expect(await town.balanceOf(town.terms.bob)).toBe(before + ETHER - gasUsed * effectiveGasPrice);
    expect(await town.channel.read.withdrawnAmounts([town.terms.bob])).toBe(ETHER);
    expect(await town.channel.read.withdrawnAmounts([town.terms.alice])).toBe(0n);
    expect(await channelRevert(town.asBob.write.withdraw())).toEqual({
      name: "NothingToWithdraw",
      args: [town.terms.bob],
    });
    expect(await town.balanceOf(town.address)).toBe(9n * ETHER);
  });

  it("pay nothing to who got nothing, and nothing to strangers", async () => {
    await closed(10n * ETHER);
    expect(await channelRevert(town.asBob.write.withdraw())).toEqual({
      name: "NothingToWithdraw",
      args: [town.terms.bob],
    });
    expect(await channelRevert(town.asCarol.write.withdraw())).toEqual({
      name: "NotParticipant",
      args: [getAddress(town.carol.account.address)],
    });
    await town.asAlice.write.withdraw();
  });

  it("wait for the close", async () => {
    expect(await channelRevert(town.asBob.write.withdraw())).toEqual({
      name: "WrongStatus",
      args: [0, 2],
    });
    await town.asBob.write.initiateDepositDispute();
    await town.at((await town.now()) + PERIOD + 1);
    expect(await channelRevert(town.asBob.write.withdraw())).toEqual({
      name: "WrongStatus",
      args: [1, 2],
    });
  });

  it("of a contract that refuses its money stay there for it, and harm nobody else", async () => {
    const { party, close, asBob, address } = await withContract("refuses");
    await close(7n * ETHER);
    expect(await channelRevert(party.write.fetch())).toEqual({
      name: "PaymentRefused",
      args: [getAddress(party.address), 7n * ETHER],
    });
    await asBob.write.withdraw();
    expect(await town.balanceOf(address)).toBe(7n * ETHER);
    await party.write.set([address, MANNERS.accepts]);
    await party.write.fetch();
    expect(await town.balanceOf(party.address)).toBe(7n * ETHER);
  });

  it("of a contract that reenters pay once", async () => {
    const { party, close, asBob, address } = await withContract("reenters");
    await close(5n * ETHER);
    await party.write.fetch();
    expect(await town.balanceOf(party.address)).toBe(5n * ETHER);
    const reason = decodeErrorResult({ abi: BOTH_ABI, data: await party.read.answer() });
    expect(reason.errorName).toBe("ReentrancyGuardReentrantCall");
    await asBob.write.withdraw();
    expect(await town.balanceOf(address)).toBe(0n);
  });

  it("of a contract that answers with 300 kB cost that contract's caller, and nobody else", async () => {
    const { party, close, asBob } = await withContract("bombs");
    await close(5n * ETHER);
    await asBob.write.withdraw();
    await party.write.fetch({ gas: 3_000_000n });
    expect(await town.balanceOf(party.address)).toBe(5n * ETHER);
  });

  it("of a contract need no partner: it can dispute by itself", async () => {
    const { party, asBob, address } = await withContract("accepts");
    await party.write.dispute();
    await town.at((await town.now()) + PERIOD);
    await asBob.write.finalizeDispute();
    await party.write.fetch();
    expect(await town.balanceOf(party.address)).toBe(town.aliceWei);
    expect(await town.balanceOf(address)).toBe(town.bobWei);
  });

  it("leave what was forced on the contract alone", async () => {
    await town.control.setBalance({ address: town.address, value: 11n * ETHER });
    await closed(10n * ETHER);
    await town.asAlice.write.withdraw();
    expect(await town.balanceOf(town.address)).toBe(ETHER);
  });
});
