import { type Account, EMPTY_ACCOUNT, isEmptyAccount, leafOf } from "./account.ts";
import { digitOf, placeAmong, type Siblings } from "./path.ts";
import { poseidon } from "./poseidon.ts";

export type Children = readonly [Node, Node, Node, Node];

/**
 * A node of the state tree. It never changes once it is made, except that its hash is filled in when somebody asks
 * for it, so trees share nodes: a copy of a tree costs nothing and an update makes one node for each level.
 * A node with neither children nor account is closed: it is known by its hash alone.
 */
export interface Node {
  hash: bigint | undefined;
  readonly children: Children | undefined;
  readonly account: Account | undefined;
}

export const leafNode = (account: Account): Node => ({
  hash: undefined,
  children: undefined,
  account,
});
export const parentNode = (children: Children): Node => ({
  hash: undefined,
  children,
  account: undefined,
});
export const closedNode = (hash: bigint): Node => ({
  hash,
  children: undefined,
  account: undefined,
});

export function hashOf(node: Node): bigint {
  node.hash ??=
    node.account === undefined
      ? poseidon((node.children as Children).map(hashOf))
      : leafOf(node.account);
  return node.hash;
}

/** @throws RangeError if the node is closed. */
export function childrenOf(node: Node, index: number): Children {
  if (node.children === undefined) throw notOpened(index);
  return node.children;
}

export const notOpened = (index: number) =>
  new RangeError(`StateTree: slot ${index} is not opened in this partial tree`);

const EMPTY_NODES: Node[] = [leafNode(EMPTY_ACCOUNT)];

/** The root of 4^level empty slots; one shared node for each level. */
export function emptyNode(level: number): Node {
  const known = EMPTY_NODES[level];
  if (known !== undefined) return known;
  const child = emptyNode(level - 1);
  const node = parentNode([child, child, child, child]);
  EMPTY_NODES[level] = node;
  return node;
}

/** A copy of the node with another leaf at the index. */
export function withLeaf(node: Node, level: number, index: number, leaf: Node): Node {
  if (level === 0) {
    if (node.account === undefined) throw notOpened(index);
    return leaf;
  }
  const children = [...childrenOf(node, index)] as [Node, Node, Node, Node];
  const digit = digitOf(index, level - 1);
  children[digit] = withLeaf(children[digit], level - 1, index, leaf);
  return parentNode(children);
}

/** A copy of the node in which the slot is open; hash unchanged. */
export function withOpening(
  node: Node,
  level: number,
  index: number,
  account: Account,
  siblings: readonly Siblings[],
): Node {
  if (level === 0) return { hash: node.hash, children: undefined, account };
  const digit = digitOf(index, level - 1);
  const below = node.children ?? closedChildren(digit, siblings[level - 1]);
  const children = [...below] as [Node, Node, Node, Node];
  children[digit] = withOpening(children[digit], level - 1, index, account, siblings);
  return { hash: node.hash, children, account: undefined };
}

function closedChildren(digit: 0 | 1 | 2 | 3, siblings: Siblings | undefined): Children {
  if (siblings === undefined) throw new RangeError("StateTree: an opening has too few siblings");
  const [a, b, c] = siblings;
  // The child on the path takes its hash from what is opened below it.
  const onPath: Node = { hash: undefined, children: undefined, account: undefined };
  return placeAmong(digit, onPath, [closedNode(a), closedNode(b), closedNode(c)]);
}

/** All open slots that are not empty, by rising index. */
export function* accountsBelow(
  node: Node,
  level: number,
  first: number,
): Generator<[index: number, account: Account]> {
  if (node === EMPTY_NODES[level]) return;
  if (node.account !== undefined) {
    if (!isEmptyAccount(node.account)) yield [first, node.account];
    return;
  }
  for (const [digit, child] of (node.children ?? []).entries()) {
    yield* accountsBelow(child, level - 1, first + digit * 4 ** (level - 1));
  }
}
