import { expect } from "vitest";

import { commitData, evaluate } from "../../../circuits/data.ts";
import type { CircuitInputs } from "../../../circuits/inputs.ts";
import { poseidon } from "../../../circuits/poseidon.ts";
import { SCALAR_FIELD } from "../../../worker/field.ts";
import { changedAt, type Path } from "../places.ts";
import { accountOf, DOMAIN, deposit, signed, smallTree } from "../small-rollup.ts";
import { bindingOf, dataOf, inputsOf } from "./forgery.ts";
import { type Rule, RuleBook, settled } from "./rule.ts";
import { tiny } from "./tiny-circuit.ts";

export const DATA_RULES = new RuleBook();

const U64 = 2n ** 64n;

/** A block in which every element of d is something else, and none is 0. */
export const full = () =>
  inputsOf({ l1Items: [deposit(8, 77n)], transfers: [signed(), signed({ from: 3, to: 4 })] });

export const ELEMENTS = [
  "domain",
  "blockNumber",
  "feeIndex",
  "kind, index and amount of the L1 slot",
  "ax of the L1 slot",
  "ay of the L1 slot",
  "owner of the L1 slot",
  "record 0",
  "record 1",
];

const onElement = (tell: (i: number, d: bigint[]) => Partial<CircuitInputs>) =>
  Object.fromEntries(
    ELEMENTS.map((name, i): [string, Rule] => [
      name,
      {
        broken: () => {
          const d = dataOf(full());
          return { ...full(), ...tell(i, d) };
        },
        at: ["BatchTransfer"],
        kept: full,
      },
    ]),
  );
const raised = (d: readonly bigint[], i: number) => d.with(i, (d[i] as bigint) + 1n);

// A prover who shows the contract other data than the circuit has used. It may try to satisfy one check only.
DATA_RULES.section(
  "data binding: other data in both h and y",
  onElement((i, d) => {
    const { h, z, y } = bindingOf(raised(d, i));
    return { h, z, y };
  }),
);
DATA_RULES.section(
  "data binding: other data in h alone",
  onElement((i, d) => ({ h: commitData(tiny, raised(d, i)) })),
);
DATA_RULES.section(
  "data binding: other data in y alone",
  onElement((i, d) => ({ y: evaluate(raised(d, i), full().z) })),
);

DATA_RULES.section("data binding: form of h, z and y", {
  "the evaluation in the reversed order": {
    broken: () => ({ ...full(), y: evaluate(dataOf(full()).reverse(), full().z) }),
    at: ["BatchTransfer"],
    kept: full,
  },
  "the evaluation from the first power on": {
    broken: () => ({ ...full(), y: (full().y * full().z) % SCALAR_FIELD }),
    at: ["BatchTransfer"],
    kept: full,
  },
  "another challenge than the evaluation's": {
    broken: () => ({ ...full(), z: full().z + 1n }),
    at: ["BatchTransfer"],
    kept: full,
  },
  "a commitment that starts from another circuit's sizes": {
    broken: () => ({ ...full(), h: commitData({ ...tiny, nTx: 3 }, dataOf(full())) }),
    at: ["BatchTransfer"],
    kept: full,
  },
  "a commitment without the sizes": {
    broken: () => ({ ...full(), h: poseidon([0n, ...dataOf(full()), ...Array(6).fill(0n)]) }),
    at: ["BatchTransfer"],
    kept: full,
  },
});

const published = (
  name: "domain" | "blockNumber" | "feeIndex",
  value: bigint,
  at: string[],
): Rule => ({
  broken: () => settled({ ...full(), [name]: value }),
  at,
  kept: full,
});

DATA_RULES.section("block: fields that everything hangs on", {
  "another domain than the one that was signed for": published("domain", DOMAIN + 1n, [
    "Signature",
  ]),
  "a block number after validUntil": published("blockNumber", 101n, ["Num2Bits"]),
  "a block number beyond 32 bits": published("blockNumber", 2n ** 32n, ["Num2Bits"]),
  "another fee index with the path of account 5": published("feeIndex", 4n, ["PathUpdate"]),
  "a fee index beyond the tree that ends in an index of the tree": published("feeIndex", 5n + 16n, [
    "Num2Bits",
  ]),
});

