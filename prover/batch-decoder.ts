import {
  EMPTY_ACCOUNT,
  type Account as TwinAccount,
  type AccountKey as TwinKey,
} from "../circuits/account.ts";
import type { TransferBatch as TwinBatch } from "../circuits/batch.ts";
import type { BatchError } from "../circuits/errors.ts";
import { NOOP_TRANSFER } from "../circuits/inputs.ts";
import { L1Kind, type L1Item as TwinL1Item } from "../circuits/l1.ts";
import type { AccountOpening as TwinOpening } from "../circuits/openings.ts";
import type { CircuitParameters } from "../circuits/parameters.ts";
import { TransferType, type SignedTransfer as TwinTransfer } from "../circuits/transfer.ts";
import {
  type Account,
  type AccountKey,
  type AccountOpening,
  type L1Item,
  L1ItemKind,
  type SignedTransfer,
  type TransferBatch,
  TransferKind,
} from "../gen/prover/v1/batch_pb.ts";
import { ProverError } from "./errors.ts";
import { Violations } from "./violations.ts";

/** The batch's place in a SubmitProofRequest. */
const FIELD = "transfer_batch";

const SIBLINGS_PER_LEVEL = 3;
const ADDRESS_BYTES = 20;
const NO_KEY: TwinKey = { ax: 0n, ay: 0n, owner: 0n };

/**
 * A batch from the wire as the twin takes it. Only shape is judged: counts, lengths, ranges.
 *
 * @throws ProverError BATCH_SHAPE with the fields at fault.
 */
export function decodeBatch(parameters: CircuitParameters, batch: TransferBatch): TwinBatch {
  const faults = new Violations("BATCH_SHAPE");
  const { nTx, nDeposits, top } = parameters;
  faults.count(batch.topNodes, 4 ** top, 4 ** top, `${FIELD}.top_nodes`);
  faults.count(batch.l1Items, 0, nDeposits, `${FIELD}.l1_items`);
  faults.count(batch.transfers, 0, nTx, `${FIELD}.transfers`);
  // Sender and receiver of each transfer, each L1 account, the fee account and account 0.
  faults.count(batch.openings, 1, 2 * nTx + nDeposits + 2, `${FIELD}.openings`);
  // Counts first: what follows then takes a time that the circuit's size bounds.
  faults.check();

  const decoded: TwinBatch = {
    domain: faults.element(batch.domain, `${FIELD}.domain`),
    blockNumber: batch.blockNumber,
    feeIndex: batch.feeIndex,
    prevRoot: faults.element(batch.prevRoot, `${FIELD}.prev_root`),
    topNodes: batch.topNodes.map((node, i) => faults.element(node, `${FIELD}.top_nodes[${i}]`)),
    openings: batch.openings.map((opening, i) =>
      decodeOpening(parameters, opening, `${FIELD}.openings[${i}]`, faults),
    ),
    l1Items: batch.l1Items.map((item, i) => decodeL1Item(item, `${FIELD}.l1_items[${i}]`, faults)),
    transfers: batch.transfers.map((transfer, i) =>
      decodeTransfer(transfer, `${FIELD}.transfers[${i}]`, faults),
    ),
  };
  faults.check();
  return decoded;
}

function decodeOpening(
  { levels, top }: CircuitParameters,
  opening: AccountOpening,
  field: string,
  faults: Violations,
): TwinOpening {
  const depth = levels - top;
  const flat = opening.siblings;
  const isFlatWhole = faults.count(
    flat,
    SIBLINGS_PER_LEVEL * depth,
    SIBLINGS_PER_LEVEL * depth,
    `${field}.siblings`,
  );
  const elements = isFlatWhole
    ? flat.map((sibling, i) => faults.element(sibling, `${field}.siblings[${i}]`))
    : [];
  return {
    index: opening.index,
    account: decodeAccount(opening.account, `${field}.account`, faults),
    siblings: Array.from({ length: depth }, (_, level) =>
      elements.slice(SIBLINGS_PER_LEVEL * level, SIBLINGS_PER_LEVEL * (level + 1)),
    ),
  };
}

function decodeAccount(
  account: Account | undefined,
  field: string,
  faults: Violations,
): TwinAccount {
  if (account === undefined) return EMPTY_ACCOUNT;
  return {
    pkHash: faults.element(account.pkHash, `${field}.pk_hash`),
    balance: account.balanceGwei,
    nonce: account.nonce,
  };
}

