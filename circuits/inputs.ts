import type { Account } from "./account.ts";
import { BASE8 } from "./babyjubjub.ts";
import { type BatchData, bindData, dataElements } from "./data.ts";
import { toElement } from "./field.ts";
import type { L1Item } from "./l1.ts";
import type { CircuitParameters } from "./parameters.ts";
import { type SignedTransfer, TransferType } from "./transfer.ts";
import { applyBlock, type BlockObserver } from "./transition.ts";
import type { StateTree } from "./tree.ts";

/** Every input signal of BatchTransfer by its name, canonical field elements. */
export interface CircuitInputs {
  prevRoot: bigint;
  newRoot: bigint;
  h: bigint;
  z: bigint;
  y: bigint;
  domain: bigint;
  blockNumber: bigint;
  feeIndex: bigint;
  /** [4^top] */
  topNodes: bigint[];
  /** [nDeposits][6]: kind, index, amount, ax, ay, owner. */
  l1: bigint[][];
  /** [nDeposits][3]: pkHash, balance, nonce before the item. */
  l1Leaf: bigint[][];
  /** [nDeposits][levels - top][3] */
  l1Siblings: bigint[][][];
  /** [nTx][6]: type, from, to, amount, fee, validUntil. */
  tx: bigint[][];
  /** [nTx][3]: ax, ay, owner of the sender. */
  txKey: bigint[][];
  /** [nTx][3]: s, r8x, r8y. */
  txSignature: bigint[][];
  /** [nTx][2]: balance, nonce of the sender before the transfer. */
  txFrom: bigint[][];
  /** [nTx][levels - top][3] */
  txFromSiblings: bigint[][][];
  /** [nTx][3]: pkHash, balance, nonce of the receiver after the sender's debit. */
  txTo: bigint[][];
  /** [nTx][levels - top][3] */
  txToSiblings: bigint[][][];
  /** [3]: pkHash, balance, nonce of the fee account after all transfers. */
  feeLeaf: bigint[];
  /** [levels - top][3] */
  feeSiblings: bigint[][];
}

/** What fills an unused transfer slot: its key and R8 must be on the curve, and Base8 is. */
export const NOOP_TRANSFER: SignedTransfer = Object.freeze({
  type: TransferType.noop,
  from: 0,
  to: 0,
  amount: 0n,
  fee: 0n,
  validUntil: 0,
  nonce: 0n,
  recipient: 0n,
  key: Object.freeze({ ax: BASE8.x, ay: BASE8.y, owner: 0n }),
  signature: Object.freeze({ s: 0n, r8x: BASE8.x, r8y: BASE8.y }),
});

/** A block's content as the circuit gets it. */
export interface BatchContent extends BatchData {
  readonly transfers: readonly SignedTransfer[];
}

export interface Assembled {
  readonly inputs: CircuitInputs;
  readonly d: bigint[];
  /** The tree after the block. */
  readonly after: StateTree;
}

/**
 * The circuit's inputs for a block, applied to a tree without judging: numbers are reduced mod r and indices mod the
 * tree's capacity where the tree is asked, so a test can forge any batch. `executeBatch` judges first.
 *
 * @param tree not changed; may be partial if every slot that the block touches is open.
 * @param observe gets the tree that changes, and may throw to stop.
 * @throws RangeError if there are more items or transfers than slots, or a touched slot is not open.
 */
export function assembleInputs(
  parameters: CircuitParameters,
  tree: StateTree,
  content: BatchContent,
  observe: (tree: StateTree) => BlockObserver<SignedTransfer> = () => ({}),
): Assembled {
  const d = dataElements(parameters, content);
  const after = tree.fork();
  const { h, z, y } = bindData(parameters, d);
  const inputs: CircuitInputs = {
    prevRoot: tree.root,
    newRoot: 0n,
    h,
    z,
    y,
    domain: toElement(content.domain),
    blockNumber: toElement(BigInt(content.blockNumber)),
    feeIndex: toElement(BigInt(content.feeIndex)),
    topNodes: tree.topNodes(parameters.top),
    l1: [],
    l1Leaf: [],
    l1Siblings: [],
    tx: [],
    txKey: [],
    txSignature: [],
    txFrom: [],
    txFromSiblings: [],
    txTo: [],
    txToSiblings: [],
    feeLeaf: [],
    feeSiblings: [],
  };
  const inTree = wrapIndices(content, tree.capacity);
  const record = recorder(parameters, after, content, inputs);
  applyBlock(parameters, after, inTree, observe(after), record);
  inputs.newRoot = after.root;
  return { inputs, d, after };
}

/** Writes down what the circuit opens. The raw numbers come from `content`, the paths from the tree. */
function recorder(
  parameters: CircuitParameters,
  tree: StateTree,
  content: BatchContent,
  inputs: CircuitInputs,
): BlockObserver<SignedTransfer> {
  const siblingsOf = (index: number) =>
    tree.siblings(index, parameters.levels - parameters.top).map((three) => [...three]);
  return {
    l1(slot, item) {
      const index = item?.index ?? 0;
      inputs.l1.push(l1Row(content.l1Items[slot]));
      inputs.l1Leaf.push(leafRow(tree.get(index)));
      inputs.l1Siblings.push(siblingsOf(index));
    },
    sender(slot, transfer = NOOP_TRANSFER) {
      const { key, signature } = transfer;
      const { balance, nonce } = tree.get(transfer.from);
      inputs.tx.push(transferRow(content.transfers[slot] ?? NOOP_TRANSFER));
      inputs.txKey.push([key.ax, key.ay, key.owner].map(toElement));
      inputs.txSignature.push([signature.s, signature.r8x, signature.r8y].map(toElement));
      inputs.txFrom.push([balance, nonce]);
      inputs.txFromSiblings.push(siblingsOf(transfer.from));
    },
    receiver(_slot, transfer = NOOP_TRANSFER) {
      inputs.txTo.push(leafRow(tree.get(transfer.to)));
      inputs.txToSiblings.push(siblingsOf(transfer.to));
    },
    fee() {
      const index = content.feeIndex % tree.capacity;
      inputs.feeLeaf = leafRow(tree.get(index));
      inputs.feeSiblings = siblingsOf(index);
    },
  };
}

const leafRow = (account: Account): bigint[] => [account.pkHash, account.balance, account.nonce];

function l1Row(item: L1Item | undefined): bigint[] {
  if (item === undefined) return [0n, 0n, 0n, 0n, 0n, 0n];
  const { kind, index, amount, key } = item;
  return [BigInt(kind), BigInt(index), amount, key.ax, key.ay, key.owner].map(toElement);
}

function transferRow({ type, from, to, amount, fee, validUntil }: SignedTransfer): bigint[] {
  return [BigInt(type), BigInt(from), BigInt(to), amount, fee, BigInt(validUntil)].map(toElement);
}

function wrapIndices(content: BatchContent, capacity: number): BatchContent {
  return {
    ...content,
    feeIndex: content.feeIndex % capacity,
    l1Items: content.l1Items.map((item) => ({ ...item, index: item.index % capacity })),
    transfers: content.transfers.map((transfer) => ({
      ...transfer,
      from: transfer.from % capacity,
      to: transfer.to % capacity,
    })),
  };
}
