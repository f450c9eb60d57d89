// What L1 has on record for the rollup.

import type { AccountKey } from "../circuits/account.ts";

export interface RegisteredAccount {
  readonly key: AccountKey;
  readonly pkHash: bigint;
}

export interface QueueItem {
  readonly id: number;
  readonly kind: 1 | 2;
  readonly index: number;
  readonly amountGwei: bigint;
  readonly overdueAtSeconds: bigint;
}
