// What a state root commits to: twin of contracts/ledger/LedgerTypes.sol, with everything under the roots.

import { type Address, encodeAbiParameters, type Hex, keccak256, stringToHex } from "viem";
import { MerkleTree } from "./merkle-tree.ts";

export const ACCOUNT_DEPTH = 20;
export const EXIT_DEPTH = 32;

export const VM_TAG = keccak256(stringToHex("proofmill.ledger.state.v1"));
export const LEAF_TAG = keccak256(stringToHex("proofmill.ledger.account.v1"));

/** One account. */
export interface Account {
  /** Lower case. */
  readonly owner: Address;
  readonly nonce: bigint;
  /** Wei. */
  readonly balance: bigint;
}

/** Money on its way to another domain. */
export interface ExitMessage {
  readonly sender: Address;
  readonly destDomain: number;
  readonly target: Address;
  /** Wei. */
  readonly amount: bigint;
  /** Its slot in the exit tree. */
  readonly nonce: bigint;
}

/** Never changed: an instruction makes a new one, which shares its trees with the old one. */
export interface LedgerState {
  readonly accounts: MerkleTree<Account>;
  readonly exits: MerkleTree<ExitMessage>;
  readonly exitCount: bigint;
  /** Queue entries executed so far. */
  readonly l1Cursor: bigint;
  /** Fees collected and not yet paid out, wei. */
  readonly feePot: bigint;
}

export const NOBODY: Address = `0x${"00".repeat(20)}`;
export const NO_ACCOUNT: Account = { owner: NOBODY, nonce: 0n, balance: 0n };

export const genesisState = (): LedgerState => ({
  accounts: MerkleTree.empty(ACCOUNT_DEPTH),
  exits: MerkleTree.empty(EXIT_DEPTH),
  exitCount: 0n,
  l1Cursor: 0n,
  feePot: 0n,
});

export const isEmpty = ({ owner, nonce, balance }: Account): boolean =>
  owner === NOBODY && nonce === 0n && balance === 0n;

export const accountAt = (accounts: MerkleTree<Account>, index: number): Account =>
  accounts.get(index) ?? NO_ACCOUNT;

const LEAF = [
  { type: "bytes32" },
  { type: "address" },
  { type: "uint64" },
  { type: "uint128" },
] as const;

/** Zero for no account. */
export function accountLeaf(account: Account): Hex {
  if (isEmpty(account)) return `0x${"00".repeat(32)}`;
  const { owner, nonce, balance } = account;
  return keccak256(encodeAbiParameters(LEAF, [LEAF_TAG, owner, nonce, balance]));
}

export const setAccount = (
  accounts: MerkleTree<Account>,
  index: number,
  account: Account,
): MerkleTree<Account> => accounts.set(index, accountLeaf(account), account);

/** The fields of a state as the contract knows them. */
export const stateFields = (state: LedgerState) => ({
  accountsRoot: state.accounts.root,
  exitRoot: state.exits.root,
  exitCount: state.exitCount,
  l1Cursor: state.l1Cursor,
  feePot: state.feePot,
});

const STATE = [
  { type: "bytes32" },
  { type: "bytes32" },
  { type: "bytes32" },
  { type: "uint64" },
  { type: "uint64" },
  { type: "uint128" },
] as const;

export function stateRoot(state: LedgerState): Hex {
  const { accountsRoot, exitRoot, exitCount, l1Cursor, feePot } = stateFields(state);
  return keccak256(
    encodeAbiParameters(STATE, [VM_TAG, accountsRoot, exitRoot, exitCount, l1Cursor, feePot]),
  );
}
