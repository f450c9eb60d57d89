import { expect } from "vitest";
import { EMPTY_ACCOUNT } from "../../../circuits/account.ts";
import type { StateTree } from "../../../circuits/tree.ts";
import { SCALAR_FIELD } from "../../../worker/field.ts";
import { changedAt, type Path } from "../places.ts";
import { accountOf, resident, signed } from "../small-rollup.ts";
import { siblingsOf } from "./forgery.ts";
import { type Rule, RuleBook, settled } from "./rule.ts";
import { apart, between, honest, NOBODY, one, treeWith, U64 } from "./transfer-batches.ts";

export const TRANSFER_STATE_RULES = new RuleBook();

/** A lie about what was opened. */
const opened = (...path: Path): Rule => ({
  broken: () => settled(changedAt(one(signed(between), apart()), path, 7n)),
  at: ["PathUpdate"],
  kept: () => one(signed(between), apart()),
});

TRANSFER_STATE_RULES.section("transfer slot: sender", {
  "the key of another account, which signs": {
    broken: () => settled(one(signed({ ...between, signer: 3 }), apart())),
    at: ["PathUpdate"],
    kept: honest,
  },
  "the account's key under another owner": {
    broken: () => settled(changedAt(one(signed(between), apart()), ["txKey", 0, 2], 1n)),
    at: ["PathUpdate"],
    kept: honest,
  },
  "a balance that the sender does not have": {
    broken: () => settled(changedAt(one(signed(between), apart()), ["txFrom", 0, 0], 5000n)),
    at: ["PathUpdate"],
    kept: () => one(signed(between), apart()),
  },
  "an old nonce, for which there is a signature": {
    broken: () => {
      const tree = treeWith([8, accountOf(8, 1000n, 1n)], [12, accountOf(12, 1n)]);
      return settled({ ...one(signed(between), tree), txFrom: [[1000n, 0n], NOBODY] });
    },
    at: ["PathUpdate"],
    kept: () => one(signed(between), apart()),
  },
  "a sibling in the pair": opened("txFromSiblings", 0, 0, 0),
  "a sibling in the other pair": opened("txFromSiblings", 0, 0, 1),
  "the last sibling": opened("txFromSiblings", 0, 0, 2),
  "the path of another account with the same key": {
    broken: () => {
      const tree = treeWith(
        [8, accountOf(8, 3n)],
        [9, accountOf(8, 1000n)],
        [12, accountOf(12, 1n)],
      );
      const inputs = one(signed(between), tree);
      const txFromSiblings = inputs.txFromSiblings.with(0, siblingsOf(tree, 9));
      return settled({ ...inputs, txFromSiblings, txFrom: [[1000n, 0n], NOBODY] });
    },
    at: ["PathUpdate"],
    kept: () => one(signed(between), apart()),
  },
  "an amount above the balance by one": {
    broken: () =>
      one(signed({ amount: 1000n, fee: 0n, from: 1 }), treeWith([1, accountOf(1, 999n)])),
    at: ["Num2Bits"],
    kept: () => one(signed({ amount: 1000n, fee: 0n })),
  },
  "a fee above what the amount leaves": {
    broken: () => one(signed({ amount: 1000n })),
    at: ["Num2Bits"],
    kept: () => one(signed({ amount: 999n })),
  },
  "an exit above the balance": {
    broken: () => one(signed({ type: 2, amount: 1000n })),
    at: ["Num2Bits"],
    kept: () => one(signed({ type: 2, amount: 999n })),
  },
  "a new balance of 2^64 or more": {
    broken: () => one(signed(), treeWith([1, accountOf(1, U64 + 11n)])),
    at: ["Num2Bits"],
    kept: () => one(signed(), treeWith([1, accountOf(1, U64 + 10n)])),
  },
});

const neighbours = () => treeWith([8, accountOf(8, 1000n)], [9, accountOf(9, 1000n)]);

