import type { Address, Hex } from "viem";
import { exitNonce, exitTree, WEI_PER_GWEI } from "../circuits/exits.ts";
import { OperatorError } from "./errors.ts";
import type { RollupState } from "./state.ts";

/** What an exit's owner hands to `withdraw(amountWei, nonce, proof, index)`. */
export interface ExitProof {
  readonly blockNumber: number;
  readonly slot: number;
  /** Only this address can withdraw it. */
  readonly owner: Address;
  readonly amountWei: bigint;
  /** Block number << 32 | slot; also the `index`. */
  readonly nonce: bigint;
  readonly leaf: Hex;
  readonly root: Hex;
  /** Siblings from the leaf up. */
  readonly proof: readonly Hex[];
}

/** Where an exit was made: the rollup's own number in messages, and its contract. */
export interface ExitSource {
  readonly sourceDomain: number;
  readonly rollup: Address;
}

/**
 * @param slot position in the block's exit tree: L1 slots first, then transfers.
 * @throws OperatorError NOT_FOUND  if the block is not committed or the slot is no exit.
 */
export function proveExit(
  state: RollupState,
  source: ExitSource,
  blockNumber: number,
  slot: number,
): ExitProof {
  const block = state.block(blockNumber);
  if (block === undefined) {
    throw new OperatorError(
      "NOT_FOUND",
      `no block ${blockNumber}: the last one has number ${state.nextBlockNumber - 1}.`,
      { path: "block", got: String(blockNumber) },
    );
  }
  const exit = block.exits.find((candidate) => candidate.slot === slot);
  if (exit === undefined) {
    const slots = block.exits.map((candidate) => candidate.slot);
    throw new OperatorError(
      "NOT_FOUND",
      `slot ${slot} of block ${blockNumber} is no exit. Exits there: ${slots.join(", ") || "none"}.`,
      { path: "slot", got: String(slot) },
    );
  }
  const tree = exitTree(state.parameters, { ...source, blockNumber }, block.exits);
  return {
    blockNumber,
    slot,
    owner: exit.owner,
    amountWei: exit.amountGwei * WEI_PER_GWEI,
    nonce: exitNonce(blockNumber, slot),
    leaf: tree.leaf(slot),
    root: tree.root,
    proof: tree.proof(slot),
  };
}
