// A payment channel on a chain of its own, with keys that can sign anything, also what no client would.

import type { WalletClient } from "@nomicfoundation/hardhat-viem/types";
import { network } from "hardhat";
import { type Abi, type Address, getAddress, type Hex, zeroHash } from "viem";
import { privateKeyToAccount, sign } from "viem/accounts";
import { CHANNEL_ABI, FACTORY_ABI } from "../../operator/channel/abi.ts";
import {
  AgreementHasher,
  type AgreementKind,
  type ChannelPlace,
  type ChannelState,
  type ChannelTerms,
} from "../../operator/channel/agreement.ts";
import { revertOf } from "./reverts.ts";

export const PERIOD = 86_400;
export const EXTENSION = 3_600;
export const ETHER = 10n ** 18n;

/** Keys of nobody: they hold nothing and sign for the parties. */
export const ALICE_KEY: Hex = `0x${"a1".repeat(32)}`;
export const BOB_KEY: Hex = `0x${"b0".repeat(32)}`;
export const STRANGER_KEY: Hex = `0x${"57".repeat(32)}`;
export const signerOf = (key: Hex): Address => privateKeyToAccount(key).address;

export const BOTH_ABI: Abi = [...CHANNEL_ABI, ...FACTORY_ABI];

export interface OpenChoice {
  /** Another code for the channels: the weakened ones. */
  readonly implementation?: string;
  readonly factory?: string;
  readonly terms?: Partial<ChannelTerms>;
  readonly salt?: Hex;
  /** Deposits, in wei. */
  readonly aliceWei?: bigint;
  readonly bobWei?: bigint;
}

export type TestChannel = Awaited<ReturnType<typeof openChannel>>;

/** Users: deployer, alice, bob, carol (a stranger, or a watchtower). By default Alice has 6 ether in it and Bob 4. */
export async function openChannel(choice: OpenChoice = {}) {
  const connection = await network.create();
  const { viem } = connection;
  const client = await viem.getPublicClient();
  const control = await viem.getTestClient();
  const [deployer, alice, bob, carol] = (await viem.getWalletClients()) as [
    WalletClient,
    WalletClient,
    WalletClient,
    WalletClient,
  ];
  const implementation = await viem.deployContract(
    (choice.implementation ?? "PaymentChannel") as "PaymentChannel",
  );
  const factory = await viem.deployContract(
    (choice.factory ?? "ChannelFactory") as "ChannelFactory",
    [implementation.address],
  );
  const terms: ChannelTerms = {
    alice: getAddress(alice.account.address),
    bob: getAddress(bob.account.address),
    aliceSigner: signerOf(ALICE_KEY),
    bobSigner: signerOf(BOB_KEY),
    challengePeriod: PERIOD,
    ...choice.terms,
  };
  const salt = choice.salt ?? zeroHash;
  const address = getAddress(await factory.read.channelAddress([terms, salt]));
  const aliceWei = choice.aliceWei ?? 6n * ETHER;
  const bobWei = choice.bobWei ?? 4n * ETHER;
  await factory.write.openChannel([terms, salt, terms.alice], { value: aliceWei });
  await factory.write.openChannel([terms, salt, terms.bob], { value: bobWei });
  const chainId = await client.getChainId();
  const place: ChannelPlace = { chainId, channel: address };

  /** The contract as one user calls it. */
  const as = (user: WalletClient) =>
    viem.getContractAt("PaymentChannel", address, { client: { wallet: user } });
  const channel = await as(deployer);
  const asDeployer = channel;
  const asAlice = await as(alice);
  const asBob = await as(bob);
  const asCarol = await as(carol);

  /** A state that splits the first deposits; what is not said is Bob's. */
  const state = (nonce: bigint, aliceBalance: bigint, changes: Partial<ChannelState> = {}) => ({
    aliceDeposited: aliceWei,
    bobDeposited: bobWei,
    aliceBalance,
    bobBalance: aliceWei + bobWei - aliceBalance,
    nonce,
    ...changes,
  });

  const now = async () => Number((await client.getBlock()).timestamp);
  /** The next transaction is mined at this time. */
  const at = (timestamp: number) => control.setNextBlockTimestamp({ timestamp: BigInt(timestamp) });
  const balanceOf = (of: Address) => client.getBalance({ address: of });

  return {
    connection,
    viem,
    client,
    control,
    deployer,
    alice,
    bob,
    carol,
    implementation,
    factory,
    terms,
    salt,
    place,
    address,
    aliceWei,
    bobWei,
    channel,
    as,
    asDeployer,
    asAlice,
    asBob,
    asCarol,
    state,
    now,
    at,
    balanceOf,
  };
}

/** One signature over an agreement of the channel at this place. */
export const signed = (
  place: ChannelPlace,
  key: Hex,
  agreement: ChannelState,
  kind: AgreementKind = "state",
): Promise<Hex> =>
  sign({
    hash: `0x${Buffer.from(new AgreementHasher(place).digest(kind, agreement)).toString("hex")}`,
    privateKey: key,
    to: "hex",
  });

/** Arguments of initiateDispute and challengeDispute. */
export async function bothSigned(
  place: ChannelPlace,
  state: ChannelState,
): Promise<[ChannelState, Hex, Hex]> {
  return [state, await signed(place, ALICE_KEY, state), await signed(place, BOB_KEY, state)];
}

/** Arguments of cooperativeClose. */
export async function bothClosed(place: ChannelPlace, state: ChannelState) {
  const { aliceBalance: aliceFinal, bobBalance: bobFinal, ...rest } = state;
  return [
    { ...rest, aliceFinal, bobFinal },
    await signed(place, ALICE_KEY, state, "close"),
    await signed(place, BOB_KEY, state, "close"),
  ] as const;
}

/** Expects exactly this custom error of channel or factory. */
export const channelRevert = (call: Promise<unknown>) => revertOf(call, BOTH_ABI);
