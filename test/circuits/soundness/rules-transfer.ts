import { expect } from "vitest";
import { EMPTY_ACCOUNT, pkHashOf } from "../../../circuits/account.ts";
import type { SignedTransfer } from "../../../circuits/transfer.ts";
import type { StateTree } from "../../../circuits/tree.ts";
import { SCALAR_FIELD } from "../../../worker/field.ts";
import {
  accountOf,
  BLOCK_NUMBER,
  DOMAIN,
  deposit,
  forcedExit,
  resident,
  signed,
  smallTree,
} from "../small-rollup.ts";
import { dataOf, inputsOf } from "./forgery.ts";
import { type Rule, RuleBook, settled, theCircuit } from "./rule.ts";
import { apart, between, honest, one, rich, treeWith, U64 } from "./transfer-batches.ts";
import { wild } from "./villain.ts";

export const TRANSFER_RULES = new RuleBook();

TRANSFER_RULES.section("transfer slot: ranges of the record", {
  "type 3, signed and held by an account to which it would fit": {
    broken: () => {
      // 1 + 2 for the two type bits: pkHash and nonce would be taken with isUsed = 2
      const pkHash = (2n * pkHashOf(resident(8).key)) % SCALAR_FIELD;
      const tree = treeWith([8, { ...accountOf(8, 1000n), pkHash }], [12, accountOf(12, 1000n)]);
      return theCircuit().withOwnRoot(one(wild({ ...between, type: 3 }), tree));
    },
    at: ["TransferSlot"],
    kept: () => one(signed(between), apart()),
  },
  "type 5, which reads as a transfer in its low two bits": {
    broken: () => theCircuit().withOwnRoot(one(wild({ ...between, type: 5 }), apart())),
    at: ["Num2Bits"],
    kept: () => one(signed(between), apart()),
  },
  "a sender's index beyond the tree that ends in an index of the tree": {
    broken: () => one(signed({ from: 1 + 16, signer: 1 })),
    at: ["Num2Bits"],
    kept: honest,
  },
  "a receiver's index beyond the tree that ends in an index of the tree": {
    broken: () => one(signed({ to: 2 + 16, recipient: resident(2).pkHash })),
    at: ["Num2Bits"],
    kept: honest,
  },
  "an amount of 2^64 that the sender has": {
    broken: () => one(wild({ type: 2, amount: U64 }), treeWith([1, accountOf(1, U64 + 10n)])),
    at: ["Num2Bits"],
    kept: () => one(wild({ type: 2, amount: U64 - 1n }), treeWith([1, accountOf(1, U64 + 10n)])),
  },
  "a negative amount, which would take from the receiver": {
    broken: () => one(wild({ amount: SCALAR_FIELD - 5n })),
    at: ["Num2Bits"],
    kept: honest,
  },
  "a fee of 2^32": {
    broken: () => one(wild({ fee: 2n ** 32n }), treeWith([1, accountOf(1, 2n ** 40n)])),
    at: ["Num2Bits"],
    kept: () => one(wild({ fee: 2n ** 32n - 1n }), treeWith([1, accountOf(1, 2n ** 40n)])),
  },
  "a negative fee, which would take from the fee account": {
    broken: () => one(wild({ fee: SCALAR_FIELD - 5n })),
    at: ["Num2Bits"],
    kept: honest,
  },
  "a fee that borrows from the amount under the same signed record": {
    broken: () => {
      const { signature } = wild({ amount: 10n, fee: 1n });
      const tree = treeWith([1, accountOf(1, 2n ** 40n)]);
      const alias = one({ ...wild({ amount: 9n, fee: 2n ** 32n + 1n }), signature }, tree);
      expect(dataOf(alias)).toEqual(dataOf(honest()));
      return alias;
    },
    at: ["Num2Bits"],
    kept: honest,
  },
  "an amount that borrows from the receiver's index under the same signed record": {
    broken: () => {
      // 1 pays 10 to 3, and the operator would let it pay 2^64 + 10 to 2; both have one key
      const tree = rich();
      tree.set(3, accountOf(2, 5n));
      const meant = wild({ type: 2, to: 3, recipient: resident(2).pkHash });
      const taken = wild({ type: 2, to: 2, amount: U64 + 10n });
      const alias = one({ ...taken, signature: meant.signature }, tree);
      expect(dataOf(alias).at(-2)).toEqual(dataOf(one(meant, tree)).at(-2));
      return alias;
    },
    at: ["Num2Bits"],
    kept: () => one(signed({ type: 2 })),
  },
});

/** A no-op whose record is not zero, in the second slot: the first is used. */
const noop = (fields: Partial<SignedTransfer>, tree?: StateTree, receiver?: bigint[]): Rule => ({
  broken: () => {
    const empty = { ...signed(), type: 0, from: 0, to: 0, amount: 0n, fee: 0n } as const;
    const transfers = [signed({ from: 4, to: 5 }), { ...empty, ...fields }];
    const inputs = inputsOf({ transfers }, tree);
    return settled({
      ...inputs,
      txTo: receiver === undefined ? inputs.txTo : inputs.txTo.with(1, receiver),
    });
  },
  at: ["TransferSlot"],
  kept: () => inputsOf({ transfers: [signed({ from: 4, to: 5 })] }),
});