TRANSFER_STATE_RULES.section("transfer slot: receiver", {
  "a transfer to an empty slot": {
    broken: () => one(signed({ to: 9, recipient: 0n })),
    at: ["NonZeroIf"],
    kept: () => one(signed({ to: 3 })),
  },
  "a transfer to index 0": {
    broken: () => one(signed({ to: 0, recipient: 0n })),
    at: ["NonZeroIf"],
    kept: () => one(signed({ to: 3 })),
  },
  "an exit to an empty slot": {
    broken: () => one(signed({ type: 2, to: 9, recipient: 0n })),
    at: ["NonZeroIf"],
    kept: () => one(signed({ type: 2, to: 3 })),
  },
  "a transfer to a leaf that is only said to have a key": {
    broken: () =>
      settled(
        changedAt(one(signed({ from: 8, to: 13, recipient: 77n }), apart()), ["txTo", 0, 0], 77n),
      ),
    at: ["PathUpdate"],
    kept: () => one(signed(between), apart()),
  },
  "a credit beyond 2^64 - 1": {
    broken: () => one(signed(), treeWith([2, accountOf(2, U64 - 10n)])),
    at: ["Num2Bits"],
    kept: () => one(signed(), treeWith([2, accountOf(2, U64 - 11n)])),
  },
  "a receiver's balance that the leaf does not have": opened("txTo", 0, 1),
  "a receiver's nonce that the leaf does not have": opened("txTo", 0, 2),
  "a sibling in the pair": opened("txToSiblings", 0, 0, 0),
  "a sibling in the other pair": opened("txToSiblings", 0, 0, 1),
  "the last sibling": opened("txToSiblings", 0, 0, 2),
  "a receiver's path in the state before the sender paid": {
    broken: () => {
      const inputs = one(signed({ from: 8, to: 9 }), neighbours());
      return settled({
        ...inputs,
        txToSiblings: inputs.txToSiblings.with(0, siblingsOf(neighbours(), 9)),
      });
    },
    at: ["PathUpdate"],
    kept: () => one(signed({ from: 8, to: 9 }), neighbours()),
  },
  "a payment to oneself that opens the balance before it": {
    broken: () =>
      settled(
        changedAt(
          one(signed({ from: 8, to: 8 }), apart()),
          ["txTo", 0],
          [resident(8).pkHash, 1000n, 0n],
        ),
      ),
    at: ["PathUpdate"],
    kept: () => one(signed({ from: 8, to: 8 }), apart()),
  },
});

/**
 * The honest inputs of one transfer from 8 to 12 with a fee for 5, and the root of a state that a liar would rather have.
 * The three accounts stand in three groups of the tree: no path tells on the lie, only the new root can.
 */
const lie = (type: 1 | 2, tell: (after: StateTree) => void): Rule => ({
  broken: () => {
    const honest = one(signed({ ...between, type }), apart());
    const after = apart();
    // what is right unless `tell` says otherwise
    after.set(8, accountOf(8, 989n, 1n));
    after.set(12, accountOf(12, type === 1 ? 1010n : 1000n));
    after.set(5, accountOf(5, 5001n));
    expect(after.root).toBe(honest.newRoot);
    tell(after);
    return { ...honest, newRoot: after.root };
  },
  at: ["BatchTransfer"],
  kept: () => one(signed({ ...between, type }), apart()),
});

TRANSFER_STATE_RULES.section("transfer slot: what the new state must be", {
  "a transfer that leaves the sender's nonce": lie(1, (t) => t.set(8, accountOf(8, 989n))),
  "an exit that leaves the sender's nonce": lie(2, (t) => t.set(8, accountOf(8, 989n))),
  "a transfer that does not debit": lie(1, (t) => t.set(8, accountOf(8, 1000n, 1n))),
  "an exit that does not debit": lie(2, (t) => t.set(8, accountOf(8, 1000n, 1n))),
  "an exit that credits the payee too": lie(2, (t) => t.set(12, accountOf(12, 1010n))),
  "a transfer that credits twice": lie(1, (t) => t.set(12, accountOf(12, 1020n))),
  "a transfer that lowers the receiver's nonce": lie(1, (t) =>
    t.set(12, accountOf(12, 1010n, SCALAR_FIELD - 1n)),
  ),
  "an emptied account that loses its key and nonce": lie(1, (t) => t.set(8, EMPTY_ACCOUNT)),
  "fees that nobody paid": lie(1, (t) => t.set(5, accountOf(5, 5002n))),
  "fees to another account": lie(1, (t) => {
    t.set(5, accountOf(5, 5000n));
    t.set(4, accountOf(4, 4001n));
  }),
  "a bystander who is paid": lie(1, (t) => t.set(13, accountOf(13, 1n))),
});
