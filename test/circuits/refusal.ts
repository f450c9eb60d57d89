import { expect } from "vitest";
import { executeBatch, type TransferBatch } from "../../circuits/batch.ts";
import { BatchError, type BatchErrorCode } from "../../circuits/errors.ts";
import type { L1Item } from "../../circuits/l1.ts";
import type { AccountOpening } from "../../circuits/openings.ts";
import { circuitParameters } from "../../circuits/parameters.ts";
import type { SignedTransfer } from "../../circuits/transfer.ts";

const tiny = circuitParameters("batch-tiny");

/** Why the tiny circuit's twin refuses a batch; fails if it accepts. */
export function refusal(batch: TransferBatch): BatchError {
  try {
    executeBatch(tiny, batch);
  } catch (error) {
    expect(error).toBeInstanceOf(BatchError);
    return error as BatchError;
  }
  throw new Error("the batch was accepted");
}

export function expectRefusal(batch: TransferBatch, code: BatchErrorCode, path: string): void {
  const { code: gotCode, path: gotPath, message } = refusal(batch);
  expect({ code: gotCode, path: gotPath }, message).toEqual({ code, path });
}

export const withTransfer = (
  batch: TransferBatch,
  i: number,
  changes: Partial<SignedTransfer>,
) => ({
  ...batch,
  transfers: batch.transfers.with(i, { ...(batch.transfers[i] as SignedTransfer), ...changes }),
});
export const withItem = (batch: TransferBatch, changes: Partial<L1Item>) => ({
  ...batch,
  l1Items: batch.l1Items.with(0, { ...(batch.l1Items[0] as L1Item), ...changes }),
});
export const withOpening = (
  batch: TransferBatch,
  index: number,
  changes: Partial<AccountOpening>,
) => ({
  ...batch,
  openings: batch.openings.map((opening) =>
    opening.index === index ? { ...opening, ...changes } : opening,
  ),
});
export const positionOf = (batch: TransferBatch, index: number): number =>
  batch.openings.findIndex((opening) => opening.index === index);
