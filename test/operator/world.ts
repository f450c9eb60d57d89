// A rollup state and its users without a chain: events are made up as the contract would emit them.

import type { Hex } from "viem";
import { keccak256, numberToHex } from "viem";
import { type AccountKey, pkHashOf } from "../../circuits/account.ts";
import { circuitParameters } from "../../circuits/parameters.ts";
import { type SignedTransfer, TransferType } from "../../circuits/transfer.ts";
import { signTransfer, type Wallet, walletFromSeed } from "../../circuits/wallet.ts";
import type { BuiltBatch } from "../../operator/batch-builder.ts";
import type { RollupEvent } from "../../operator/chain-events.ts";
import { RollupState } from "../../operator/state.ts";

export const TINY = circuitParameters("batch-tiny");
export const DOMAIN = 0x1234567890abcdefn;

export interface User {
  readonly wallet: Wallet;
  readonly key: AccountKey;
  readonly pkHash: bigint;
}

export function createUser(seed: number): User {
  const wallet = walletFromSeed(new Uint8Array(32).fill(seed));
  const key = { ax: wallet.ax, ay: wallet.ay, owner: 0x1000n + BigInt(seed) };
  return { wallet, key, pkHash: pkHashOf(key) };
}

export interface PaymentPlan {
  readonly type?: SignedTransfer["type"];
  readonly from: number;
  readonly to: number;
  readonly amount?: bigint;
  readonly fee?: bigint;
  readonly nonce?: bigint;
  readonly validUntil?: number;
}

/** Feeds a state with L1 blocks; user n has index n. */
export class World {
  readonly state: RollupState;
  readonly users = new Map<number, User>();
  #time = 0;

  constructor(checkpoints?: number) {
    this.state = new RollupState({
      parameters: TINY,
      domain: DOMAIN,
      origin: { number: 0, hash: hashOf(0, 0) },
      ...(checkpoints !== undefined && { checkpoints }),
    });
  }

  /** The next L1 block with these events. `salt` makes another block of the same number. */
  mine(events: readonly RollupEvent[] = [], salt = 0) {
    const { number, hash } = this.state.l1;
    return this.state.apply({
      number: number + 1,
      hash: hashOf(number + 1, salt),
      parentHash: hash,
      events,
    });
  }

  user(index: number): User {
    const user = this.users.get(index) ?? createUser(index);
    this.users.set(index, user);
    return user;
  }

  /** Registers the next account with a deposit that waits in the queue. */
  register(amountGwei: bigint): number {
    const index = this.state.registeredCount + 1;
    const { key } = this.user(index);
    this.mine([{ type: "registered", index, key }, this.queued(1, index, amountGwei)]);
    return index;
  }

  queued(kind: 1 | 2, index: number, amountGwei: bigint): RollupEvent {
    const id = this.state.queueHead + this.state.waitingItems().length;
    return { type: "queued", id, kind, index, amountGwei, overdueAtSeconds: 0n };
  }

  /** Takes in a built batch as the contract would. */
  commit({ batch, execution, firstItem, itemCount }: BuiltBatch) {
    const { newRoot, txData } = execution;
    return this.mine([
      {
        type: "block",
        number: batch.blockNumber,
        stateRoot: newRoot,
        firstItem,
        itemCount,
        txData,
        transactionHash: hashOf(batch.blockNumber, this.#time++),
      },
    ]);
  }

  sign(plan: PaymentPlan): SignedTransfer {
    const { wallet, key } = this.user(plan.from);
    return signTransfer({
      wallet,
      owner: key.owner,
      domain: DOMAIN,
      transfer: {
        type: plan.type ?? TransferType.transfer,
        from: plan.from,
        to: plan.to,
        amount: plan.amount ?? 1n,
        fee: plan.fee ?? 0n,
        validUntil: plan.validUntil ?? 1_000,
      },
      recipient: this.user(plan.to).pkHash,
      nonce: plan.nonce ?? this.state.account(plan.from).nonce,
    });
  }
}

function hashOf(number: number, salt: number): Hex {
  return keccak256(numberToHex(number * 1_000 + salt, { size: 32 }));
}
