import { isOnCurve, SUBGROUP_ORDER } from "../../../circuits/babyjubjub.ts";
import {
  type BatchRequest,
  buildBatch,
  executeBatch,
  type TransferBatch,
} from "../../../circuits/batch.ts";
import { isUsableKey } from "../../../circuits/eddsa.ts";
import { BatchError } from "../../../circuits/errors.ts";
import { type CircuitInputs, NOOP_TRANSFER } from "../../../circuits/inputs.ts";
import type { L1Item } from "../../../circuits/l1.ts";
import type { SignedTransfer } from "../../../circuits/transfer.ts";
import type { StateTree } from "../../../circuits/tree.ts";
import { tiny } from "./tiny-circuit.ts";

/**
 * What the twin, a judge that shares nothing with the circuit's constraints, thinks of a batch. "beyond" means: the twin
 * refuses, and the circuit may accept, because it cannot matter. Each such class is argued in docs/soundness.md,
 * "Where the circuit is wider than its twin".
 */
export type Opinion = "accepted" | "refused" | Beyond;
export type Beyond = "beyond: unused slot" | "beyond: never queued" | "beyond: unreachable state";

/** The twin's opinion of circuit inputs, in which everything may be forged, over the state in which they are used. */
export function opinionOf(inputs: CircuitInputs, state: StateTree): Opinion {
  const beyond = neverQueued(inputs, state);
  const tidy = withTidyNoops(inputs);
  if (tidy === undefined) return "refused";
  try {
    const batch = buildBatch(tiny, state, requestOf(tidy));
    if (!isEqual(executeBatch(tiny, batch).inputs, tidy)) return "refused";
  } catch (error) {
    if (error instanceof BatchError) return beyond ? "beyond: never queued" : "refused";
    throw error;
  }
  return isEqual(tidy, inputs) ? "accepted" : "beyond: unused slot";
}

/** The twin's opinion of a batch over a whole state. */
export function opinionOfRequest(request: BatchRequest, state: StateTree): Opinion {
  let batch: TransferBatch;
  try {
    batch = buildBatch(tiny, state, request);
    executeBatch(tiny, batch);
    return "accepted";
  } catch (error) {
    if (!(error instanceof BatchError)) throw error;
  }
  if (request.l1Items.some((item) => isNeverQueued(item, state))) return "beyond: never queued";
  return isUnreachable(state) ? "beyond: unreachable state" : "refused";
}

/** A state to which no batch leads: index 0 or a slot without a key holds something, or a number outgrew 64 bits. */
function isUnreachable(state: StateTree): boolean {
  return [...state.accounts()].some(
    ([index, { pkHash, balance, nonce }]) =>
      index === 0 || pkHash === 0n || balance >= 2n ** 64n || nonce + 1n >= 2n ** 64n,
  );
}

/** The batch that the inputs describe. Numbers too large for their type stay too large. */
function requestOf(inputs: CircuitInputs): BatchRequest {
  const l1Items = inputs.l1.map(itemOf).filter((item) => Number(item.kind) !== 0);
  const transfers = inputs.tx.map((_, slot) => transferOf(inputs, slot));
  const { domain, blockNumber, feeIndex } = inputs;
  return {
    domain,
    blockNumber: Number(blockNumber),
    feeIndex: Number(feeIndex),
    l1Items,
    transfers,
  };
}

function itemOf(row: readonly bigint[]): L1Item {
  const [kind, index, amount, ax, ay, owner] = row as Six;
  return {
    kind: Number(kind) as L1Item["kind"],
    index: Number(index),
    amount,
    key: { ax, ay, owner },
  };
}

function transferOf(inputs: CircuitInputs, slot: number): SignedTransfer {
  const [type, from, to, amount, fee, validUntil] = inputs.tx[slot] as Six;
  const [ax, ay, owner] = inputs.txKey[slot] as Three;
  const [s, r8x, r8y] = inputs.txSignature[slot] as Three;
  return {
    type: Number(type) as SignedTransfer["type"],
    from: Number(from),
    to: Number(to),
    amount,
    fee,
    validUntil: Number(validUntil),
    nonce: inputs.txFrom[slot]?.[1] as bigint,
    recipient: inputs.txTo[slot]?.[0] as bigint,
    key: { ax, ay, owner },
    signature: { s, r8x, r8y },
  };
}

type Three = [bigint, bigint, bigint];
type Six = [bigint, bigint, bigint, bigint, bigint, bigint];

/**
 * The inputs with each no-op in the one form that the twin knows. The circuit asks of an unused slot only that its key could
 * sign, R8 is on the curve and S below the order.
 *
 * @returns undefined if an unused slot fails this.
 */
function withTidyNoops(inputs: CircuitInputs): CircuitInputs | undefined {
  const tidy = structuredClone(inputs);
  const { key, signature } = NOOP_TRANSFER;
  for (const [slot, row] of inputs.tx.entries()) {
    if (row.slice(0, 5).some((value) => value !== 0n)) continue;
    const [ax, ay] = inputs.txKey[slot] as Three;
    const [s, x, y] = inputs.txSignature[slot] as Three;
    if (!isUsableKey({ ax, ay }) || !isOnCurve({ x, y }) || s >= SUBGROUP_ORDER) return undefined;
    tidy.tx[slot] = row.with(5, 0n);
    tidy.txKey[slot] = [key.ax, key.ay, key.owner];
    tidy.txSignature[slot] = [signature.s, signature.r8x, signature.r8y];
  }
  return tidy;
}

const neverQueued = (inputs: CircuitInputs, state: StateTree): boolean =>
  inputs.l1.map(itemOf).some((item) => isNeverQueued(item, state));

/** An item in shape that the contract refuses to queue: for index 0, for no address, or beyond the total of all deposits. */
function isNeverQueued({ kind, index, amount, key }: L1Item, state: StateTree): boolean {
  if ((kind !== 1 && kind !== 2) || index >= state.capacity || amount >= 2n ** 64n) return false;
  const isOverflow = kind === 1 && state.get(index).balance + amount >= 2n ** 64n;
  return index === 0 || key.owner >= 2n ** 160n || isOverflow;
}

const isEqual = (a: unknown, b: unknown): boolean => text(a) === text(b);
const text = (value: unknown): string => {
  const entries = (_: string, part: unknown) => (typeof part === "bigint" ? `${part}n` : part);
  return JSON.stringify(value, entries);
};
