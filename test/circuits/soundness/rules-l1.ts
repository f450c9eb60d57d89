import { expect } from "vitest";
import { type Account, EMPTY_ACCOUNT } from "../../../circuits/account.ts";
import type { CircuitInputs } from "../../../circuits/inputs.ts";
import type { L1Item } from "../../../circuits/l1.ts";
import type { StateTree } from "../../../circuits/tree.ts";
import { changedAt, type Path } from "../places.ts";
import { accountOf, deposit, forcedExit, resident, signed, smallTree } from "../small-rollup.ts";
import { dataOf, inputsOf, siblingsOf } from "./forgery.ts";
import { type Rule, RuleBook, settled, theCircuit } from "./rule.ts";

export const L1_RULES = new RuleBook();

// Accounts 0 to 3 share a group of the tree, 4 to 7 the next. Unused slots open index 0, so items here go to the other
// groups: what they change then disturbs no other path.

const U64 = 2n ** 64n;

/** One item, with account 0 as fee index, and the root that the circuit itself computes. */
const item = (item: L1Item, tree?: StateTree): CircuitInputs =>
  theCircuit().withOwnRoot(inputsOf({ l1Items: [item], feeIndex: 0 }, tree));

/** An item with other numbers than its type allows. */
const oddItem = (fields: { kind?: number; index?: number; amount?: bigint }): L1Item => ({
  ...deposit(8, 5n),
  ...(fields as Partial<L1Item>),
});

/** An empty L1 slot with one of its six numbers set. */
const notEmpty = (position: number): Rule => ({
  broken: () => {
    const inputs = changedAt(inputsOf({}), ["l1", 0, position], 8n);
    const siblings = position === 1 ? siblingsOf(smallTree(2), 8) : inputs.l1Siblings[0];
    return settled(changedAt(inputs, ["l1Siblings", 0], siblings));
  },
  at: ["L1Slot"],
  kept: () => inputsOf({}),
});

L1_RULES.section("L1 slot: ranges", {
  "kind 3": {
    broken: () => item(oddItem({ kind: 3 })),
    at: ["L1Slot"],
    kept: () => item(deposit(8, 5n)),
  },
  "kind 5, which reads as a deposit in its low two bits": {
    broken: () => item(oddItem({ kind: 5 })),
    at: ["Num2Bits"],
    kept: () => item(deposit(8, 5n)),
  },
  "an index beyond the tree that ends in an index of the tree": {
    broken: () => item(oddItem({ index: 8 + 16 })),
    at: ["Num2Bits"],
    kept: () => item(deposit(8, 5n)),
  },
  "an amount of 2^64": {
    broken: () => item(oddItem({ amount: U64 })),
    at: ["Num2Bits"],
    kept: () => item(deposit(8, U64 - 1n)),
  },
  "an amount that borrows from the index, so that the packed entry is that of account 9": {
    broken: () => {
      const alias = item(oddItem({ index: 8, amount: U64 + 5n }));
      expect(dataOf(alias)[3]).toBe(dataOf(item({ ...deposit(8, 5n), index: 9 }))[3]);
      return alias;
    },
    at: ["Num2Bits"],
    kept: () => item({ ...deposit(8, 5n), index: 9 }),
  },
  "a negative amount that lends to the index": {
    broken: () => {
      const alias = item(oddItem({ index: 9, amount: 5n - U64 }));
      expect(dataOf(alias)[3]).toBe(dataOf(item(deposit(8, 5n)))[3]);
      return alias;
    },
    at: ["Num2Bits"],
    kept: () => item(deposit(8, 5n)),
  },
});

L1_RULES.section("L1 slot: empty", {
  "an empty slot with an index": notEmpty(1),
  "an empty slot with an amount": notEmpty(2),
  "an empty slot with an ax": notEmpty(3),
  "an empty slot with an ay": notEmpty(4),
  "an empty slot with an owner": notEmpty(5),
  "an empty slot while index 0 holds an account": {
    broken: () => theCircuit().withOwnRoot(fullBatch(accountOf(9, 5n))),
    at: ["L1Slot"],
    kept: () => fullBatch(EMPTY_ACCOUNT),
  },
});

/** Index 0 holds the account, and only the L1 slot is unused. */
function fullBatch(atZero: Account): CircuitInputs {
  const tree = smallTree(2);
  tree.set(0, atZero);
  return inputsOf({ transfers: [signed({ from: 4, to: 5 }), signed({ from: 5, to: 4 })] }, tree);
}

