import { type Account, type AccountKey, pkHashOf } from "./account.ts";
import { isUsableKey, verifySignature } from "./eddsa.ts";
import { BatchError, type BatchErrorCode, type Quotable } from "./errors.ts";
import { isUint } from "./field.ts";
import { type L1Item, L1Kind } from "./l1.ts";
import { type SignedTransfer, TransferType, transferMessage } from "./transfer.ts";
import type { BlockObserver } from "./transition.ts";
import type { StateTree } from "./tree.ts";

/** What the rules need to know of the block, beside its slots. */
export interface BlockFrame {
  readonly domain: bigint;
  readonly blockNumber: number;
  readonly feeIndex: number;
}

/** A transfer is good for at most this many blocks ahead: the circuit gives the distance 32 bits. */
const VALIDITY_BLOCKS = 2 ** 32;

/**
 * The rules that the circuit enforces on each slot, given the tree just before the slot changes it.
 * Ranges have been checked.
 *
 * @returns an observer that throws BatchError at the first slot that breaks a rule.
 */
export function referee(tree: StateTree, frame: BlockFrame): BlockObserver<SignedTransfer> {
  return {
    l1: (slot, item) => {
      if (item !== undefined) judgeL1Item(tree.get(item.index), item, `l1Items[${slot}]`);
    },
    sender: (slot, transfer) => {
      if (!isUsed(transfer)) return;
      judgeSender(tree.get(transfer.from), transfer, frame.blockNumber, `transfers[${slot}]`);
    },
    receiver: (slot, transfer) => {
      if (!isUsed(transfer)) return;
      judgeReceiver(tree.get(transfer.to), transfer, `transfers[${slot}]`);
      judgeSignature(transfer, frame.domain, `transfers[${slot}]`);
    },
    fee: (total) => {
      if (total !== 0n) judgeFee(tree.get(frame.feeIndex), total, frame.feeIndex);
    },
  };
}

const isUsed = (transfer: SignedTransfer | undefined): transfer is SignedTransfer =>
  transfer !== undefined && transfer.type !== TransferType.noop;

function judgeL1Item(account: Account, item: L1Item, path: string): void {
  const pkHash = pkHashOf(item.key);
  if (account.pkHash !== 0n && account.pkHash !== pkHash) {
    refuse(
      "BATCH_L1",
      `${path}.key`,
      pkHash,
      account.pkHash,
      "The account has another key or owner",
    );
  }
  if (item.kind === L1Kind.forcedExit) {
    if (item.amount !== account.balance) {
      const advice = "A forced exit takes the whole balance as it stands at this item";
      refuse("BATCH_L1", `${path}.amount`, item.amount, account.balance, advice);
    }
    if (!isUint(account.nonce + 1n, 64)) {
      refuse("BATCH_L1", `${path}.index`, account.nonce, "a nonce below 2^64 - 1");
    }
  } else if (!isUint(account.balance + item.amount, 64)) {
    refuse("BATCH_L1", `${path}.amount`, item.amount, "a balance that stays below 2^64 gwei");
  }
}

function judgeSender(
  account: Account,
  transfer: SignedTransfer,
  blockNumber: number,
  path: string,
): void {
  if (account.pkHash === 0n) {
    refuse("BATCH_ACCOUNT", `${path}.from`, transfer.from, "a registered account");
  }
  judgeKey(account, transfer.key, `${path}.key`);
  if (transfer.nonce !== account.nonce || !isUint(account.nonce + 1n, 64)) {
    refuse(
      "BATCH_NONCE",
      `${path}.nonce`,
      transfer.nonce,
      account.nonce,
      "Sign with the next nonce",
    );
  }
  const blocksLeft = transfer.validUntil - blockNumber;
  if (blocksLeft < 0 || blocksLeft >= VALIDITY_BLOCKS) {
    const expected = `${blockNumber} to ${blockNumber + VALIDITY_BLOCKS - 1}`;
    refuse("BATCH_EXPIRED", `${path}.validUntil`, transfer.validUntil, expected);
  }
  const debit = transfer.amount + transfer.fee;
  if (debit > account.balance) {
    refuse(
      "BATCH_BALANCE",
      `${path}.amount`,
      `${debit} with fee`,
      `at most ${account.balance} gwei`,
    );
  }
}

function judgeKey(account: Account, key: AccountKey, path: string): void {
  const pkHash = pkHashOf(key);
  if (account.pkHash !== pkHash) {
    refuse("BATCH_ACCOUNT", path, `a key with pkHash ${pkHash}`, `pkHash ${account.pkHash}`);
  }
}

function judgeReceiver(account: Account, transfer: SignedTransfer, path: string): void {
  if (account.pkHash === 0n) {
    refuse("BATCH_ACCOUNT", `${path}.to`, transfer.to, "a registered account, for exits too");
  }
  if (account.pkHash !== transfer.recipient) {
    const advice = "The index belongs to another key than the sender meant";
    refuse("BATCH_ACCOUNT", `${path}.recipient`, transfer.recipient, account.pkHash, advice);
  }
  const credit = transfer.type === TransferType.transfer ? transfer.amount : 0n;
  if (!isUint(account.balance + credit, 64)) {
    const expected = "a receiver's balance that stays below 2^64 gwei";
    refuse("BATCH_BALANCE", `${path}.amount`, transfer.amount, expected);
  }
}

/** The dearest rule comes last. */
function judgeSignature(transfer: SignedTransfer, domain: bigint, path: string): void {
  const { key, signature, recipient, nonce } = transfer;
  if (!isUsableKey(key)) {
    const expected = "a point of BabyJubJub that is not of small order";
    refuse("BATCH_SIGNATURE", `${path}.key`, "a key that cannot sign", expected);
  }
  if (!verifySignature(key, transferMessage(domain, transfer, recipient, nonce), signature)) {
    const expected =
      "an EdDSA-Poseidon signature over domain, record, validUntil, recipient and nonce, with s below the order";
    refuse("BATCH_SIGNATURE", `${path}.signature`, "one that does not verify", expected);
  }
}

function judgeFee(account: Account, total: bigint, feeIndex: number): void {
  if (account.pkHash === 0n) {
    refuse("BATCH_ACCOUNT", "feeIndex", feeIndex, "a registered account, because there are fees");
  }
  if (!isUint(account.balance + total, 64)) {
    const expected = "a fee account whose balance stays below 2^64 gwei";
    refuse("BATCH_BALANCE", "feeIndex", feeIndex, expected);
  }
}

function refuse(
  code: BatchErrorCode,
  path: string,
  got: Quotable,
  expected: Quotable,
  advice?: string,
): never {
  throw new BatchError(code, path, { got, expected, ...(advice === undefined ? {} : { advice }) });
}
