// Reads the rollup's contract over JSON-RPC. What a node answers is checked against itself, so that an answer that
// spans a reorg is noticed.

import type { Address, Hex, Log, PublicClient } from "viem";
import { ROLLUP_ABI } from "../circuits/rollup-abi.ts";
import { decodeEvents, type L1Block } from "./chain-events.ts";
import type { L1Reference } from "./state.ts";

export interface L1Header extends L1Reference {
  readonly parentHash: Hex;
  readonly timestampSeconds: number;
}

/** What the contract fixed when it was deployed. */
export interface RollupSettings {
  readonly operator: Address;
  readonly circuitId: Hex;
  readonly domain: bigint;
  readonly sourceDomain: number;
  readonly genesisRoot: bigint;
}

export class L1Client {
  readonly rollup: Address;
  readonly #client: PublicClient;

  constructor(client: PublicClient, rollup: Address) {
    this.#client = client;
    this.rollup = rollup;
  }

  async chainId(): Promise<number> {
    return this.#client.getChainId();
  }

  /** @throws viem's BlockNotFoundError if the chain is shorter. */
  async header(number: number | "latest"): Promise<L1Header> {
    const block =
      number === "latest"
        ? await this.#client.getBlock()
        : await this.#client.getBlock({ blockNumber: BigInt(number) });
    return {
      number: Number(block.number),
      hash: block.hash as Hex,
      parentHash: block.parentHash,
      timestampSeconds: Number(block.timestamp),
    };
  }

  /** One block with the contract's events, asked for by hash: the answer cannot mix two chains. */
  async block(header: L1Header): Promise<L1Block> {
    const logs = await this.#client.getLogs({ address: this.rollup, blockHash: header.hash });
    const { number, hash, parentHash } = header;
    return { number, hash, parentHash, events: decodeEvents(logs) };
  }

  /**
   * The blocks of a range that have events, and the last block in any case. Only for blocks too deep to be undone:
   * by number, an answer could mix two chains.
   */
  async range(from: number, to: number): Promise<L1Block[]> {
    const logs = await this.#client.getLogs({
      address: this.rollup,
      fromBlock: BigInt(from),
      toBlock: BigInt(to),
    });
    const last = await this.header(to);
    const byBlock = new Map<number, Log[]>();
    for (const log of logs) {
      const number = Number(log.blockNumber);
      byBlock.set(number, [...(byBlock.get(number) ?? []), log]);
    }
    const blocks = [...byBlock]
      .toSorted(([a], [b]) => a - b)
      .map(([number, ofBlock]) => ({
        number,
        hash: ofBlock[0]?.blockHash as Hex,
        events: decodeEvents(ofBlock),
      }));
    return byBlock.has(to) ? blocks : [...blocks, { number: to, hash: last.hash, events: [] }];
  }

  /** @throws viem's errors if there is no rollup at the address. */
  async settings(): Promise<RollupSettings> {
    const contract = { address: this.rollup, abi: ROLLUP_ABI } as const;
    const [config, circuitId, domain, genesis] = await Promise.all([
      this.#client.readContract({ ...contract, functionName: "config" }),
      this.#client.readContract({ ...contract, functionName: "circuitId" }),
      this.#client.readContract({ ...contract, functionName: "domain" }),
      this.#client.readContract({ ...contract, functionName: "blocks", args: [0n] }),
    ]);
    const { operator, sourceDomain } = config;
    return { operator, sourceDomain, circuitId, domain, genesisRoot: BigInt(genesis[0]) };
  }
}
