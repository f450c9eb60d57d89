import { expect } from "vitest";
import { EMPTY_ACCOUNT } from "../../../circuits/account.ts";
import type { SignedTransfer } from "../../../circuits/transfer.ts";
import type { StateTree } from "../../../circuits/tree.ts";
import { SCALAR_FIELD } from "../../../worker/field.ts";
import { changedAt, type Path } from "../places.ts";
import { accountOf, resident, signed, smallTree } from "../small-rollup.ts";
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

/** The honest inputs of one transfer, and the root of a state that a liar would rather have. */
const lie = (transfer: SignedTransfer, tell: (after: StateTree) => void): Rule => ({
  broken: () => {
    const after = smallTree(2);
    // what is right unless `tell` says otherwise
    after.set(1, accountOf(1, 989n, 1n));
    after.set(2, accountOf(2, transfer.type === 1 ? 2010n : 2000n));
    after.set(5, accountOf(5, 5001n));
    expect(after.root).toBe(one(transfer).newRoot);
    tell(after);
    return { ...one(transfer), newRoot: after.root };
  },
  at: ["BatchTransfer"],
  kept: () => one(transfer),
});
const exit = () => signed({ type: 2 });

TRANSFER_STATE_RULES.section("transfer slot: what the new state must be", {
  "a transfer that leaves the sender's nonce": lie(signed(), (t) => t.set(1, accountOf(1, 989n))),
  "an exit that leaves the sender's nonce": lie(exit(), (t) => t.set(1, accountOf(1, 989n))),
  "a transfer that does not debit": lie(signed(), (t) => t.set(1, accountOf(1, 1000n, 1n))),
  "an exit that does not debit": lie(exit(), (t) => t.set(1, accountOf(1, 1000n, 1n))),
  "an exit that credits the payee too": lie(exit(), (t) => t.set(2, accountOf(2, 2010n))),
  "a transfer that credits twice": lie(signed(), (t) => t.set(2, accountOf(2, 2020n))),
  "a transfer that lowers the receiver's nonce": lie(signed(), (t) =>
    t.set(2, accountOf(2, 2010n, SCALAR_FIELD - 1n)),
  ),
  "an emptied account that loses its key and nonce": lie(signed(), (t) => t.set(1, EMPTY_ACCOUNT)),
  "fees that nobody paid": lie(signed(), (t) => t.set(5, accountOf(5, 5002n))),
  "fees to another account": lie(signed(), (t) => {
    t.set(5, accountOf(5, 5000n));
    t.set(4, accountOf(4, 4001n));
  }),
  "a bystander who is paid": lie(signed(), (t) => t.set(3, accountOf(3, 3001n))),
});
