import { getAddress, type Hex, numberToHex, parseEventLogs, zeroAddress, zeroHash } from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ChannelTerms, channelAddress } from "../../operator/channel/agreement.ts";
import {
  BOTH_ABI,
  bothSigned,
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

const factoryAs = (user: TestChannel["alice"]) =>
  town.viem.getContractAt("ChannelFactory", town.factory.address, { client: { wallet: user } });

const SALT: Hex = numberToHex(7, { size: 32 });

describe("contracts / channel factory", () => {
  it("puts a channel where the twin says, before there is one, and reports it once", async () => {
    const { terms, factory, client } = town;
    const expected = channelAddress(
      { address: factory.address, implementation: town.implementation.address },
      terms,
      SALT,
    );
    expect(getAddress(await factory.read.channelAddress([terms, SALT]))).toBe(expected);
    expect(await client.getCode({ address: expected })).toBeUndefined();
    const hash = await (await factoryAs(town.carol)).write.openChannel([terms, SALT, zeroAddress]);
    const { logs } = await client.getTransactionReceipt({ hash });
    expect(parseEventLogs({ abi: BOTH_ABI, logs }).map(({ args }) => args)).toEqual([
      { channel: expected, ...terms, salt: SALT },
    ]);
    const channel = await town.viem.getContractAt("PaymentChannel", expected);
    expect([
      await channel.read.alice(),
      await channel.read.bob(),
      await channel.read.aliceSigner(),
      await channel.read.bobSigner(),
      await channel.read.challengePeriod(),
      await channel.read.status(),
    ]).toEqual([terms.alice, terms.bob, terms.aliceSigner, terms.bobSigner, BigInt(PERIOD), 0]);
  });

  it("only deposits where the channel is there already, so that nobody can stop a deposit by being first", async () => {
    const { terms, client } = town;
    const hash = await (await factoryAs(town.alice)).write.openChannel(
      [terms, zeroHash, terms.alice],
      { value: 5n },
    );
    const { logs } = await client.getTransactionReceipt({ hash });
    expect(parseEventLogs({ abi: BOTH_ABI, logs })).toMatchObject([
      { eventName: "Deposited", args: { participant: terms.alice, amountWei: 5n } },
    ]);
    const again = await (await factoryAs(town.carol)).write.openChannel([
      terms,
      zeroHash,
      terms.bob,
    ]);
    expect((await client.getTransactionReceipt({ hash: again })).logs).toEqual([]);
  });

  it("gives every change of the terms another address", async () => {
    const { terms, factory } = town;
    const others: Partial<ChannelTerms>[] = [
      {},
      { alice: terms.bob, bob: terms.alice },
      { bob: factory.address },
      { aliceSigner: factory.address },
      { bobSigner: factory.address },
      { challengePeriod: PERIOD + 1 },
    ];
    const addresses = others.flatMap((change) =>
      [zeroHash, SALT].map((salt) =>
        channelAddress(
          { address: factory.address, implementation: town.implementation.address },
          { ...terms, ...change },
          salt,
        ),
      ),
    );
    expect(new Set(addresses).size).toBe(12);
  });

  it("refuses parties and keys that are not two", async () => {
    const { terms } = town;
    const open = async (change: Partial<ChannelTerms>) =>
      channelRevert(
        (await factoryAs(town.alice)).write.openChannel([
          { ...terms, ...change },
          SALT,
          terms.alice,
        ]),
      );
    const { alice, bob, aliceSigner, bobSigner } = terms;
    const cases: [Partial<ChannelTerms>, readonly [Hex, Hex]][] = [
      [{ alice: zeroAddress }, [zeroAddress, bob]],
      [{ bob: zeroAddress }, [alice, zeroAddress]],
      [{ bob: alice }, [alice, alice]],
      [{ aliceSigner: zeroAddress }, [zeroAddress, bobSigner]],
      [{ bobSigner: zeroAddress }, [aliceSigner, zeroAddress]],
      [{ bobSigner: aliceSigner }, [aliceSigner, aliceSigner]],
    ];
    for (const [change, args] of cases) {
      expect(await open(change)).toEqual({ name: "PartiesNotTwo", args });
    }
    // A party may sign with its own key.
    await (await factoryAs(town.carol)).write.openChannel([
      { ...terms, aliceSigner: alice, bobSigner: bob },
      SALT,
      alice,
    ]);
  });

  it("takes an hour to thirty days to answer, and nothing else", async () => {
    const { terms } = town;
    const open = async (challengePeriod: number) =>
      (await factoryAs(town.alice)).write.openChannel([
        { ...terms, challengePeriod },
        SALT,
        terms.alice,
      ]);
    const [least, most] = [3_600, 2_592_000];
    for (const period of [least - 1, most + 1, 0, 2 ** 32 - 1]) {
      expect(await channelRevert(open(period))).toEqual({
        name: "ChallengePeriodOutOfRange",
        args: [period, least, most],
      });
    }
    for (const period of [least, most]) await open(period);
  });

  it("needs code to clone", async () => {
    const nobody = town.terms.alice;
    const refused = await channelRevert(town.viem.deployContract("ChannelFactory", [nobody]));
    expect(refused).toEqual({ name: "ImplementationMissing", args: [nobody] });
  });

  it("shares a code that is no channel itself", async () => {
    const code = await town.viem.getContractAt("PaymentChannel", town.implementation.address);
    const calls = [
      () => code.write.deposit({ value: 1n }),
      () => code.write.initiateDepositDispute(),
      () => code.read.alice(),
      async () => code.write.initiateDispute(await bothSigned(town.place, town.state(1n, 1n))),
    ];
    for (const call of calls) {
      expect(await channelRevert(call())).toEqual({ name: "NotAChannel", args: [] });
    }
  });
});

describe("contracts / channel deposits", () => {
  it("add up for each party, from itself or from anybody for it, and are reported", async () => {
    const { channel, terms, client } = town;
    expect([await channel.read.aliceDeposit(), await channel.read.bobDeposit()]).toEqual([
      6n * ETHER,
      4n * ETHER,
    ]);
    const hashes = [
      await town.asAlice.write.deposit({ value: 1n }),
      await town.asBob.write.deposit({ value: 20n }),
      await town.asCarol.write.depositFor([terms.bob], { value: 300n }),
    ];
    const reported = [];
    for (const hash of hashes) {
      const { logs } = await client.getTransactionReceipt({ hash });
      reported.push(...parseEventLogs({ abi: BOTH_ABI, logs }).map(({ args }) => args));
    }
    expect(reported).toEqual([
      { participant: terms.alice, amountWei: 1n, totalWei: 6n * ETHER + 1n },
      { participant: terms.bob, amountWei: 20n, totalWei: 4n * ETHER + 20n },
      { participant: terms.bob, amountWei: 300n, totalWei: 4n * ETHER + 320n },
    ]);
    expect(await channel.read.aliceDeposit()).toBe(6n * ETHER + 1n);
    expect(await channel.read.bobDeposit()).toBe(4n * ETHER + 320n);
    expect(await town.balanceOf(town.address)).toBe(10n * ETHER + 321n);
  });

  it("are of parties, and of something", async () => {
    const carol = getAddress(town.carol.account.address);
    expect(await channelRevert(town.asCarol.write.deposit({ value: 1n }))).toEqual({
      name: "NotParticipant",
      args: [carol],
    });
    expect(await channelRevert(town.asAlice.write.depositFor([carol], { value: 1n }))).toEqual({
      name: "NotParticipant",
      args: [carol],
    });
    expect(await channelRevert(town.asAlice.write.deposit())).toEqual({
      name: "NothingDeposited",
      args: [],
    });
    // Money without a name on it would be nobody's.
    await expect(town.alice.sendTransaction({ to: town.address, value: 1n })).rejects.toThrow();
  });

  it("stop at 128 bits instead of wrapping round", async () => {
    const value = 2n ** 128n;
    for (const [user, address] of [
      [town.asAlice, town.terms.alice],
      [town.asBob, town.terms.bob],
    ] as const) {
      await town.control.setBalance({ address, value: value * 2n });
      const refused = await channelRevert(user.write.deposit({ value }));
      expect(refused.name).toBe("SafeCastOverflowedUintDowncast");
    }
  });

  it("are refused once a dispute runs, and after the close", async () => {
    await town.asAlice.write.initiateDepositDispute();
    expect(await channelRevert(town.asBob.write.deposit({ value: 1n }))).toEqual({
      name: "WrongStatus",
      args: [1, 0],
    });
    await town.at((await town.now()) + PERIOD);
    await town.asBob.write.finalizeDispute();
    expect(await channelRevert(town.asBob.write.deposit({ value: 1n }))).toEqual({
      name: "WrongStatus",
      args: [2, 0],
    });
  });
});
