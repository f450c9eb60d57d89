// What a chain says about channels.

import {
  type Address,
  getAddress,
  type Hex,
  type PublicClient,
  parseAbiItem,
  size,
  slice,
} from "viem";
import { OperatorError } from "../errors.ts";
import { CHANNEL_ABI, FACTORY_ABI } from "./abi.ts";
import type { ChannelTerms } from "./agreement.ts";
import type { Deposits } from "./succession.ts";

export interface ChainMoment {
  readonly number: bigint;
  readonly timestamp: bigint;
}

export interface ChannelStanding {
  /** As `STATUS`. */
  readonly status: number;
  readonly nonce: bigint;
  readonly expirationTime: bigint;
}

const DISPUTE_EVENTS = [
  parseAbiItem(
    "event DisputeInitiated(address indexed initiator, uint64 nonce, uint256 alicePayout, uint256 bobPayout, uint256 expirationTime)",
  ),
  parseAbiItem(
    "event DisputeChallenged(address indexed challenger, uint64 nonce, uint256 alicePayout, uint256 bobPayout, uint256 expirationTime)",
  ),
];

/** Length of a minimal clone's code and of the terms behind it. */
const CLONE_BYTES = 45;
const TERMS_BYTES = 84;

export class ChannelReader {
  readonly #client: PublicClient;
  readonly #implementation: Address;

  private constructor(client: PublicClient, implementation: Address) {
    this.#client = client;
    this.#implementation = implementation;
  }

  /** @throws OperatorError CHAIN_MISMATCH  if there is no factory at the address. */
  static async open(client: PublicClient, factory: Address): Promise<ChannelReader> {
    try {
      const implementation = await client.readContract({
        address: factory,
        abi: FACTORY_ABI,
        functionName: "IMPLEMENTATION",
      });
      return new ChannelReader(client, implementation);
    } catch (cause) {
      if ((cause as Error).name !== "ContractFunctionExecutionError") throw cause;
      throw new OperatorError(
        "CHAIN_MISMATCH",
        `there is no channel factory at ${factory} on this chain.`,
        { path: "factory", got: factory },
        { cause },
      );
    }
  }

  async head(): Promise<ChainMoment> {
    const { number, timestamp } = await this.#client.getBlock();
    return { number, timestamp };
  }

  /**
   * Parties and keys, out of the channel's own code. That alone does not make it the factory's channel:
   * anybody can deploy such code over storage of their choice, with deposits in it that never came. It is
   * one if its address is `channelAddress` of these terms and a salt, which the caller has to compare.
   *
   * @throws OperatorError CHANNEL_UNKNOWN  if it is not deployed, or no clone of the factory's code.
   */
  async terms(channel: Address): Promise<ChannelTerms> {
    const code = await this.#client.getCode({ address: channel });
    const proxy = `0x363d3d373d3d3d363d73${this.#implementation.slice(2)}5af43d82803e903d91602b57fd5bf3`;
    if (
      code === undefined ||
      size(code) !== CLONE_BYTES + TERMS_BYTES ||
      slice(code, 0, CLONE_BYTES) !== proxy.toLowerCase()
    ) {
      throw new OperatorError(
        "CHANNEL_UNKNOWN",
        `there is no channel of this factory at ${channel}. Deploy it first.`,
        { path: "channel", got: channel },
      );
    }
    const at = (start: number, end: number): Hex =>
      slice(code, CLONE_BYTES + start, CLONE_BYTES + end);
    return {
      alice: getAddress(at(0, 20)),
      bob: getAddress(at(20, 40)),
      aliceSigner: getAddress(at(40, 60)),
      bobSigner: getAddress(at(60, 80)),
      challengePeriod: Number(at(80, 84)),
    };
  }

  async standing(channel: Address): Promise<ChannelStanding> {
    const contract = { address: channel, abi: CHANNEL_ABI } as const;
    const [status, nonce, expirationTime] = await Promise.all([
      this.#client.readContract({ ...contract, functionName: "status" }),
      this.#client.readContract({ ...contract, functionName: "nonce" }),
      this.#client.readContract({ ...contract, functionName: "expirationTime" }),
    ]);
    return { status, nonce, expirationTime };
  }

  /**
   * Deposits that have so many blocks on top of them. A state that names a deposit which a reorganisation takes away is
   * worth nothing until the deposit is back: ask for as many as you fear.
   */
  async deposits(channel: Address, confirmations: number): Promise<Deposits> {
    const { number } = await this.head();
    const blockNumber = number - BigInt(confirmations);
    const none: Deposits = { aliceWei: 0n, bobWei: 0n };
    if (blockNumber < 0n) return none;
    // Not deployed yet at that block: nothing can have been deposited.
    const code = await this.#client.getCode({ address: channel, blockNumber });
    if (code === undefined) return none;
    const contract = { address: channel, abi: CHANNEL_ABI, blockNumber } as const;
    const [aliceWei, bobWei] = await Promise.all([
      this.#client.readContract({ ...contract, functionName: "aliceDeposit" }),
      this.#client.readContract({ ...contract, functionName: "bobDeposit" }),
    ]);
    return { aliceWei, bobWei };
  }

  /** Channels with news of a dispute in these blocks. Anybody can emit such events: they are hints, no more. */
  async disputed(fromBlock: bigint, toBlock: bigint): Promise<Address[]> {
    const logs = await this.#client.getLogs({ events: DISPUTE_EVENTS, fromBlock, toBlock });
    return [...new Set(logs.map(({ address }) => getAddress(address)))];
  }
}
