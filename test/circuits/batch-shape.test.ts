import { describe, expect, it } from "vitest";
import type { TransferBatch } from "../../circuits/batch.ts";
import type { AccountOpening } from "../../circuits/openings.ts";
import { circuitParameters } from "../../circuits/parameters.ts";
import type { SignedTransfer, TransferType } from "../../circuits/transfer.ts";
import { SCALAR_FIELD } from "../../worker/field.ts";
import { expectRefusal, refusal, withItem, withOpening, withTransfer } from "./refusal.ts";
import { batchOf, deposit, resident, signed, smallTree } from "./small-rollup.ts";

const tiny = circuitParameters("batch-tiny");
const U64 = 2n ** 64n;

describe("circuits / batch, refused: shapes", () => {
  const batch = batchOf(tiny, { l1Items: [deposit(6, 77n)], transfers: [signed()] });
  const first = batch.openings[0] as AccountOpening;
  const at = (changes: object) => ({ ...batch, ...changes }) as TransferBatch;
  const opening = (changes: object) => withOpening(batch, first.index, changes);
  const key = resident(1).key;
  const signature = (batch.transfers[0] as SignedTransfer).signature;
  const account = first.account;

  const cases: [path: string, batch: TransferBatch][] = [
    ["domain", at({ domain: SCALAR_FIELD })],
    ["domain", at({ domain: -1n })],
    ["blockNumber", at({ blockNumber: 2 ** 32 })],
    ["blockNumber", at({ blockNumber: 0.5 })],
    ["feeIndex", at({ feeIndex: 16 })],
    ["feeIndex", at({ feeIndex: Number.NaN })],
    ["prevRoot", at({ prevRoot: SCALAR_FIELD })],
    ["topNodes", at({ topNodes: batch.topNodes.slice(1) })],
    ["topNodes[2]", at({ topNodes: batch.topNodes.with(2, SCALAR_FIELD) })],
    ["openings", at({ openings: Array(8).fill(first) })],
    ["openings[0].index", opening({ index: 16 })],
    ["openings[0].index", opening({ index: -1 })],
    ["openings[0].account.pkHash", opening({ account: { ...account, pkHash: SCALAR_FIELD } })],
    ["openings[0].account.balance", opening({ account: { ...account, balance: U64 } })],
    ["openings[0].account.nonce", opening({ account: { ...account, nonce: U64 } })],
    ["openings[0].siblings", opening({ siblings: [] })],
    ["openings[0].siblings", opening({ siblings: Array(2).fill(first.siblings[0]) })],
    ["openings[0].siblings[0]", opening({ siblings: [first.siblings[0]?.slice(1)] })],
    ["openings[0].siblings[0][1]", opening({ siblings: [first.siblings[0]?.with(1, -1n)] })],
    ["l1Items", at({ l1Items: Array(2).fill(batch.l1Items[0]) })],
    ["l1Items[0].kind", withItem(batch, { kind: 0 as 1 })],
    ["l1Items[0].kind", withItem(batch, { kind: 3 as 1 })],
    ["l1Items[0].index", withItem(batch, { index: 0 })],
    ["l1Items[0].index", withItem(batch, { index: 16 })],
    ["l1Items[0].amount", withItem(batch, { amount: U64 })],
    ["l1Items[0].amount", withItem(batch, { amount: -1n })],
    ["l1Items[0].key.ax", withItem(batch, { key: { ...key, ax: SCALAR_FIELD } })],
    ["l1Items[0].key.ay", withItem(batch, { key: { ...key, ay: -1n } })],
    ["l1Items[0].key.owner", withItem(batch, { key: { ...key, owner: 1n << 160n } })],
    ["transfers", at({ transfers: Array(3).fill(batch.transfers[0]) })],
    ["transfers[0].type", withTransfer(batch, 0, { type: 3 as TransferType })],
    ["transfers[0].from", withTransfer(batch, 0, { from: 16 })],
    ["transfers[0].to", withTransfer(batch, 0, { to: 16 })],
    ["transfers[0].amount", withTransfer(batch, 0, { amount: U64 })],
    ["transfers[0].fee", withTransfer(batch, 0, { fee: 1n << 32n })],
    ["transfers[0].validUntil", withTransfer(batch, 0, { validUntil: 2 ** 33 })],
    ["transfers[0].nonce", withTransfer(batch, 0, { nonce: U64 })],
    ["transfers[0].recipient", withTransfer(batch, 0, { recipient: SCALAR_FIELD })],
    ["transfers[0].key.owner", withTransfer(batch, 0, { key: { ...key, owner: -1n } })],
    [
      "transfers[0].signature.s",
      withTransfer(batch, 0, { signature: { ...signature, s: SCALAR_FIELD } }),
    ],
    [
      "transfers[0].signature.r8x",
      withTransfer(batch, 0, { signature: { ...signature, r8x: -1n } }),
    ],
    [
      "transfers[0].signature.r8y",
      withTransfer(batch, 0, { signature: { ...signature, r8y: SCALAR_FIELD } }),
    ],
  ];
  for (const [path, wrong] of cases) {
    it(`refuses ${path} out of range`, () => expectRefusal(wrong, "BATCH_SHAPE", path));
  }

  it("says got and expected, and measures a number that is too long to print", () => {
    expect(refusal(at({ feeIndex: 16 })).message).toBe(
      "feeIndex: got 16, expected a whole number from 0 to 15",
    );
    expect(refusal(at({ domain: 1n << 100_000n })).got).toBe("a number of more than 256 bits");
  });

  it("refuses to build on a tree of another height", () => {
    expect(() => batchOf(tiny, {}, smallTree(3))).toThrow("got a tree of 3 levels, expected 2");
  });
});
