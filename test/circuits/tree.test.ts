import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Account, EMPTY_ACCOUNT, leafOf } from "../../circuits/account.ts";
import { climb, rootOf } from "../../circuits/path.ts";
import { poseidon } from "../../circuits/poseidon.ts";
import { StateTree } from "../../circuits/tree.ts";
import { dataVectors } from "./vectors.ts";

const vector = dataVectors().tree;
const account = (n: number): Account => ({ pkHash: BigInt(n), balance: BigInt(n), nonce: 1n });
const filled = (): StateTree => {
  const tree = new StateTree(vector.levels);
  for (const [index, { pkHash, balance, nonce }] of Object.entries(vector.accounts)) {
    const values = { pkHash: BigInt(pkHash), balance: BigInt(balance), nonce: BigInt(nonce) };
    tree.set(Number(index), values);
  }
  return tree;
};

/** Slots and contents, each slot at most once. */
const assignments = (levels: number) =>
  fc.uniqueArray(
    fc.tuple(fc.integer({ min: 0, max: 4 ** levels - 1 }), fc.integer({ min: 1, max: 1000 })),
    { selector: ([index]) => index, minLength: 1, maxLength: 12 },
  );

/** The tree by its definition: every leaf hashed, every level hashed. */
function slowRoot(levels: number, accounts: ReadonlyMap<number, Account>): bigint {
  const leaves = Array.from({ length: 4 ** levels }, (_, i) =>
    leafOf(accounts.get(i) ?? EMPTY_ACCOUNT),
  );
  return rootOf(leaves);
}

describe("circuits / tree", () => {
  it("equals a tree hashed by circomlibjs: root, top nodes, siblings", () => {
    const tree = filled();
    expect(tree.root).toBe(BigInt(vector.root));
    expect(tree.topNodes(1)).toEqual(vector.topNodes.map(BigInt));
    expect(tree.siblings(6, 2)).toEqual(vector.siblingsOf6.map((three) => three.map(BigInt)));
  });

  it("is empty at first: the genesis root of each size", () => {
    for (const levels of [1, 2, 8, 12]) {
      expect(new StateTree(levels).root, `${levels} levels`).toBe(
        BigInt(vector.emptyRoots[levels] as string),
      );
    }
  });

  it("equals the tree by its definition", () => {
    fc.assert(
      fc.property(assignments(3), (slots) => {
        const tree = new StateTree(3);
        for (const [index, n] of slots) tree.set(index, account(n));
        expect(tree.root).toBe(slowRoot(3, new Map(slots.map(([i, n]) => [i, account(n)]))));
      }),
      { numRuns: 10 },
    );
  });

  it("does not depend on the order of insertion, nor on when hashes are read", () => {
    fc.assert(
      fc.property(assignments(4), (slots) => {
        const [forwards, backwards] = [new StateTree(4), new StateTree(4)];
        for (const [index, n] of slots) {
          forwards.set(index, account(n + 1));
          forwards.set(index, account(n));
        }
        for (const [index, n] of slots.toReversed()) {
          backwards.set(index, account(n));
          backwards.siblings(index, 4);
        }
        expect(forwards.root).toBe(backwards.root);
      }),
      { numRuns: 20 },
    );
  });

  it("is empty again when every slot is set back", () => {
    const tree = new StateTree(3);
    const empty = tree.root;
    tree.set(17, account(5));
    expect(tree.root).not.toBe(empty);
    tree.set(17, EMPTY_ACCOUNT);
    expect(tree.root).toBe(empty);
    expect([...tree.accounts()]).toEqual([]);
  });

  it("gives siblings from which the leaf climbs to each level's node", () => {
    fc.assert(
      fc.property(assignments(3), fc.integer({ min: 0, max: 63 }), (slots, index) => {
        const tree = new StateTree(3);
        for (const [slot, n] of slots) tree.set(slot, account(n));
        const leaf = leafOf(tree.get(index));
        for (const count of [0, 1, 2, 3]) {
          const node = tree.topNodes(3 - count)[Math.floor(index / 4 ** count)];
          expect(climb(index, leaf, tree.siblings(index, count))).toBe(node);
        }
      }),
      { numRuns: 20 },
    );
  });

  it("puts the other member of the pair first, then the other pair in its order", () => {
    const tree = new StateTree(1);
    for (let i = 0; i < 4; i++) tree.set(i, account(i + 1));
    const leaf = (i: number) => leafOf(account(i + 1));
    const orders = [
      [1, 2, 3],
      [0, 2, 3],
      [3, 0, 1],
      [2, 0, 1],
    ];
    for (const [index, order] of orders.entries()) {
      expect(tree.siblings(index, 1)).toEqual([order.map(leaf)]);
    }
    expect(tree.root).toBe(poseidon([0, 1, 2, 3].map(leaf)));
  });

  it("reaches the last slot of a tree whose indices fill 32 bits", () => {
    const tree = new StateTree(16);
    const last = 2 ** 32 - 1;
    tree.set(last, account(3));
    tree.set(2 ** 31, account(4));
    expect([...tree.accounts()].map(([index]) => index)).toEqual([2 ** 31, last]);
    expect(climb(last, leafOf(account(3)), tree.siblings(last, 16))).toBe(tree.root);
    expect(climb(last - 1, leafOf(account(3)), tree.siblings(last, 16))).not.toBe(tree.root);
  });

  it("forks into two trees that do not see each other's changes", () => {
    const tree = filled();
    const before = tree.root;
    const fork = tree.fork();
    fork.set(1, account(7));
    tree.set(2, account(8));
    expect(tree.get(1)).not.toEqual(account(7));
    expect(fork.get(2)).toEqual(EMPTY_ACCOUNT);
    tree.set(2, EMPTY_ACCOUNT);
    expect(tree.root).toBe(before);
  });

  it("keeps what was set when the caller changes the object afterwards", () => {
    const tree = new StateTree(1);
    const mutable = { pkHash: 1n, balance: 2n, nonce: 3n };
    tree.set(1, mutable);
    mutable.balance = 9n;
    expect(tree.get(1).balance).toBe(2n);
  });

  it("refuses sizes, indices and counts outside the tree", () => {
    for (const levels of [0, 17, 1.5, Number.NaN]) {
      expect(() => new StateTree(levels)).toThrow(RangeError);
    }
    const tree = new StateTree(2);
    for (const index of [-1, 16, 0.5, Number.NaN, 2 ** 40]) {
      expect(() => tree.get(index), `${index}`).toThrow("expected 0 to 15");
      expect(() => tree.set(index, EMPTY_ACCOUNT), `${index}`).toThrow("expected 0 to 15");
      expect(() => tree.siblings(index, 1), `${index}`).toThrow("expected 0 to 15");
    }
    for (const count of [-1, 3, 0.5]) {
      expect(() => tree.siblings(0, count)).toThrow(RangeError);
      expect(() => tree.topNodes(count)).toThrow(RangeError);
    }
    expect(() => rootOf([1n, 2n])).toThrow(RangeError);
    expect(() => rootOf([])).toThrow(RangeError);
  });
});

