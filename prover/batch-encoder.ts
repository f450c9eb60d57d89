import { create } from "@bufbuild/protobuf";
import { type AccountKey, isEmptyAccount } from "../circuits/account.ts";
import type { TransferBatch as TwinBatch } from "../circuits/batch.ts";
import { L1Kind } from "../circuits/l1.ts";
import { type SignedTransfer, TransferType } from "../circuits/transfer.ts";
import {
  L1ItemKind,
  type TransferBatch,
  TransferBatchSchema,
  TransferKind,
} from "../gen/prover/v1/batch_pb.ts";
import { toBytesBE } from "../worker/field.ts";

const ADDRESS_BYTES = 20;

/** A batch of the twin as it goes over the wire. Its numbers must be in the ranges that the twin states. */
export function encodeBatch(batch: TwinBatch): TransferBatch {
  return create(TransferBatchSchema, {
    domain: toBytesBE(batch.domain),
    blockNumber: batch.blockNumber,
    feeIndex: batch.feeIndex,
    prevRoot: toBytesBE(batch.prevRoot),
    topNodes: batch.topNodes.map(toBytesBE),
    openings: batch.openings.map(({ index, account, siblings }) => ({
      index,
      // An absent account is the empty one.
      ...(isEmptyAccount(account)
        ? {}
        : {
            account: {
              pkHash: toBytesBE(account.pkHash),
              balanceGwei: account.balance,
              nonce: account.nonce,
            },
          }),
      siblings: siblings.flat().map(toBytesBE),
    })),
    l1Items: batch.l1Items.map(({ kind, index, amount, key }) => ({
      kind: kind === L1Kind.forcedExit ? L1ItemKind.FORCED_EXIT : L1ItemKind.DEPOSIT,
      index,
      amountGwei: amount,
      key: encodeKey(key),
    })),
    transfers: batch.transfers.map(encodeTransfer),
  });
}

function encodeTransfer(transfer: SignedTransfer) {
  if (transfer.type === TransferType.noop) return { kind: TransferKind.NOOP };
  const { from, to, amount, fee, validUntil, nonce, recipient, key, signature } = transfer;
  return {
    kind: transfer.type === TransferType.exit ? TransferKind.EXIT : TransferKind.TRANSFER,
    from,
    to,
    amountGwei: amount,
    feeGwei: Number(fee),
    validUntil: BigInt(validUntil),
    nonce,
    recipient: toBytesBE(recipient),
    key: encodeKey(key),
    signature: {
      s: toBytesBE(signature.s),
      r8X: toBytesBE(signature.r8x),
      r8Y: toBytesBE(signature.r8y),
    },
  };
}

function encodeKey({ ax, ay, owner }: AccountKey) {
  return { ax: toBytesBE(ax), ay: toBytesBE(ay), owner: toBytesBE(owner).subarray(-ADDRESS_BYTES) };
}
