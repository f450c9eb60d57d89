// Channels on a chain behind JSON-RPC, their parties' states, and what a watchtower would see.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Abi, type Address, getAddress, type Hex, numberToHex } from "viem";
import { CHANNEL_ABI, FACTORY_ABI } from "../../operator/channel/abi.ts";
import {
  AgreementHasher,
  type AgreementKind,
  type ChannelPlace,
  type ChannelState,
  type ChannelTerms,
} from "../../operator/channel/agreement.ts";
import { type SignedState, signDigest } from "../../operator/channel/signed-state.ts";
import { deploy } from "../../operator/deploy.ts";
import type { Log } from "../../operator/log.ts";
import { ARTIFACTS_DIR, developmentAccount, startChain } from "./chain.ts";
import { ADDRESSES, KEYS } from "./channel-pair.ts";

export const PERIOD_SECONDS = 86_400;
/** Development accounts: 0 deploys, 1 is Alice, 2 Bob, 3 the watchtower, 4 somebody else. */
export const ALICE = 1;
export const BOB = 2;
export const TOWER = 3;
export const STRANGER = 4;

export type ChannelTown = Awaited<ReturnType<typeof openChannelTown>>;

export async function openChannelTown() {
  const chain = await startChain();
  const clients = { read: chain.read, signer: chain.signer(0) };
  const artifact = async (name: string): Promise<{ abi: Abi; bytecode: Hex }> =>
    JSON.parse(
      await readFile(join(ARTIFACTS_DIR, `contracts/channel/${name}.sol/${name}.json`), "utf8"),
    );
  const implementation = await deploy(clients, await artifact("PaymentChannel"), []);
  const factory = await deploy(clients, await artifact("ChannelFactory"), [implementation.address]);
  const terms: ChannelTerms = {
    alice: developmentAccount(ALICE).address,
    bob: developmentAccount(BOB).address,
    aliceSigner: ADDRESSES.alice,
    bobSigner: ADDRESSES.bob,
    challengePeriod: PERIOD_SECONDS,
  };
  const chainId = await chain.read.getChainId();
  let salts = 0;

  /** A channel with 1,000,000 wei of Alice and 500,000 of Bob. */
  async function open(): Promise<ChannelPlace> {
    const salt = numberToHex(salts++, { size: 32 });
    const channel = await chain.read.readContract({
      address: factory.address,
      abi: FACTORY_ABI,
      functionName: "channelAddress",
      args: [terms, salt],
    });
    for (const [party, value] of [
      [terms.alice, 1_000_000n],
      [terms.bob, 500_000n],
    ] as const) {
      await send(0, factory.address, FACTORY_ABI, "openChannel", [terms, salt, party], value);
    }
    return { chainId, channel: getAddress(channel) };
  }

  async function send(
    from: number,
    to: Address,
    abi: Abi,
    functionName: string,
    args: readonly unknown[],
    value = 0n,
  ): Promise<Hex> {
    const signer = chain.signer(from);
    return signer.writeContract({
      address: to,
      abi,
      functionName,
      args,
      value,
      chain: null,
      account: developmentAccount(from),
    });
  }

  const call = (from: number, to: Address, functionName: string, args: readonly unknown[] = []) =>
    send(from, to, CHANNEL_ABI as Abi, functionName, args);

  const dispute = (from: number, { channel }: ChannelPlace, state: SignedState) =>
    call(from, channel, "initiateDispute", [state.state, state.aliceSignature, state.bobSignature]);

  const standing = async ({ channel }: ChannelPlace) => {
    const contract = { address: channel, abi: CHANNEL_ABI } as const;
    const { readContract } = chain.read;
    return {
      status: await readContract({ ...contract, functionName: "status" }),
      nonce: await readContract({ ...contract, functionName: "nonce" }),
      payouts: await readContract({ ...contract, functionName: "payouts" }),
      expirationTime: await readContract({ ...contract, functionName: "expirationTime" }),
    };
  };

  return { chain, factory: factory.address, terms, open, call, dispute, standing };
}

/** Signed by both, of the first deposits; Alice pays Bob what the nonce says. */
export async function signedState(
  place: ChannelPlace,
  nonce: bigint,
  change: Partial<ChannelState> = {},
  kind: AgreementKind = "state",
): Promise<SignedState> {
  const state: ChannelState = {
    aliceDeposited: 1_000_000n,
    bobDeposited: 500_000n,
    aliceBalance: 1_000_000n - nonce,
    bobBalance: 500_000n + nonce,
    nonce,
    ...change,
  };
  const digest = new AgreementHasher(place).digest(kind, state);
  return {
    state,
    aliceSignature: await signDigest(digest, KEYS.alice),
    bobSignature: await signDigest(digest, KEYS.bob),
  };
}

/** Lines of a log, for looking into. */
export function listeningLog(): Log & { readonly lines: { event: string; fields: object }[] } {
  const lines: { event: string; fields: object }[] = [];
  const note = (fields: object, event: string): void => {
    lines.push({ event, fields });
  };
  return { lines, debug: () => {}, info: note, warn: note, error: note };
}

/** Waits until it holds; how long that takes says nothing. */
export async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}
