import type { Account } from "./account.ts";
import { encodeTxData } from "./data.ts";
import { BatchError } from "./errors.ts";
import { type ExitSlot, exitSlots } from "./exits.ts";
import { type Assembled, assembleInputs, type CircuitInputs, NOOP_TRANSFER } from "./inputs.ts";
import type { L1Item } from "./l1.ts";
import { type AccountOpening, checkOpeningShapes, openState } from "./openings.ts";
import type { CircuitParameters } from "./parameters.ts";
import { referee } from "./rules.ts";
import {
  requireElement,
  requireKey,
  requireLength,
  requireObject,
  requireUint,
  requireWhole,
} from "./shape.ts";
import { PUBLIC_SIGNALS } from "./signals.ts";
import { type SignedTransfer, TransferType } from "./transfer.ts";
import type { StateTree } from "./tree.ts";

/** A block to be proven, with everything that its proof needs and no more. */
export interface TransferBatch {
  /** `rollupDomain` of the contract. */
  readonly domain: bigint;
  /** Number of the rollup block, u32. */
  readonly blockNumber: number;
  /** Account that gets all fees. */
  readonly feeIndex: number;
  readonly prevRoot: bigint;
  /** The 4^top nodes that lie `top` levels below prevRoot. */
  readonly topNodes: readonly bigint[];
  /** Each account that the batch touches, once, against prevRoot; 0 too while a slot is unused. */
  readonly openings: readonly AccountOpening[];
  /** At most nDeposits; the remaining slots are empty. */
  readonly l1Items: readonly L1Item[];
  /** At most nTx; the remaining slots are no-ops. */
  readonly transfers: readonly SignedTransfer[];
}

/** What an operator decides; the state gives the rest. */
export type BatchRequest = Omit<TransferBatch, "prevRoot" | "topNodes" | "openings">;

/** Values of `PUBLIC_SIGNALS`: prevRoot, newRoot, h, z, y. */
export type PublicSignals = readonly [bigint, bigint, bigint, bigint, bigint];

export interface Execution {
  readonly newRoot: bigint;
  readonly inputs: CircuitInputs;
  readonly publicSignals: PublicSignals;
  readonly d: readonly bigint[];
  /** The bytes that commitBlock publishes. */
  readonly txData: Uint8Array;
  /** What leaves for L1, amounts of 0 left out. */
  readonly exits: readonly ExitSlot[];
  /** Every opened account after the batch. */
  readonly accounts: ReadonlyMap<number, Account>;
}

/**
 * Takes the openings that a batch needs from a full state tree. Nothing is judged: `executeBatch` does that.
 *
 * @param tree the state before the batch; not changed.
 * @throws RangeError if tree and circuit differ in levels.
 * @throws BatchError BATCH_SHAPE if an index is not in the tree, or there are too many items or transfers.
 */
export function buildBatch(
  parameters: CircuitParameters,
  tree: StateTree,
  request: BatchRequest,
): TransferBatch {
  const { levels, top } = parameters;
  if (tree.levels !== levels) {
    throw new RangeError(`buildBatch: got a tree of ${tree.levels} levels, expected ${levels}`);
  }
  checkRequestShape(parameters, request);
  const openings = [...touchedSlots(parameters, request)].map((index) => ({
    index,
    account: tree.get(index),
    siblings: tree.siblings(index, levels - top),
  }));
  const { domain, blockNumber, feeIndex, l1Items, transfers } = request;
  const topNodes = tree.topNodes(top);
  const prevRoot = tree.root;
  return { domain, blockNumber, feeIndex, prevRoot, topNodes, openings, l1Items, transfers };
}

/**
 * Checks a batch from an untrusted caller completely, and computes what it does: whatever passes here satisfies the
 * circuit.
 *
 * Total: on any numbers it returns or throws BatchError, in time bounded by the circuit's size.
 *
 * @throws BatchError with the first fault found.
 */
export function executeBatch(parameters: CircuitParameters, batch: TransferBatch): Execution {
  checkRequestShape(parameters, batch);
  checkOpeningShapes(parameters, batch);
  const before = openState(parameters, batch, touchedSlots(parameters, batch));
  const assembled = assembleInputs(parameters, before, batch, (tree) => referee(tree, batch));
  return describeExecution(parameters, batch, assembled);
}

