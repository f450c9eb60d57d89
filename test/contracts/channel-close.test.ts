import {
  getAddress,
  type Hex,
  hashTypedData,
  hexToBigInt,
  numberToHex,
  parseEventLogs,
  parseSignature,
  serializeSignature,
} from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgreementHasher, type ChannelState, channelId } from "../../operator/channel/agreement.ts";
import {
  ALICE_KEY,
  BOB_KEY,
  BOTH_ABI,
  bothClosed,
  bothSigned,
  channelRevert,
  ETHER,
  openChannel,
  PERIOD,
  STRANGER_KEY,
  signed,
  signerOf,
  type TestChannel,
} from "./channel.ts";

let town: TestChannel;

beforeEach(async () => {
  town = await openChannel();
});

afterEach(() => town.connection.close());

const close = async (state: ChannelState, user = town.asCarol) =>
  user.write.cooperativeClose(await bothClosed(town.place, state));

/** Order of secp256k1. */
const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

describe("contracts / cooperative close", () => {
  it("splits as both signed, whoever sends it, and lets each fetch its part", async () => {
    const hash = await close(town.state(1n, 9n * ETHER));
    const { logs } = await town.client.getTransactionReceipt({ hash });
    expect(parseEventLogs({ abi: BOTH_ABI, logs }).map(({ args }) => args)).toEqual([
      { aliceFinal: 9n * ETHER, bobFinal: ETHER, nonce: 1n },
    ]);
    expect(await town.channel.read.status()).toBe(2);
    expect(await town.channel.read.payouts()).toEqual([9n * ETHER, ETHER]);
    expect(await town.channel.read.nonce()).toBe(1n);
    await town.asBob.write.withdraw();
    await town.asAlice.write.withdraw();
    expect(await town.balanceOf(town.address)).toBe(0n);
  });

  it("gives later deposits back to whoever made them", async () => {
    await town.asAlice.write.deposit({ value: 5n });
    await town.asBob.write.deposit({ value: 70n });
    await close(town.state(1n, 0n));
    expect(await town.channel.read.payouts()).toEqual([5n, 10n * ETHER + 70n]);
  });

  it("ends a running dispute about earlier states", async () => {
    await town.asBob.write.initiateDispute(await bothSigned(town.place, town.state(7n, 1n)));
    for (const nonce of [6n, 7n]) {
      expect(await channelRevert(close(town.state(nonce, ETHER)))).toEqual({
        name: "NonceNotNewer",
        args: [nonce, 7n],
      });
    }
    await close(town.state(8n, 2n * ETHER));
    expect(await town.channel.read.payouts()).toEqual([2n * ETHER, 8n * ETHER]);
    expect(await channelRevert(town.asBob.write.finalizeDispute())).toEqual({
      name: "WrongStatus",
      args: [2, 1],
    });
  });

  it("also ends one whose time is over but that nobody finalized", async () => {
    await town.asBob.write.initiateDepositDispute();
    await town.at((await town.now()) + PERIOD);
    await close(town.state(1n, 3n));
    expect(await town.channel.read.payouts()).toEqual([3n, 10n * ETHER - 3n]);
  });

  it("happens once", async () => {
    await close(town.state(1n, 0n));
    for (const nonce of [1n, 2n]) {
      expect(await channelRevert(close(town.state(nonce, 10n * ETHER)))).toEqual({
        name: "ChannelAlreadyClosed",
        args: [],
      });
    }
  });

  it("needs a nonce above 0", async () => {
    const refused = await channelRevert(close(town.state(0n, 0n)));
    expect(refused).toEqual({ name: "NonceNotNewer", args: [0n, 0n] });
  });

  it("refuses splits of more or less than the deposits it names", async () => {
    const total = 10n * ETHER;
    const wrong: [bigint, bigint][] = [
      [1n, total],
      [1n, total - 2n],
      [total + 1n, 0n],
      [2n ** 128n - 1n, 2n ** 128n - 1n],
    ];
    for (const [aliceBalance, bobBalance] of wrong) {
      const refused = await channelRevert(close(town.state(1n, aliceBalance, { bobBalance })));
      expect(refused).toEqual({
        name: "BalancesMismatch",
        args: [aliceBalance, bobBalance, total],
      });
    }
  });

  it("refuses to split money that never came", async () => {
    const { aliceWei, bobWei } = town;
    for (const change of [
      { aliceDeposited: aliceWei + 1n, aliceBalance: 1n },
      { bobDeposited: bobWei + 1n, bobBalance: 10n * ETHER + 1n },
    ]) {
      const state = town.state(1n, 0n, change);
      expect(await channelRevert(close(state))).toEqual({
        name: "DepositsMissing",
        args: [state.aliceDeposited, state.bobDeposited, aliceWei, bobWei],
      });
    }
  });
});

