import { it } from "vitest";
import { StateTree } from "../../../circuits/tree.ts";
import { resident } from "../small-rollup.ts";
import { inputsOf } from "./forgery.ts";
import { describeRules, expectAccepted } from "./rule.ts";
import { L1_RULES } from "./rules-l1.ts";

describeRules(L1_RULES);

it("soundness / L1 slot accepts every item that the contract can queue", () => {
  // Any halves of a key, on the curve or not; any owner; deposits up to the total's bound; a leaf or none.
  const keys = [
    { ax: 0n, ay: 0n, owner: 0n },
    { ax: 0n, ay: 1n, owner: 2n ** 160n - 1n },
    { ax: 1n, ay: 2n, owner: 3n },
    resident(8).key,
  ];
  for (const key of keys) {
    for (const index of [8, 15]) {
      const paid = { kind: 1, index, amount: 2n ** 64n - 1n, key } as const;
      const empty = new StateTree(2);
      expectAccepted(inputsOf({ l1Items: [paid], feeIndex: 0 }, empty));
      expectAccepted(inputsOf({ l1Items: [{ ...paid, kind: 2, amount: 0n }], feeIndex: 0 }, empty));
    }
  }
});
