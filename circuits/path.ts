import { poseidon } from "./poseidon.ts";

/** The three siblings of a node: the other member of its pair, then the other pair in its order. */
export type Siblings = readonly [bigint, bigint, bigint];

/** Position of a child below its parent. */
export type Digit = 0 | 1 | 2 | 3;

/** Which child leads to the slot at a level; level 0 is the slot itself. Not by shifts: an index may have 32 bits. */
export function digitOf(index: number, level: number): Digit {
  return (Math.floor(index / 4 ** level) % 4) as Digit;
}

/** Where the siblings of a child stand, in the order of `Siblings`. */
export function siblingDigits(digit: Digit): readonly [Digit, Digit, Digit] {
  const otherPair = digit < 2 ? 2 : 0;
  return [(digit ^ 1) as Digit, otherPair, (otherPair + 1) as Digit];
}

/** Four children in their order, from one and its three siblings. */
export function placeAmong<T>(digit: Digit, child: T, siblings: readonly [T, T, T]): [T, T, T, T] {
  const [pair, first, second] = siblingDigits(digit);
  const children: [T, T, T, T] = [child, child, child, child];
  children[pair] = siblings[0];
  children[first] = siblings[1];
  children[second] = siblings[2];
  return children;
}

/**
 * The node that a leaf and its siblings lead to, `siblings.length` levels above the slot.
 *
 * @param index the slot; only its lowest `2 * siblings.length` bits matter.
 * @throws RangeError if the leaf or a sibling is not a field element.
 */
export function climb(index: number, leaf: bigint, siblings: readonly Siblings[]): bigint {
  return siblings.reduce(
    (node, three, level) => poseidon(placeAmong(digitOf(index, level), node, three)),
    leaf,
  );
}

/**
 * The root above 4^k nodes of one level.
 *
 * @throws RangeError if the count is not a power of four, or a node is not a field element.
 */
export function rootOf(nodes: readonly bigint[]): bigint {
  let row = nodes;
  while (row.length > 1) {
    if (row.length % 4 !== 0) throw new RangeError(`rootOf: got ${nodes.length} nodes, not 4^k`);
    const below = row;
    row = Array.from({ length: row.length / 4 }, (_, i) => poseidon(below.slice(4 * i, 4 * i + 4)));
  }
  if (row[0] === undefined) throw new RangeError("rootOf: got no nodes, expected 4^k");
  return row[0];
}