function describeExecution(
  parameters: CircuitParameters,
  batch: TransferBatch,
  { inputs, d, after }: Assembled,
): Execution {
  return {
    newRoot: inputs.newRoot,
    inputs,
    publicSignals: PUBLIC_SIGNALS.map((name) => inputs[name]) as unknown as PublicSignals,
    d,
    txData: encodeTxData(parameters, batch),
    exits: exitSlots(parameters, batch),
    accounts: new Map(batch.openings.map(({ index }) => [index, after.get(index)])),
  };
}

/** The slots that the circuit opens for a batch. */
function touchedSlots(parameters: CircuitParameters, request: BatchRequest): Set<number> {
  const { l1Items, transfers, feeIndex } = request;
  const hasUnused = l1Items.length < parameters.nDeposits || transfers.length < parameters.nTx;
  return new Set([
    ...l1Items.map((item) => item.index),
    ...transfers.flatMap(({ from, to }) => [from, to]),
    feeIndex,
    ...(hasUnused ? [0] : []),
  ]);
}

function checkRequestShape(parameters: CircuitParameters, request: BatchRequest): void {
  const capacity = 4 ** parameters.levels;
  requireObject(request, "batch");
  requireElement(request.domain, "domain");
  requireWhole(request.blockNumber, 0, 2 ** 32, "blockNumber");
  requireWhole(request.feeIndex, 0, capacity, "feeIndex");
  requireLength(request.l1Items, 0, parameters.nDeposits, "l1Items");
  for (let i = 0; i < request.l1Items.length; i++) {
    checkL1ItemShape(request.l1Items[i] as L1Item, capacity, `l1Items[${i}]`);
  }
  requireLength(request.transfers, 0, parameters.nTx, "transfers");
  for (let i = 0; i < request.transfers.length; i++) {
    checkTransferShape(request.transfers[i] as SignedTransfer, capacity, `transfers[${i}]`);
  }
}

function checkL1ItemShape(item: L1Item, capacity: number, path: string): void {
  requireObject(item, path);
  requireWhole(item.kind, 1, 3, `${path}.kind`);
  requireWhole(item.index, 1, capacity, `${path}.index`);
  requireUint(item.amount, 64, `${path}.amount`);
  requireKey(item.key, `${path}.key`);
}

function checkTransferShape(transfer: SignedTransfer, capacity: number, path: string): void {
  requireObject(transfer, path);
  requireWhole(transfer.type, 0, 3, `${path}.type`);
  requireWhole(transfer.from, 0, capacity, `${path}.from`);
  requireWhole(transfer.to, 0, capacity, `${path}.to`);
  requireUint(transfer.amount, 64, `${path}.amount`);
  requireUint(transfer.fee, 32, `${path}.fee`);
  requireWhole(transfer.validUntil, 0, 2 ** 33, `${path}.validUntil`);
  requireUint(transfer.nonce, 64, `${path}.nonce`);
  requireElement(transfer.recipient, `${path}.recipient`);
  requireKey(transfer.key, `${path}.key`);
  requireObject(transfer.signature, `${path}.signature`);
  requireElement(transfer.signature.s, `${path}.signature.s`);
  requireElement(transfer.signature.r8x, `${path}.signature.r8x`);
  requireElement(transfer.signature.r8y, `${path}.signature.r8y`);
  if (transfer.type === TransferType.noop) checkNoop(transfer, path);
}

/** An explicit no-op has one form, so that nothing in it can differ unseen. */
function checkNoop(transfer: SignedTransfer, path: string): void {
  const parts = (t: SignedTransfer) =>
    [t.from, t.to, t.amount, t.fee, t.validUntil, t.nonce, t.recipient]
      .concat([t.key.ax, t.key.ay, t.key.owner])
      .concat([t.signature.s, t.signature.r8x, t.signature.r8y])
      .join();
  if (parts(transfer) !== parts(NOOP_TRANSFER)) {
    throw new BatchError("BATCH_SHAPE", path, {
      got: "a no-op with content",
      expected: "NOOP_TRANSFER, or nothing in this slot",
    });
  }
}
