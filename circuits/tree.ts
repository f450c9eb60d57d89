import type { Account } from "./account.ts";
import {
  accountsBelow,
  childrenOf,
  closedNode,
  emptyNode,
  hashOf,
  leafNode,
  type Node,
  notOpened,
  parentNode,
  withLeaf,
  withOpening,
} from "./node.ts";
import { digitOf, type Siblings, siblingDigits } from "./path.ts";

/** u32 indices: 4^16 = 2^32. */
const LEVELS_MAX = 16;

/**
 * The rollup's state: a quaternary Poseidon tree of accounts, 4^levels slots, all empty at first.
 *
 * node = Poseidon(child 0, child 1, child 2, child 3), leaf = `leafOf(account)`; slot i is child i mod 4 of its
 * parent. Hashes are computed when they are read: a thousand `set`s before one `root` hash each node once.
 */
export class StateTree {
  readonly levels: number;
  #root: Node;

  /** @throws RangeError unless levels is a whole number from 1 to 16. */
  constructor(levels: number) {
    if (!Number.isInteger(levels) || levels < 1 || levels > LEVELS_MAX) {
      throw new RangeError(`StateTree: got ${levels} levels, expected 1 to ${LEVELS_MAX}`);
    }
    this.levels = levels;
    this.#root = emptyNode(levels);
  }

  /**
   * A tree of which only the 4^top nodes `top` levels below the root are known. Slots are unknown until `open`.
   *
   * @throws RangeError unless 0 <= top <= levels and there are 4^top nodes.
   */
  static fromTopNodes(levels: number, top: number, topNodes: readonly bigint[]): StateTree {
    const tree = new StateTree(levels);
    tree.#checkTop(top);
    if (topNodes.length !== 4 ** top) {
      throw new RangeError(`StateTree: got ${topNodes.length} top nodes, expected ${4 ** top}`);
    }
    let row = topNodes.map(closedNode);
    while (row.length > 1) {
      const below = row;
      row = Array.from({ length: row.length / 4 }, (_, i) =>
        parentNode(below.slice(4 * i, 4 * i + 4) as [Node, Node, Node, Node]),
      );
    }
    tree.#root = row[0] as Node;
    return tree;
  }

  get root(): bigint {
    return hashOf(this.#root);
  }

  /** Number of slots, 4^levels. */
  get capacity(): number {
    return 4 ** this.levels;
  }

  /** A tree with the same content; changing either leaves the other alone. Constant time. */
  fork(): StateTree {
    const copy = new StateTree(this.levels);
    copy.#root = this.#root;
    return copy;
  }

  /** @throws RangeError if the index is out of range, or not opened in a partial tree. */
  get(index: number): Account {
    this.#checkIndex(index);
    let node = this.#root;
    for (let level = this.levels; level > 0; level--) {
      node = childrenOf(node, index)[digitOf(index, level - 1)];
    }
    if (node.account === undefined) throw notOpened(index);
    return node.account;
  }

  /** @throws RangeError if the index is out of range, or not opened in a partial tree. */
  set(index: number, account: Account): void {
    this.#checkIndex(index);
    this.#root = withLeaf(this.#root, this.levels, index, leafNode({ ...account }));
  }

  /**
   * The siblings on the way from a slot towards the root, lowest level first.
   *
   * @param count how many levels, at most `levels`.
   * @throws RangeError if an argument is out of range, or the slot is not opened in a partial tree.
   */
  siblings(index: number, count: number): Siblings[] {
    this.#checkIndex(index);
    if (!Number.isInteger(count) || count < 0 || count > this.levels) {
      throw new RangeError(`siblings: got ${count} levels, expected 0 to ${this.levels}`);
    }
    const path: Siblings[] = [];
    let node = this.#root;
    for (let level = this.levels; level > 0; level--) {
      const children = childrenOf(node, index);
      const digit = digitOf(index, level - 1);
      if (level <= count) {
        const [pair, first, second] = siblingDigits(digit);
        path.push([hashOf(children[pair]), hashOf(children[first]), hashOf(children[second])]);
      }
      node = children[digit];
    }
    return path.reverse();
  }

  /**
   * The 4^top nodes `top` levels below the root, from left to right.
   *
   * @throws RangeError unless 0 <= top <= levels.
   */
  topNodes(top: number): bigint[] {
    this.#checkTop(top);
    let row: Node[] = [this.#root];
    for (let i = 0; i < top; i++) row = row.flatMap((node) => [...childrenOf(node, 0)]);
    return row.map(hashOf);
  }

  /**
   * Makes a slot of a partial tree known. The caller has checked with `climb` that account and siblings lead to the
   * right node: nothing is checked here, and the root stays what it is.
   *
   * @param siblings from the slot upwards, as many levels as are closed.
   * @throws RangeError if the index is out of range or siblings are missing.
   */
  open(index: number, account: Account, siblings: readonly Siblings[]): void {
    this.#checkIndex(index);
    this.#root = withOpening(this.#root, this.levels, index, { ...account }, siblings);
  }

  /** All open slots that are not empty, by rising index. */
  accounts(): Generator<[index: number, account: Account]> {
    return accountsBelow(this.#root, this.levels, 0);
  }

  #checkIndex(index: number): void {
    if (!Number.isInteger(index) || index < 0 || index >= this.capacity) {
      throw new RangeError(`StateTree: got index ${index}, expected 0 to ${this.capacity - 1}`);
    }
  }

  #checkTop(top: number): void {
    if (!Number.isInteger(top) || top < 0 || top > this.levels) {
      throw new RangeError(`StateTree: got top ${top}, expected 0 to ${this.levels}`);
    }
  }
}