L1_RULES.section("L1 slot: key and owner", {
  "a deposit to an account under another's key": {
    broken: () => item({ ...deposit(4, 5n), key: resident(3).key }),
    at: ["L1Slot"],
    kept: () => item(deposit(4, 5n)),
  },
  "a deposit to an account under its key and another owner": {
    broken: () => item({ ...deposit(4, 5n), key: { ...resident(4).key, owner: 1n } }),
    at: ["L1Slot"],
    kept: () => item(deposit(4, 5n)),
  },
  "a forced exit of an account under another's key": {
    broken: () => item({ ...forcedExit(4, 4000n), key: resident(3).key }),
    at: ["L1Slot"],
    kept: () => item(forcedExit(4, 4000n)),
  },
  "a deposit that takes an account over by calling its leaf empty": {
    broken: () => {
      const taken = item({ ...deposit(4, 5n), key: resident(3).key });
      return settled({ ...taken, l1Leaf: [[0n, 4000n, 0n]] });
    },
    at: ["PathUpdate"],
    kept: () => item(deposit(4, 5n)),
  },
});

L1_RULES.section("L1 slot: forced exit", {
  "less than the balance": {
    broken: () => item(forcedExit(4, 3999n)),
    at: ["L1Slot"],
    kept: () => item(forcedExit(4, 4000n)),
  },
  "more than the balance": {
    broken: () => item(forcedExit(4, 4001n)),
    at: ["L1Slot"],
    kept: () => item(forcedExit(4, 4000n)),
  },
  "something from an account without a leaf": {
    broken: () => item(forcedExit(8, 1n)),
    at: ["L1Slot"],
    kept: () => item(forcedExit(8, 0n)),
  },
});

const opened = (...path: Path): Rule => ({
  broken: () => settled(changedAt(item(deposit(4, 5n)), path, 7n)),
  at: ["PathUpdate"],
  kept: () => item(deposit(4, 5n)),
});

L1_RULES.section("L1 slot: path", {
  "an old balance that the leaf does not have": opened("l1Leaf", 0, 1),
  "an old nonce that the leaf does not have": opened("l1Leaf", 0, 2),
  "another sibling in the pair": opened("l1Siblings", 0, 0, 0),
  "another first sibling of the other pair": opened("l1Siblings", 0, 0, 1),
  "another second sibling of the other pair": opened("l1Siblings", 0, 0, 2),
  "the path of another index, whose leaf has the same key": {
    broken: () => {
      const tree = smallTree(2);
      tree.set(5, accountOf(4, 7n));
      return settled({
        ...item(deposit(4, 5n), tree),
        l1Leaf: [Object.values(tree.get(5))],
        l1Siblings: [siblingsOf(tree, 5)],
      });
    },
    at: ["PathUpdate"],
    kept: () => item(deposit(4, 5n)),
  },
});

/** The honest inputs of one item, and the root of a state that a liar would rather have. */
const lie = (of: L1Item, tell: (after: StateTree) => void): Rule => ({
  broken: () => {
    // No other slot looks at this group of the tree: only the new root can tell.
    const honest = inputsOf({ l1Items: [of], feeIndex: 0 });
    const after = smallTree(2);
    tell(after);
    return { ...honest, newRoot: after.root };
  },
  at: ["BatchTransfer"],
  kept: () => inputsOf({ l1Items: [of], feeIndex: 0 }),
});

L1_RULES.section("L1 slot: what the new state must be", {
  "a deposit that is credited twice": lie(deposit(4, 5n), (t) => t.set(4, accountOf(4, 4010n))),
  "a deposit that is not credited": lie(deposit(4, 5n), () => {}),
  "a deposit that is credited to another account": lie(deposit(4, 5n), (t) =>
    t.set(5, accountOf(5, 5005n)),
  ),
  "a deposit that raises the nonce": lie(deposit(4, 5n), (t) => t.set(4, accountOf(4, 4005n, 1n))),
  "a new account with another key than the contract's": lie(deposit(8, 5n), (t) =>
    t.set(8, accountOf(9, 5n)),
  ),
  "a new account that gets no key": lie(deposit(8, 5n), (t) =>
    t.set(8, { ...EMPTY_ACCOUNT, balance: 5n }),
  ),
  "a forced exit that leaves the nonce": lie(forcedExit(4, 4000n), (t) =>
    t.set(4, accountOf(4, 0n)),
  ),
  "a forced exit that leaves the balance": lie(forcedExit(4, 4000n), (t) =>
    t.set(4, accountOf(4, 4000n, 1n)),
  ),
  "a forced exit that clears the key and the nonce": lie(forcedExit(4, 4000n), (t) =>
    t.set(4, EMPTY_ACCOUNT),
  ),
  "a bystander who is paid": lie(deposit(4, 5n), (t) => {
    t.set(4, accountOf(4, 4005n));
    t.set(5, accountOf(5, 5001n));
  }),
});
