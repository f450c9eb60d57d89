import { poseidon } from "./poseidon.ts";

/** What the state tree stores in one slot. */
export interface Account {
  /** `pkHashOf` the account's key; 0 in an empty slot. */
  readonly pkHash: bigint;
  /** gwei, u64. */
  readonly balance: bigint;
  /** Transfers sent and forced exits made; it never falls, or old signatures would be good again. u64. */
  readonly nonce: bigint;
}

/** Who may spend an account, and who is paid on L1 when it exits. */
export interface AccountKey {
  /** BabyJubJub public key, two field elements. */
  readonly ax: bigint;
  readonly ay: bigint;
  /** L1 address as a number, u160. */
  readonly owner: bigint;
}

/** A slot that was never registered. Slot 0 stays so for ever. */
export const EMPTY_ACCOUNT: Account = Object.freeze({ pkHash: 0n, balance: 0n, nonce: 0n });

/**
 * Poseidon(ax, ay, owner). The circuit computes it from values that the contract supplies, so that nobody can
 * register a key under another owner.
 *
 * @throws RangeError if a part is not a field element.
 */
export function pkHashOf(key: AccountKey): bigint {
  return poseidon([key.ax, key.ay, key.owner]);
}

/**
 * Poseidon(pkHash, balance, nonce): the tree's leaf.
 *
 * @throws RangeError if a part is not a field element.
 */
export function leafOf(account: Account): bigint {
  return poseidon([account.pkHash, account.balance, account.nonce]);
}

/** True if nothing was ever written to the slot. */
export function isEmptyAccount(account: Account): boolean {
  return account.pkHash === 0n && account.balance === 0n && account.nonce === 0n;
}