TRANSFER_RULES.section("transfer slot: no-op", {
  "a no-op with a sender's index": noop({ from: 8 }),
  "a no-op with a receiver's index": noop({ to: 3 }),
  // Index 0 has money here, which it never has, so that only the record is wrong.
  "a no-op with an amount": noop({ amount: 5n }, treeWith([0, purse(100n)]), [0n, 95n, 0n]),
  "a no-op with a fee": noop({ fee: 5n }, treeWith([0, purse(100n)]), [0n, 95n, 0n]),
  "a no-op while index 0 holds an account": {
    broken: () => {
      const tree = treeWith([0, accountOf(9, 5n)]);
      return inputsOf({ l1Items: [deposit(8, 1n)], transfers: [signed({ from: 4, to: 5 })] }, tree);
    },
    at: ["PathUpdate"],
    kept: () =>
      inputsOf(
        { l1Items: [deposit(8, 1n)], transfers: [signed({ from: 4, to: 5 })] },
        smallTree(2),
      ),
  },
});

function purse(balance: bigint) {
  return { ...EMPTY_ACCOUNT, balance };
}

TRANSFER_RULES.section("transfer slot: time", {
  "a transfer that expired in the block before": {
    broken: () => one(signed({ validUntil: BLOCK_NUMBER - 1 })),
    at: ["Num2Bits"],
    kept: () => one(signed({ validUntil: BLOCK_NUMBER })),
  },
  "a transfer that is valid for 2^32 blocks": {
    broken: () => one(wild({ validUntil: BLOCK_NUMBER + 2 ** 32 })),
    at: ["Num2Bits"],
    kept: () => one(wild({ validUntil: BLOCK_NUMBER + 2 ** 32 - 1 })),
  },
  "a block number of 2^32": {
    broken: () => {
      const blockNumber = 2 ** 32 + BLOCK_NUMBER;
      return inputsOf({ blockNumber, transfers: [wild({ validUntil: blockNumber })] });
    },
    at: ["Num2Bits"],
    kept: () => {
      const blockNumber = 2 ** 32 - 1;
      return inputsOf({ blockNumber, transfers: [wild({ validUntil: 2 ** 33 - 2 })] });
    },
  },
  "a negative block number, which would make more transfers last": {
    broken: () => inputsOf({ blockNumber: -1, transfers: [wild({ validUntil: 5 })] }),
    at: ["Num2Bits"],
    kept: () => inputsOf({ blockNumber: 0, transfers: [wild({ validUntil: 5 })] }),
  },
});

/** Signed with one thing, submitted with another. */
const signedWith = (signedFields: Parameters<typeof wild>[0], submitted = {}): Rule => ({
  broken: () => one({ ...wild(submitted), signature: wild(signedFields).signature }),
  at: ["Signature"],
  kept: honest,
});

TRANSFER_RULES.section("transfer slot: what the signature covers", {
  "another type": signedWith({ type: 2 }),
  "another amount": signedWith({ amount: 11n }),
  "another fee": signedWith({ fee: 2n }),
  "another validUntil": signedWith({ validUntil: 101 }),
  "another receiver's index with the same key": {
    broken: () => {
      const tree = treeWith([3, accountOf(2, 5n)]);
      const { signature } = wild({ to: 3, recipient: resident(2).pkHash });
      return one({ ...wild(), signature }, tree);
    },
    at: ["Signature"],
    kept: honest,
  },
  "another sender's index with the same key: replay across one owner's accounts": {
    broken: () => {
      const tree = treeWith([3, accountOf(1, 1000n)]);
      return one({ ...signed(), from: 3 }, tree);
    },
    at: ["Signature"],
    kept: honest,
  },
  "another receiver's key and owner at the same index: the index was assigned again": {
    broken: () => one(signed({ recipient: resident(3).pkHash })),
    at: ["Signature"],
    kept: honest,
  },
  "an exit to a payee whose key and owner have changed": {
    broken: () => one(signed({ type: 2, recipient: resident(3).pkHash })),
    at: ["Signature"],
    kept: () => one(signed({ type: 2 })),
  },
  "a later nonce": signedWith({ nonce: 1n }),
  "an earlier nonce: replay of an old transfer": {
    broken: () => one(signed(), treeWith([1, accountOf(1, 1000n, 1n)])),
    at: ["Signature"],
    kept: () => one(signed({ nonce: 1n }), treeWith([1, accountOf(1, 1000n, 1n)])),
  },
  "the same transfer twice in a batch": {
    broken: () => inputsOf({ transfers: [signed(), signed()] }),
    at: ["Signature"],
    kept: () => inputsOf({ transfers: [signed(), signed({ nonce: 1n })] }),
  },
  "a transfer that was signed before a forced exit": {
    broken: () =>
      inputsOf({ l1Items: [forcedExit(1, 1000n)], transfers: [signed({ amount: 0n, fee: 0n })] }),
    at: ["Signature"],
    kept: () =>
      inputsOf({
        l1Items: [forcedExit(1, 1000n)],
        transfers: [signed({ amount: 0n, fee: 0n, nonce: 1n })],
      }),
  },
  "another chain's or contract's domain": signedWith({ domain: DOMAIN + 1n }),
});
