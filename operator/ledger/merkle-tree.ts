// Binary keccak tree of fixed depth: twin of contracts/ledger/MerkleTree.sol that knows its leaves.

import { bytesToHex, type Hex, hexToBytes, keccak256 } from "viem";

interface Node {
  readonly hash: Uint8Array;
  readonly left?: Node;
  readonly right?: Node;
  /** Of a leaf: what its hash stands for. */
  readonly value?: unknown;
}

const EMPTY_LEAF: Node = { hash: new Uint8Array(32) };

function join(left: Node, right: Node): Node {
  const pair = new Uint8Array(64);
  pair.set(left.hash, 0);
  pair.set(right.hash, 32);
  return { hash: keccak256(pair, "bytes"), left, right };
}

/** Roots of empty subtrees by height; every empty subtree is the same object. */
const EMPTY: Node[] = [EMPTY_LEAF];

function emptyNode(height: number): Node {
  for (let h = EMPTY.length; h <= height; h++) {
    const child = EMPTY[h - 1] as Node;
    EMPTY.push(join(child, child));
  }
  return EMPTY[height] as Node;
}

/**
 * Never changes: `set` returns a new tree that shares all but one path with the old one. So a trace of a
 * thousand states costs a thousand paths, and any of them can still be opened.
 */
export class MerkleTree<Value = undefined> {
  readonly depth: number;
  private readonly top: Node;

  private constructor(depth: number, top: Node) {
    this.depth = depth;
    this.top = top;
  }

  /** @param depth levels above the leaves, at most 32. */
  static empty<Value = undefined>(depth: number): MerkleTree<Value> {
    if (!Number.isInteger(depth) || depth < 0 || depth > 32) {
      throw new RangeError(`depth: got ${depth}, expected 0 to 32`);
    }
    return new MerkleTree(depth, emptyNode(depth));
  }

  /** Tree over leaves from slot 0 on; `leaves.length` is at most 2^depth. */
  static of(depth: number, leaves: readonly Hex[]): MerkleTree {
    return leaves.reduce(
      (tree, leaf, slot) => tree.set(slot, leaf, undefined),
      MerkleTree.empty(depth),
    );
  }

  get root(): Hex {
    return bytesToHex(this.top.hash);
  }

  /** What was set last in this slot. */
  get(slot: number): Value | undefined {
    this.check(slot);
    let node = this.top;
    for (let height = this.depth; height > 0; height--) {
      node = childrenOf(node, height, bitOf(slot, height - 1))[0];
    }
    return node.value as Value | undefined;
  }

  /** The tree with another leaf in a slot, and what it stands for. */
  set(slot: number, leaf: Hex, value: Value): MerkleTree<Value> {
    this.check(slot);
    const path: Node[] = []; // siblings from the root down
    let node = this.top;
    for (let height = this.depth; height > 0; height--) {
      const [near, far] = childrenOf(node, height, bitOf(slot, height - 1));
      path.push(far);
      node = near;
    }
    node = { hash: hexToBytes(leaf, { size: 32 }), value };
    for (let height = 0; height < this.depth; height++) {
      const sibling = path.pop() as Node;
      node = bitOf(slot, height) === 0 ? join(node, sibling) : join(sibling, node);
    }
    return new MerkleTree(this.depth, node);
  }

  /** The sibling on each level, from the leaf up. */
  siblings(slot: number): Hex[] {
    this.check(slot);
    const found: Hex[] = [];
    let node = this.top;
    for (let height = this.depth; height > 0; height--) {
      const [near, far] = childrenOf(node, height, bitOf(slot, height - 1));
      found.push(bytesToHex(far.hash));
      node = near;
    }
    return found.reverse();
  }

  private check(slot: number): void {
    if (!Number.isInteger(slot) || slot < 0 || slot >= 2 ** this.depth) {
      throw new RangeError(`slot: got ${slot}, expected 0 to ${2 ** this.depth - 1}`);
    }
  }
}

const bitOf = (slot: number, height: number): number => (slot >>> height) & 1;

/** The child on the way and the other one. */
function childrenOf(node: Node, height: number, bit: number): [Node, Node] {
  const left = node.left ?? emptyNode(height - 1);
  const right = node.right ?? emptyNode(height - 1);
  return bit === 0 ? [left, right] : [right, left];
}
