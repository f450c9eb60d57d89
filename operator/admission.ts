// The rules by which a signed transfer is accepted: each throws its own error with the field, got and expected.

import { pkHashOf } from "../circuits/account.ts";
import { isElement, isUint, isUintNumber } from "../circuits/field.ts";
import { L1Kind } from "../circuits/l1.ts";
import { type SignedTransfer, TransferType, transferMessage } from "../circuits/transfer.ts";
import { verifySignature } from "../circuits/wallet.ts";
import { OperatorError } from "./errors.ts";
import type { RollupState } from "./state.ts";

/** Furthest block that a transfer may name: the circuit holds `validUntil - blockNumber` in 32 bits. */
const VALID_AHEAD_MAX = 2 ** 32 - 1;

/**
 * Every number has the width that record and message give it; an amount of 0 would pay nobody.
 *
 * @throws OperatorError FIELD_MALFORMED
 */
export function checkRanges(state: RollupState, transfer: SignedTransfer): void {
  const capacity = 4 ** state.parameters.levels;
  const isIndex = (index: number): boolean =>
    Number.isInteger(index) && index > 0 && index < capacity;
  const { key, signature } = transfer;
  const rules: [path: string, value: unknown, isGood: boolean, expected: string][] = [
    [
      "type",
      transfer.type,
      transfer.type === TransferType.transfer || transfer.type === TransferType.exit,
      "transfer or exit",
    ],
    ["from", transfer.from, isIndex(transfer.from), `1 to ${capacity - 1}`],
    ["to", transfer.to, isIndex(transfer.to), `1 to ${capacity - 1}`],
    [
      "amountGwei",
      transfer.amount,
      isUint(transfer.amount, 64) && transfer.amount > 0n,
      "1 to 2^64 - 1",
    ],
    ["feeGwei", transfer.fee, isUint(transfer.fee, 32), "0 to 2^32 - 1"],
    [
      "validUntilBlock",
      transfer.validUntil,
      isUintNumber(transfer.validUntil, 33),
      "a block number",
    ],
    ["nonce", transfer.nonce, isUint(transfer.nonce, 64), "0 to 2^64 - 1"],
    ["recipient", transfer.recipient, isElement(transfer.recipient), "a field element"],
    ["key.ax", key.ax, isElement(key.ax), "a field element"],
    ["key.ay", key.ay, isElement(key.ay), "a field element"],
    ["key.owner", key.owner, isUint(key.owner, 160), "an address"],
    ["signature.s", undefined, isUint(signature.s, 252), "a scalar below the subgroup order"],
    ["signature.r8x", undefined, isElement(signature.r8x), "a field element"],
    ["signature.r8y", undefined, isElement(signature.r8y), "a field element"],
  ];
  for (const [path, value, isGood, expected] of rules) {
    if (isGood) continue;
    const got = value === undefined ? undefined : String(value);
    throw new OperatorError(
      "FIELD_MALFORMED",
      `${path}: ${got === undefined ? "" : `got ${got}, `}expected ${expected}.`,
      { path, ...(got !== undefined && { got }), expected },
    );
  }
}

/**
 * The sender is registered with this key and is not about to leave; the receiver is who the sender believes.
 *
 * @throws OperatorError TRANSFER_SENDER, TRANSFER_RECIPIENT
 */
export function checkParties(state: RollupState, transfer: SignedTransfer): void {
  const sender = state.registered(transfer.from);
  if (sender === undefined) {
    throw new OperatorError(
      "TRANSFER_SENDER",
      `account ${transfer.from} is not registered on L1 (or its registration lacks confirmations).`,
      { path: "from", got: String(transfer.from) },
    );
  }
  if (sender.pkHash !== pkHashOf(transfer.key)) {
    throw new OperatorError(
      "TRANSFER_SENDER",
      `the key is not the one that account ${transfer.from} registered.`,
      { path: "key" },
    );
  }
  if (isLeaving(state, transfer.from)) {
    throw new OperatorError(
      "TRANSFER_SENDER",
      `a forced exit of account ${transfer.from} is waiting: it will void the nonce. Sign again after it.`,
      { path: "from", got: String(transfer.from) },
    );
  }
  const recipient = state.registered(transfer.to);
  if (recipient === undefined) {
    throw new OperatorError(
      "TRANSFER_RECIPIENT",
      `account ${transfer.to} is not registered on L1 (or its registration lacks confirmations).`,
      { path: "to", got: String(transfer.to) },
    );
  }
  if (recipient.pkHash !== transfer.recipient) {
    throw new OperatorError(
      "TRANSFER_RECIPIENT",
      `recipient is not the key hash of account ${transfer.to}. Read it from L1 again and sign again.`,
      { path: "recipient", got: String(transfer.recipient), expected: String(recipient.pkHash) },
    );
  }
}

