// Which state may follow which: everybody keeps what it deposits, and payments move the rest.

import { OperatorError } from "../errors.ts";
import type { ChannelState } from "./agreement.ts";
import type { Offer, Payment } from "./party-store.ts";
import { isSplit } from "./signed-state.ts";

export type Role = "alice" | "bob";

export interface Deposits {
  readonly aliceWei: bigint;
  readonly bobWei: bigint;
}

/** What a side knows of the chain when it signs. */
export interface ChannelView extends Deposits {
  /** No dispute runs and nothing is closed. What is signed after a dispute has ended is worth nothing. */
  readonly isOpen: boolean;
}

/** Before the first state: deposits that nobody has named yet. */
export const BEGINNING: ChannelState = {
  aliceDeposited: 0n,
  bobDeposited: 0n,
  aliceBalance: 0n,
  bobBalance: 0n,
  nonce: 0n,
};

export const partOf = (role: Role, state: ChannelState): bigint =>
  role === "alice" ? state.aliceBalance : state.bobBalance;

export const sumOf = (payments: readonly Payment[]): bigint =>
  payments.reduce((sum, { amountWei }) => sum + amountWei, 0n);

/** The state after `base` in which these deposits are named and `payer` has paid. */
export function successor(
  base: ChannelState,
  { aliceWei, bobWei }: Deposits,
  payer: Role,
  paidWei: bigint,
): ChannelState {
  const fromAlice = payer === "alice" ? paidWei : -paidWei;
  return {
    aliceDeposited: aliceWei,
    bobDeposited: bobWei,
    aliceBalance: base.aliceBalance + (aliceWei - base.aliceDeposited) - fromAlice,
    bobBalance: base.bobBalance + (bobWei - base.bobDeposited) + fromAlice,
    nonce: base.nonce + 1n,
  };
}

/** All that is confirmed, and never less than what a state has named before. */
export function namedDeposits(base: ChannelState, confirmed: Deposits): Deposits {
  return {
    aliceWei: max(confirmed.aliceWei, base.aliceDeposited),
    bobWei: max(confirmed.bobWei, base.bobDeposited),
  };
}

/**
 * Whether what `payer` offers follows from the agreed state. Signatures and deposits on chain are not looked at.
 *
 * @throws OperatorError CHANNEL_REFUSED
 */
export function checkOffer(base: ChannelState, payer: Role, offer: Offer): void {
  const { kind, state, payments } = offer;
  const { aliceDeposited: aliceWei, bobDeposited: bobWei, nonce } = state;
  if (nonce !== base.nonce + 1n) throw refused(`expected nonce ${base.nonce + 1n}`, nonce);
  if (aliceWei < base.aliceDeposited || bobWei < base.bobDeposited) {
    throw refused("it forgets deposits", nonce);
  }
  if (kind === "close" && payments.length > 0) throw refused("a close pays nothing", nonce);
  if (payments.some(({ amountWei }) => amountWei === 0n)) {
    throw refused("a payment of nothing", nonce);
  }
  const expected = successor(base, { aliceWei, bobWei }, payer, sumOf(payments));
  const isExpected =
    state.aliceBalance === expected.aliceBalance && state.bobBalance === expected.bobBalance;
  // A negative part cannot be: the message's amounts are not negative.
  if (!isExpected || !isSplit(state)) {
    throw refused("the split is not the agreed one with these payments", nonce);
  }
}

/** @throws OperatorError CHANNEL_CLOSING  once the chain has begun to settle the channel. */
export function requireOpen({ isOpen }: ChannelView): void {
  if (isOpen) return;
  throw new OperatorError(
    "CHANNEL_CLOSING",
    "the channel is in a dispute, or closed: what is signed now may be too late to count.",
  );
}

export const refused = (why: string, nonce: bigint): OperatorError =>
  new OperatorError("CHANNEL_REFUSED", `offer of nonce ${nonce}: ${why}. Nothing was signed.`);

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
