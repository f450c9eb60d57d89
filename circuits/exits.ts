import {
  type Address,
  concat,
  encodeAbiParameters,
  type Hex,
  keccak256,
  parseAbiParameters,
} from "viem";
import { type L1Item, L1Kind } from "./l1.ts";
import type { CircuitParameters } from "./parameters.ts";
import { MESSAGE_TAG } from "./tags.ts";
import { type TransferRecord, TransferType } from "./transfer.ts";

export const WEI_PER_GWEI = 10n ** 9n;

/** Money that a block sends to L1, as its data says it. */
export interface ExitSlot {
  /** Position among the block's slots: L1 slots first, then transfer slots. */
  readonly slot: number;
  /** The account whose owner is paid. */
  readonly index: number;
  readonly amountGwei: bigint;
}

/** The same, with the owner that the contract has on record for the account. */
export interface Exit {
  readonly slot: number;
  readonly owner: Address;
  readonly amountGwei: bigint;
}

/** The exits of a block in slot order: forced exits and exit transfers, amounts of 0 left out. */
export function exitSlots(
  parameters: CircuitParameters,
  content: {
    readonly l1Items: readonly L1Item[];
    readonly transfers: readonly TransferRecord[];
  },
): ExitSlot[] {
  const forced = content.l1Items.map((item, i) => ({
    slot: i,
    index: item.index,
    amountGwei: item.kind === L1Kind.forcedExit ? item.amount : 0n,
  }));
  const asked = content.transfers.map((transfer, i) => ({
    slot: parameters.nDeposits + i,
    index: transfer.to,
    amountGwei: transfer.type === TransferType.exit ? transfer.amount : 0n,
  }));
  return [...forced, ...asked].filter((exit) => exit.amountGwei > 0n);
}

/** Adds to each exit the owner of its account. */
export function withOwners(
  exits: readonly ExitSlot[],
  ownerOf: (index: number) => Address,
): Exit[] {
  return exits.map(({ slot, index, amountGwei }) => ({ slot, owner: ownerOf(index), amountGwei }));
}

/** A message between domains, as rollups and bridge hash it. Domain 0 is L1. */
export interface Message {
  readonly sourceDomain: number;
  readonly destDomain: number;
  /** The contract that vouches for the message. */
  readonly sourceBridge: Address;
  readonly sender: Address;
  readonly target: Address;
  readonly valueWei: bigint;
  readonly gasLimit: bigint;
  readonly nonce: bigint;
  readonly data: Hex;
}

const MESSAGE_VERSION = 1n;
const MESSAGE_ABI = parseAbiParameters(
  "bytes32 tag, uint256 version, uint32 sourceDomain, uint32 destDomain, address sourceBridge, address sender, address target, uint256 value, uint256 gasLimit, uint256 nonce, bytes32 dataHash",
);

/** keccak256 of the message's eleven ABI words: the leaf in exit trees and in the bridge's. */
export function messageLeaf(message: Message): Hex {
  return keccak256(
    encodeAbiParameters(MESSAGE_ABI, [
      MESSAGE_TAG,
      MESSAGE_VERSION,
      message.sourceDomain,
      message.destDomain,
      message.sourceBridge,
      message.sender,
      message.target,
      message.valueWei,
      message.gasLimit,
      message.nonce,
      keccak256(message.data),
    ]),
  );
}

/** Which block of which rollup an exit belongs to. */
export interface ExitScope {
  readonly rollup: Address;
  readonly sourceDomain: number;
  readonly blockNumber: number;
}

/** blockNumber * 2^32 + slot: the message's nonce, and the index under which the contract verifies it. */
export function exitNonce(blockNumber: number, slot: number): bigint {
  return (BigInt(blockNumber) << 32n) + BigInt(slot);
}

/** The message that pays an exit: from the rollup to L1, owner to owner, no gas, no data. */
export function exitLeaf(scope: ExitScope, exit: Exit): Hex {
  return messageLeaf({
    sourceDomain: scope.sourceDomain,
    destDomain: 0,
    sourceBridge: scope.rollup,
    sender: exit.owner,
    target: exit.owner,
    valueWei: exit.amountGwei * WEI_PER_GWEI,
    gasLimit: 0n,
    nonce: exitNonce(scope.blockNumber, exit.slot),
    data: "0x",
  });
}

const ZERO_WORD: Hex = `0x${"00".repeat(32)}`;

export interface ExitTree {
  /** 0 if the block has no exits: then the contract stores nothing. */
  readonly root: Hex;
  readonly depth: number;
  /** @throws RangeError unless the slot has an exit. */
  leaf(slot: number): Hex;
  /**
   * `depth` siblings from the leaf upwards.
   *
   * @throws RangeError unless the slot has an exit.
   */
  proof(slot: number): Hex[];
}

/**
 * The keccak tree of a block's exits, as the contract builds it: full, depth ceil(log2(nDeposits + nTx)), the leaf of
 * slot i at position i, empty leaves 0, node = keccak256(left | right).
 *
 * @throws RangeError if a slot is not in the circuit or taken twice, or an amount is not positive.
 */
export function exitTree(
  parameters: CircuitParameters,
  scope: ExitScope,
  exits: readonly Exit[],
): ExitTree {
  const slots = parameters.nDeposits + parameters.nTx;
  const depth = Math.ceil(Math.log2(slots));
  const leaves: Hex[] = Array(2 ** depth).fill(ZERO_WORD);
  for (const exit of exits) {
    const isFree =
      Number.isInteger(exit.slot) && exit.slot < slots && leaves[exit.slot] === ZERO_WORD;
    if (!isFree || exit.amountGwei <= 0n) {
      throw new RangeError(
        `exitTree: got slot ${exit.slot} with ${exit.amountGwei} gwei, expected a free slot below ${slots} and a positive amount`,
      );
    }
    leaves[exit.slot] = exitLeaf(scope, exit);
  }
  const rows: Hex[][] = [leaves];
  for (let row = leaves; row.length > 1; rows.push(row)) row = parentsOf(row);
  const leaf = (slot: number): Hex => {
    const value = leaves[slot] ?? ZERO_WORD;
    if (value === ZERO_WORD) throw new RangeError(`exitTree: slot ${slot} has no exit`);
    return value;
  };
  return {
    root: exits.length === 0 ? ZERO_WORD : (rows[depth]?.[0] ?? ZERO_WORD),
    depth,
    leaf,
    proof(slot) {
      leaf(slot);
      return rows
        .slice(0, depth)
        .map((row, level) => row[Math.floor(slot / 2 ** level) ^ 1] ?? ZERO_WORD);
    },
  };
}

const parentsOf = (row: readonly Hex[]): Hex[] =>
  Array.from({ length: row.length / 2 }, (_, i) =>
    keccak256(concat([row[2 * i] ?? ZERO_WORD, row[2 * i + 1] ?? ZERO_WORD])),
  );