/** @throws OperatorError TRANSFER_EXPIRED if the next block could not contain it. */
export function checkExpiry(state: RollupState, transfer: SignedTransfer): void {
  const next = state.nextBlockNumber;
  if (transfer.validUntil >= next && transfer.validUntil - next <= VALID_AHEAD_MAX) return;
  throw new OperatorError(
    "TRANSFER_EXPIRED",
    `validUntilBlock: got ${transfer.validUntil}, expected ${next} to ${next + VALID_AHEAD_MAX}.`,
    {
      path: "validUntilBlock",
      got: String(transfer.validUntil),
      expected: `${next} to ${next + VALID_AHEAD_MAX}`,
    },
  );
}

/**
 * The nonce is the account's first free one.
 *
 * @param waiting nonces of the account's transfers that are already waiting, rising.
 * @throws OperatorError TRANSFER_NONCE_USED, TRANSFER_NONCE_GAP
 */
export function checkNonce(
  state: RollupState,
  transfer: SignedTransfer,
  waiting: readonly bigint[],
): void {
  const expected = firstFreeNonce(state.account(transfer.from).nonce, waiting);
  const { nonce } = transfer;
  if (nonce === expected) return;
  const detail = { path: "nonce", got: String(nonce), expected: String(expected) };
  if (nonce > expected && !waiting.includes(nonce)) {
    throw new OperatorError(
      "TRANSFER_NONCE_GAP",
      `nonce: got ${nonce}, expected ${expected}. Send the transfers of one account in order.`,
      detail,
    );
  }
  throw new OperatorError(
    "TRANSFER_NONCE_USED",
    `nonce: got ${nonce}, which is used or taken by a waiting transfer; the next free one is ${expected}.`,
    detail,
  );
}

/** @param waiting rising. */
export function firstFreeNonce(next: bigint, waiting: readonly bigint[]): bigint {
  return waiting.reduce((free, taken) => (taken === free ? free + 1n : free), next);
}

/**
 * The account can pay this one after all that wait. Deposits in the queue count: a block takes L1 items first.
 * Incoming transfers do not: they may still fail.
 *
 * @param waitingGwei amounts and fees of the account's transfers that are already waiting.
 * @throws OperatorError TRANSFER_BALANCE
 */
export function checkBalance(
  state: RollupState,
  transfer: SignedTransfer,
  waitingGwei: bigint,
): void {
  const deposits = state
    .waitingItems()
    .filter(({ kind, index }) => kind === L1Kind.deposit && index === transfer.from)
    .reduce((sum, { amountGwei }) => sum + amountGwei, 0n);
  const available = state.account(transfer.from).balance + deposits - waitingGwei;
  const cost = transfer.amount + transfer.fee;
  if (cost <= available) return;
  throw new OperatorError(
    "TRANSFER_BALANCE",
    `amount and fee come to ${cost} gwei, but account ${transfer.from} has ${available} gwei free ` +
      `(${waitingGwei} gwei are bound by waiting transfers).`,
    { path: "amountGwei", got: String(cost), expected: `at most ${available}` },
  );
}

/** @throws OperatorError TRANSFER_SIGNATURE */
export function checkSignature(state: RollupState, transfer: SignedTransfer): void {
  const { recipient, nonce, key, signature } = transfer;
  const message = transferMessage(state.domain, transfer, recipient, nonce);
  if (verifySignature(key, message, signature)) return;
  throw new OperatorError(
    "TRANSFER_SIGNATURE",
    "the signature does not fit these fields, this key, this chain and this contract.",
    { path: "signature" },
  );
}

/** What has become impossible for good since the transfer was accepted, or undefined. */
export function findObstacle(
  state: RollupState,
  transfer: SignedTransfer,
): OperatorError | undefined {
  try {
    checkExpiry(state, transfer);
    checkSameParties(state, transfer);
    const { nonce } = state.account(transfer.from);
    if (transfer.nonce < nonce) {
      throw new OperatorError(
        "TRANSFER_NONCE_USED",
        `account ${transfer.from} has come to nonce ${nonce} by another transfer or a forced exit.`,
        { path: "nonce", got: String(transfer.nonce), expected: String(nonce) },
      );
    }
    return undefined;
  } catch (error) {
    return OperatorError.from(error);
  }
}

/** An L1 reorg can give an index to somebody else. An index that nobody has at the moment may come back. */
function checkSameParties(state: RollupState, transfer: SignedTransfer): void {
  const sender = state.registered(transfer.from);
  if (sender !== undefined && sender.pkHash !== pkHashOf(transfer.key)) {
    throw new OperatorError("TRANSFER_SENDER", `account ${transfer.from} has another key now.`, {
      path: "from",
    });
  }
  const recipient = state.registered(transfer.to);
  if (recipient !== undefined && recipient.pkHash !== transfer.recipient) {
    throw new OperatorError("TRANSFER_RECIPIENT", `account ${transfer.to} has another key now.`, {
      path: "to",
    });
  }
}

function isLeaving(state: RollupState, index: number): boolean {
  return state
    .waitingItems()
    .some((item) => item.kind === L1Kind.forcedExit && item.index === index);
}