const raisedAt = (name: "prevRoot" | "newRoot"): Rule => ({
  broken: () => ({ ...full(), [name]: full()[name] + 1n }),
  at: ["BatchTransfer"],
  kept: full,
});

/** A block that opens nothing in the group of index 0. */
const fullOutside = () =>
  inputsOf({
    l1Items: [deposit(8, 77n)],
    transfers: [signed({ from: 4, to: 5 }), signed({ from: 5, to: 4 })],
  });

DATA_RULES.section("block: roots and top nodes", {
  "another previous root": raisedAt("prevRoot"),
  "another new root": raisedAt("newRoot"),
  "the previous root as the new one": {
    broken: () => ({ ...full(), newRoot: full().prevRoot }),
    at: ["BatchTransfer"],
    kept: full,
  },
  "another previous root with its top nodes": {
    broken: () => {
      const tree = smallTree(2);
      tree.set(12, accountOf(12, 1n));
      return { ...full(), prevRoot: tree.root };
    },
    at: ["BatchTransfer"],
    kept: full,
  },
  "a top node of another state, below which the block opens nothing": {
    broken: () => settled(changedAt(fullOutside(), ["topNodes", 0], 7n)),
    at: ["BatchTransfer"],
    kept: fullOutside,
  },
  "the last top node of another state": {
    broken: () => settled(changedAt(full(), ["topNodes", 3], 7n)),
    at: ["BatchTransfer"],
    kept: full,
  },
});

const feeAt = (...path: Path): Rule => ({
  broken: () => settled(changedAt(full(), path, 7n)),
  at: ["PathUpdate"],
  kept: full,
});
const withFee = (feeIndex: number, tree = smallTree(2)) =>
  inputsOf({ transfers: [signed()], feeIndex }, tree);
const treeWith = (index: number, balance: bigint) => {
  const tree = smallTree(2);
  tree.set(index, accountOf(index, balance));
  return tree;
};

DATA_RULES.section("fee slot", {
  "fees to an empty slot": {
    broken: () => withFee(9),
    at: ["NonZeroIf"],
    kept: () => inputsOf({ transfers: [signed({ fee: 0n })], feeIndex: 9 }),
  },
  "fees to index 0": {
    broken: () => withFee(0),
    at: ["NonZeroIf"],
    kept: () => inputsOf({ transfers: [signed({ fee: 0n })], feeIndex: 0 }),
  },
  "a balance beyond 2^64 - 1": {
    broken: () => withFee(5, treeWith(5, U64 - 1n)),
    at: ["Num2Bits"],
    kept: () => withFee(5, treeWith(5, U64 - 2n)),
  },
  "a leaf that is only said to have a key": {
    broken: () => settled({ ...withFee(9), feeLeaf: [7n, 0n, 0n] }),
    at: ["PathUpdate"],
    kept: () => withFee(5),
  },
  "another key than the leaf's": feeAt("feeLeaf", 0),
  "a balance that the leaf does not have": feeAt("feeLeaf", 1),
  "a nonce that the leaf does not have": feeAt("feeLeaf", 2),
  "another sibling in the pair": feeAt("feeSiblings", 0, 0),
  "another first sibling": feeAt("feeSiblings", 0, 1),
  "another second sibling": feeAt("feeSiblings", 0, 2),
  "the fee account as it was before the transfers that it made": {
    broken: () =>
      settled({
        ...inputsOf({ transfers: [signed({ from: 5 })] }),
        feeLeaf: Object.values(smallTree(2).get(5)),
      }),
    at: ["PathUpdate"],
    kept: () => inputsOf({ transfers: [signed({ from: 5 })] }),
  },
  "the fees of one slot of two": {
    broken: () => {
      const after = smallTree(2);
      after.set(8, accountOf(8, 77n));
      after.set(1, accountOf(1, 989n, 1n));
      after.set(2, accountOf(2, 2010n));
      after.set(3, accountOf(3, 2989n, 1n));
      after.set(4, accountOf(4, 4010n));
      after.set(5, accountOf(5, 5002n));
      expect(after.root).toBe(full().newRoot);
      after.set(5, accountOf(5, 5001n));
      return { ...full(), newRoot: after.root };
    },
    at: ["BatchTransfer"],
    kept: full,
  },
});