function decodeKey(key: AccountKey | undefined, field: string, faults: Violations): TwinKey {
  if (!faults.present(key, field)) return NO_KEY;
  return {
    ax: faults.element(key.ax, `${field}.ax`),
    ay: faults.element(key.ay, `${field}.ay`),
    owner: faults.uint(key.owner, ADDRESS_BYTES, `${field}.owner`),
  };
}

function decodeL1Item(item: L1Item, field: string, faults: Violations): TwinL1Item {
  const isExit = item.kind === L1ItemKind.FORCED_EXIT;
  if (!isExit && item.kind !== L1ItemKind.DEPOSIT) {
    faults.add(`${field}.kind`, `got ${item.kind}, expected DEPOSIT (1) or FORCED_EXIT (2)`);
  }
  return {
    kind: isExit ? L1Kind.forcedExit : L1Kind.deposit,
    index: item.index,
    amount: item.amountGwei,
    key: decodeKey(item.key, `${field}.key`, faults),
  };
}

function decodeTransfer(transfer: SignedTransfer, field: string, faults: Violations): TwinTransfer {
  if (transfer.kind === TransferKind.NOOP) return decodeNoop(transfer, field, faults);
  const isExit = transfer.kind === TransferKind.EXIT;
  if (!isExit && transfer.kind !== TransferKind.TRANSFER) {
    faults.add(
      `${field}.kind`,
      `got ${transfer.kind}, expected TRANSFER (1), EXIT (2) or NOOP (3)`,
    );
  }
  const { signature } = transfer;
  const hasSignature = faults.present(signature, `${field}.signature`);
  return {
    type: isExit ? TransferType.exit : TransferType.transfer,
    from: transfer.from,
    to: transfer.to,
    amount: transfer.amountGwei,
    fee: BigInt(transfer.feeGwei),
    // Beyond 2^53 the number would be rounded; the twin refuses anything so large.
    validUntil: Number(transfer.validUntil),
    nonce: transfer.nonce,
    recipient: faults.element(transfer.recipient, `${field}.recipient`),
    key: decodeKey(transfer.key, `${field}.key`, faults),
    signature: hasSignature
      ? {
          s: faults.element(signature.s, `${field}.signature.s`),
          r8x: faults.element(signature.r8X, `${field}.signature.r8_x`),
          r8y: faults.element(signature.r8Y, `${field}.signature.r8_y`),
        }
      : NOOP_TRANSFER.signature,
  };
}

function decodeNoop(transfer: SignedTransfer, field: string, faults: Violations): TwinTransfer {
  const { from, to, amountGwei, feeGwei, validUntil, nonce, recipient, key, signature } = transfer;
  const isBare =
    from === 0 &&
    to === 0 &&
    amountGwei === 0n &&
    feeGwei === 0 &&
    validUntil === 0n &&
    nonce === 0n &&
    recipient.length === 0 &&
    key === undefined &&
    signature === undefined;
  if (!isBare) faults.add(field, "got a NOOP with other fields, expected them unset");
  return NOOP_TRANSFER;
}

/** Names that differ by more than their spelling; lists of siblings are flat in the proto. */
const PROTO_NAMES: Readonly<Record<string, string>> = {
  type: "kind",
  amount: "amount_gwei",
  fee: "fee_gwei",
  balance: "balance_gwei",
  r8x: "r8_x",
  r8y: "r8_y",
};

/** A path of the twin, `transfers[2].signature.r8x`, as a field path of SubmitProofRequest. */
export function batchField(path: string): string {
  if (path === "batch") return FIELD;
  const renamed = path
    .replace(
      /\.siblings\[(\d+)\](?:\[(\d+)\])?/,
      (_, level, k = 0) => `.siblings[${SIBLINGS_PER_LEVEL * Number(level) + Number(k)}]`,
    )
    .replace(/[A-Za-z]\w*/g, (name) => PROTO_NAMES[name] ?? snakeCase(name));
  return `${FIELD}.${renamed}`;
}

/** The twin's verdict in the caller's terms. */
export function batchRefusal(error: BatchError): ProverError {
  const field = batchField(error.path);
  const description = error.message.slice(`${error.path}: `.length);
  return new ProverError(error.code, `${field}: ${description}`, {
    violations: [{ field, description }],
    cause: error,
  });
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