describe("circuits / tree, partial", () => {
  const partial = (...indices: number[]): StateTree => {
    const full = filled();
    const tree = StateTree.fromTopNodes(2, 1, full.topNodes(1));
    for (const index of indices) tree.open(index, full.get(index), full.siblings(index, 1));
    return tree;
  };

  it("has the full tree's root, and gets the same root from the same changes", () => {
    const [full, part] = [filled(), partial(6, 7, 1, 0)];
    expect(part.root).toBe(full.root);
    for (const index of [7, 6, 0, 1, 6]) {
      for (const tree of [full, part]) tree.set(index, account(index + 50));
      expect(part.siblings(1, 2)).toEqual(full.siblings(1, 2));
    }
    expect(part.root).toBe(full.root);
  });

  it("refuses to read or write a slot that is not opened", () => {
    const part = partial(6);
    expect(part.get(6)).toEqual(filled().get(6));
    for (const index of [5, 0, 15]) {
      expect(() => part.get(index), `${index}`).toThrow(`slot ${index} is not opened`);
      expect(() => part.set(index, account(1)), `${index}`).toThrow(`slot ${index} is not opened`);
    }
  });

  it("refuses another number of top nodes, and openings with too few siblings", () => {
    expect(() => StateTree.fromTopNodes(2, 1, [1n, 2n, 3n])).toThrow("3 top nodes, expected 4");
    const part = StateTree.fromTopNodes(2, 1, [1n, 2n, 3n, 4n]);
    expect(() => part.open(1, account(1), [])).toThrow("too few siblings");
  });
});
