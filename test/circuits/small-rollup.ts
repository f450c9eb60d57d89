import { type Account, type AccountKey, pkHashOf } from "../../circuits/account.ts";
import { type BatchRequest, buildBatch, type TransferBatch } from "../../circuits/batch.ts";
import { rollupDomain } from "../../circuits/data.ts";
import { type L1Item, L1Kind } from "../../circuits/l1.ts";
import type { CircuitParameters } from "../../circuits/parameters.ts";
import type { SignedTransfer, Transfer } from "../../circuits/transfer.ts";
import { StateTree } from "../../circuits/tree.ts";
import { signTransfer, type Wallet, walletFromSeed } from "../../circuits/wallet.ts";

export const DOMAIN = rollupDomain(31337, `0x${"5a".repeat(20)}`);
export const BLOCK_NUMBER = 7;

/** Somebody with a wallet; wallets are deterministic, by number. */
export interface Resident {
  readonly wallet: Wallet;
  readonly key: AccountKey;
  readonly pkHash: bigint;
}

const residents = new Map<number, Resident>();

/** The resident who owns the account of that index. */
export function resident(index: number): Resident {
  const known = residents.get(index);
  if (known !== undefined) return known;
  const seed = new Uint8Array(32).fill(0x11);
  new DataView(seed.buffer).setUint32(0, index);
  const wallet = walletFromSeed(seed);
  const key = { ax: wallet.ax, ay: wallet.ay, owner: 0xabc000n + BigInt(index) };
  const made = { wallet, key, pkHash: pkHashOf(key) };
  residents.set(index, made);
  return made;
}

/** An account of its resident. */
export const accountOf = (index: number, balance: bigint, nonce = 0n): Account => ({
  pkHash: resident(index).pkHash,
  balance,
  nonce,
});

export const deposit = (index: number, amount: bigint): L1Item => ({
  kind: L1Kind.deposit,
  index,
  amount,
  key: resident(index).key,
});

export const forcedExit = (index: number, amount: bigint): L1Item => ({
  kind: L1Kind.forcedExit,
  index,
  amount,
  key: resident(index).key,
});

export interface Signing extends Partial<Transfer> {
  readonly domain?: bigint;
  readonly nonce?: bigint;
  readonly recipient?: bigint;
  /** Whose wallet signs and whose key is given; by default the account `from`. */
  readonly signer?: number;
}

/** A transfer of 10 gwei with a fee of 1, from account 1 to 2, at nonce 0, unless told otherwise. */
export function signed(changes: Signing = {}): SignedTransfer {
  const { domain = DOMAIN, nonce = 0n, recipient, signer, ...fields } = changes;
  const base = { type: 1, from: 1, to: 2, amount: 10n, fee: 1n, validUntil: 100 } as const;
  const transfer = { ...base, ...fields };
  const { wallet, key } = resident(signer ?? transfer.from);
  return signTransfer({
    wallet,
    owner: key.owner,
    domain,
    transfer,
    recipient: recipient ?? resident(transfer.to).pkHash,
    nonce,
  });
}

/** Accounts 1 to 5 with 1000, 2000, … gwei and nonces 0. */
export function smallTree(levels: number): StateTree {
  const tree = new StateTree(levels);
  for (let index = 1; index <= 5; index++) {
    tree.set(index, accountOf(index, 1000n * BigInt(index)));
  }
  return tree;
}

/** A batch on `smallTree` or another tree; account 5 takes the fees. */
export function batchOf(
  parameters: CircuitParameters,
  changes: Partial<BatchRequest> = {},
  tree = smallTree(parameters.levels),
): TransferBatch {
  return buildBatch(parameters, tree, {
    domain: DOMAIN,
    blockNumber: BLOCK_NUMBER,
    feeIndex: 5,
    l1Items: [],
    transfers: [],
    ...changes,
  });
}
