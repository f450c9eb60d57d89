// What a committed block did, from its published bytes, the queue and the accounts before it.

import { type Address, getAddress, type Hex, numberToHex } from "viem";
import { decodeTxData } from "../circuits/data.ts";
import { type Exit, exitSlots, withOwners } from "../circuits/exits.ts";
import { type L1Item, L1Kind } from "../circuits/l1.ts";
import type { CircuitParameters } from "../circuits/parameters.ts";
import { TransferType } from "../circuits/transfer.ts";
import { applyBlock, type BlockObserver } from "../circuits/transition.ts";
import type { StateTree } from "../circuits/tree.ts";
import { OperatorError } from "./errors.ts";
import type { QueueItem, RegisteredAccount } from "./l1-record.ts";
import { transferId } from "./transfer-id.ts";

export interface ReplayContext {
  readonly parameters: CircuitParameters;
  readonly domain: bigint;
  registered(index: number): RegisteredAccount | undefined;
}

export interface ReplayedBlock {
  readonly exits: Exit[];
  /** Position in the exit tree: L1 slots first, then transfers. */
  readonly transfers: { readonly id: Hex; readonly slot: number }[];
}

/**
 * Applies a block to the tree, in place. Signatures are not published: the proof has shown them to the contract.
 *
 * @param items the queue items that the block took.
 * @throws OperatorError STATE_DIVERGED  if the bytes are not what the contract can have accepted.
 */
export function replayBlock(
  tree: StateTree,
  context: ReplayContext,
  items: readonly QueueItem[],
  txData: Uint8Array,
): ReplayedBlock {
  const { parameters } = context;
  const { feeIndex, exitAmounts, records } = decode(parameters, items, txData);
  const transfers: { id: Hex; slot: number }[] = [];
  const amounts = exitAmounts[Symbol.iterator]();
  const l1Items = items.map((item): L1Item => {
    const isExit = item.kind === L1Kind.forcedExit;
    const amount = isExit ? (amounts.next().value as bigint) : item.amountGwei;
    return { kind: item.kind, index: item.index, amount, key: accountOf(context, item.index).key };
  });
  const observer: BlockObserver = {
    sender(position, record) {
      if (record === undefined || record.type === TransferType.noop) return;
      const { nonce } = tree.get(record.from);
      const recipient = accountOf(context, record.to).pkHash;
      transfers.push({
        id: transferId(context.domain, record, nonce, recipient),
        slot: parameters.nDeposits + position,
      });
    },
  };
  applyBlock(parameters, tree, { feeIndex, l1Items, transfers: records }, observer);
  const exits = withOwners(exitSlots(parameters, { l1Items, transfers: records }), (index) =>
    ownerOf(context, index),
  );
  return { exits, transfers };
}

function decode(
  parameters: CircuitParameters,
  items: readonly QueueItem[],
  txData: Uint8Array,
): ReturnType<typeof decodeTxData> {
  const kinds = items.map(({ kind }) => kind);
  try {
    return decodeTxData(parameters, txData, kinds);
  } catch (cause) {
    throw new OperatorError(
      "STATE_DIVERGED",
      `published bytes of a committed block cannot be read: ${(cause as Error).message}.`,
      {},
      { cause },
    );
  }
}

function accountOf(context: ReplayContext, index: number): RegisteredAccount {
  const account = context.registered(index);
  if (account !== undefined) return account;
  throw new OperatorError(
    "STATE_DIVERGED",
    `a committed block names account ${index}, which is not registered. The node may have left out logs.`,
  );
}

const ownerOf = (context: ReplayContext, index: number): Address =>
  getAddress(numberToHex(accountOf(context, index).key.owner, { size: 20 }));