describe("contracts / signatures of a channel", () => {
  it("are over what every EIP-712 library makes of the published types", async () => {
    const state = town.state(5n, 123n);
    const fields = (parts: string) =>
      `bytes32 channelId,uint256 aliceDeposited,uint256 bobDeposited,${parts},uint64 nonce`
        .split(",")
        .map((field) => ({
          type: field.split(" ")[0] as string,
          name: field.split(" ")[1] as string,
        }));
    const domain = {
      name: "PaymentChannel",
      version: "1",
      chainId: town.place.chainId,
      verifyingContract: town.address,
    };
    const { aliceBalance, bobBalance, ...rest } = state;
    const id = await town.channel.read.channelId();
    expect(channelId(town.place)).toBe(id);
    const hasher = new AgreementHasher(town.place);
    const hex = (bytes: Uint8Array): Hex => `0x${Buffer.from(bytes).toString("hex")}`;
    expect(hex(hasher.digest("state", state))).toBe(
      hashTypedData({
        domain,
        types: { ChannelState: fields("uint256 aliceBalance,uint256 bobBalance") },
        primaryType: "ChannelState",
        message: { channelId: id, ...state },
      }),
    );
    expect(hex(hasher.digest("close", state))).toBe(
      hashTypedData({
        domain,
        types: { CooperativeClose: fields("uint256 aliceFinal,uint256 bobFinal") },
        primaryType: "CooperativeClose",
        message: { channelId: id, ...rest, aliceFinal: aliceBalance, bobFinal: bobBalance },
      }),
    );
    expect((await town.channel.read.eip712Domain()).slice(1, 5)).toEqual([
      domain.name,
      domain.version,
      BigInt(domain.chainId),
      domain.verifyingContract,
    ]);
  });

  it("are of the two keys that the address names, each in its place", async () => {
    const state = town.state(1n, 0n);
    const [agreement, a, b] = await bothClosed(town.place, state);
    const stranger = await signed(town.place, STRANGER_KEY, state, "close");
    const [alice, bob, other] = [ALICE_KEY, BOB_KEY, STRANGER_KEY].map(signerOf);
    const attempts: [Hex, Hex, readonly unknown[]][] = [
      [stranger, b, [alice, other]],
      [a, stranger, [bob, other]],
      [b, a, [alice, bob]],
      [a, a, [bob, alice]],
    ];
    for (const [first, second, args] of attempts) {
      const call = town.asCarol.write.cooperativeClose([agreement, first, second]);
      expect(await channelRevert(call)).toEqual({ name: "WrongSigner", args });
    }
  });

  it("are of every field", async () => {
    const state = town.state(5n, 3n);
    const [, a, b] = await bothClosed(town.place, state);
    for (const change of [
      { aliceDeposited: state.aliceDeposited - 1n, aliceBalance: 2n },
      { bobDeposited: state.bobDeposited - 1n, bobBalance: state.bobBalance - 1n },
      { aliceBalance: 4n, bobBalance: state.bobBalance - 1n },
      { nonce: 6n },
    ]) {
      const { aliceBalance: aliceFinal, bobBalance: bobFinal, ...rest } = { ...state, ...change };
      const call = town.asCarol.write.cooperativeClose([{ ...rest, aliceFinal, bobFinal }, a, b]);
      expect((await channelRevert(call)).name).toBe("WrongSigner");
    }
  });

  it("of a state are none of a close, and the other way round", async () => {
    const state = town.state(1n, 0n);
    const [, a, b] = await bothSigned(town.place, state);
    const [agreement, closeA, closeB] = await bothClosed(town.place, state);
    expect((await channelRevert(town.asCarol.write.cooperativeClose([agreement, a, b]))).name).toBe(
      "WrongSigner",
    );
    expect(
      (await channelRevert(town.asAlice.write.initiateDispute([state, closeA, closeB]))).name,
    ).toBe("WrongSigner");
  });

  it("have one form: 65 bytes, v of 27 or 28, the lower s", async () => {
    const state = town.state(1n, 0n);
    const [agreement, a, b] = await bothClosed(town.place, state);
    const attempt = (first: Hex, second: Hex) =>
      channelRevert(town.asCarol.write.cooperativeClose([agreement, first, second]));
    expect(await attempt("0x", b)).toEqual({ name: "ECDSAInvalidSignatureLength", args: [0n] });
    expect(await attempt(a, `${b}00`)).toEqual({
      name: "ECDSAInvalidSignatureLength",
      args: [66n],
    });
    expect(await attempt(a.slice(0, -2) as Hex, b)).toEqual({
      name: "ECDSAInvalidSignatureLength",
      args: [64n],
    });
    const { r, s, v } = parseSignature(a);
    const mirrored = numberToHex(CURVE_ORDER - hexToBigInt(s), { size: 32 });
    expect(
      await attempt(serializeSignature({ r, s: mirrored, yParity: v === 27n ? 1 : 0 }), b),
    ).toEqual({ name: "ECDSAInvalidSignatureS", args: [mirrored] });
    for (const version of ["00", "01", "1d"]) {
      expect(await attempt(`${a.slice(0, -2)}${version}` as Hex, b)).toEqual({
        name: "ECDSAInvalidSignature",
        args: [],
      });
    }
  });

  it("cannot be taken back: code at the signer's address is not asked", async () => {
    const code = await town.viem.deployContract("ChannelParty");
    const refuser = (await town.client.getCode({ address: code.address })) as Hex;
    for (const key of [ALICE_KEY, BOB_KEY]) {
      await town.control.setCode({ address: signerOf(key), bytecode: refuser });
    }
    const wallet = await town.viem.getContractAt("ChannelParty", signerOf(ALICE_KEY));
    expect(await wallet.read.isValidSignature([`0x${"00".repeat(32)}`, "0x"])).toBe("0xffffffff");
    await town.asBob.write.initiateDispute(await bothSigned(town.place, town.state(1n, 0n)));
    await town.asCarol.write.challengeDispute(await bothSigned(town.place, town.state(2n, 5n)));
    await close(town.state(3n, 9n));
    expect((await town.channel.read.payouts())[0]).toBe(9n);
  });

  it("are worth nothing on a second channel, a second deployment or another chain", async () => {
    const state = town.state(1n, 0n);
    const args = await bothSigned(town.place, state);
    const salt = numberToHex(1, { size: 32 });
    const { terms, factory, viem } = town;
    const second = await viem.deployContract("ChannelFactory", [town.implementation.address]);
    const places = [
      [factory, salt],
      [second, town.salt],
    ] as const;
    for (const [maker, otherSalt] of places) {
      await maker.write.openChannel([terms, otherSalt, terms.alice], { value: town.aliceWei });
      await maker.write.openChannel([terms, otherSalt, terms.bob], { value: town.bobWei });
      const address = getAddress(await maker.read.channelAddress([terms, otherSalt]));
      const other = await viem.getContractAt("PaymentChannel", address, {
        client: { wallet: town.bob },
      });
      expect((await channelRevert(other.write.initiateDispute(args))).name).toBe("WrongSigner");
    }
    const elsewhere = await bothSigned({ ...town.place, chainId: town.place.chainId + 1 }, state);
    const call = town.asBob.write.initiateDispute(elsewhere);
    expect((await channelRevert(call)).name).toBe("WrongSigner");
    await town.asBob.write.initiateDispute(args);
  });
});
