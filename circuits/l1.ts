import type { AccountKey } from "./account.ts";

/** What an entry of the L1 queue asks for. 0 marks an empty slot of the circuit. */
export const L1Kind = { deposit: 1, forcedExit: 2 } as const;
export type L1Kind = (typeof L1Kind)[keyof typeof L1Kind];

/** One entry of the contract's queue, as a batch takes it in. */
export interface L1Item {
  readonly kind: L1Kind;
  /** Account index, from 1. */
  readonly index: number;
  /** gwei, u64. Deposit: what comes in. Forced exit: the whole balance at that moment, published by the committer. */
  readonly amount: bigint;
  /** The account's key and owner, as registered on L1. */
  readonly key: AccountKey;
}

/** kind * 2^96 + index * 2^64 + amount: an L1 slot's first element of d. */
export function l1Element(item: Pick<L1Item, "kind" | "index" | "amount">): bigint {
  return BigInt(item.kind) * 2n ** 96n + BigInt(item.index) * 2n ** 64n + item.amount;
}
