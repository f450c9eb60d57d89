import type { CircuitInputs } from "../../../circuits/inputs.ts";
import type { SignedTransfer } from "../../../circuits/transfer.ts";
import type { StateTree } from "../../../circuits/tree.ts";
import { accountOf, signed, smallTree } from "../small-rollup.ts";
import { inputsOf } from "./forgery.ts";

export const U64 = 2n ** 64n;

/** One transfer; the second slot is unused. */
export const one = (transfer: SignedTransfer, tree?: StateTree): CircuitInputs =>
  inputsOf({ transfers: [transfer] }, tree);
export const honest = () => one(signed());

/** A tree in which some accounts are set. */
export function treeWith(...accounts: [index: number, account: ReturnType<typeof accountOf>][]) {
  const tree = smallTree(2);
  for (const [index, account] of accounts) tree.set(index, account);
  return tree;
}

/** Accounts in four groups of the tree, so that no path sees what another changes. */
export const apart = () => treeWith([8, accountOf(8, 1000n)], [12, accountOf(12, 1000n)]);
export const between = { from: 8, to: 12 } as const;
/** Balance and nonce of the unused second slot. */
export const NOBODY = [0n, 0n];
export const rich = () => treeWith([1, accountOf(1, 2n * U64)]);
