import { beforeAll, describe, expect, it } from "vitest";
import type { Account } from "../../../circuits/account.ts";
import { leafOf, pkHashOf } from "../../../circuits/account.ts";
import type { BatchContent, CircuitInputs } from "../../../circuits/inputs.ts";
import { poseidon } from "../../../circuits/poseidon.ts";
import { StateTree } from "../../../circuits/tree.ts";
import { SCALAR_FIELD } from "../../../worker/field.ts";
import { changedAt } from "../places.ts";
import { accountOf, deposit, forcedExit, resident, signed, smallTree } from "../small-rollup.ts";
import { inputsOf, siblingsOf } from "./forgery.ts";
import { TinyCircuit } from "./tiny-circuit.ts";

// What the circuit does not check because somebody else does, and why it would matter. docs/soundness.md names who.

const U64 = 2n ** 64n;

let circuit: TinyCircuit;
beforeAll(async () => {
  circuit = await TinyCircuit.load();
});

const accepts = (inputs: CircuitInputs): boolean => circuit.judge(inputs).broken.length === 0;
const acceptsBlock = (content: Partial<BatchContent>, tree: StateTree) =>
  accepts(inputsOf({ feeIndex: 0, ...content }, tree));

function treeWith(index: number, account: Account): StateTree {
  const tree = smallTree(2);
  tree.set(index, account);
  return tree;
}

describe("soundness / what the circuit leaves to the contract", () => {
  it("takes a deposit beyond 2^64 - 1, after which a forced exit would have no witness", () => {
    const rich = treeWith(4, accountOf(4, U64 - 5n));
    expect(acceptsBlock({ l1Items: [deposit(4, 5n)] }, rich)).toBe(true);
    const over = treeWith(4, accountOf(4, U64));
    expect(acceptsBlock({ l1Items: [forcedExit(4, U64)] }, over)).toBe(false);
    expect(acceptsBlock({ l1Items: [forcedExit(4, U64 - 1n)] }, rich)).toBe(false);
    expect(acceptsBlock({ l1Items: [forcedExit(4, U64 - 5n)] }, rich)).toBe(true);
  });

  it("takes a deposit to index 0, after which no batch with an unused slot would have a witness", () => {
    expect(acceptsBlock({ l1Items: [deposit(0, 5n)], transfers: allUsed() }, smallTree(2))).toBe(
      true,
    );
    expect(acceptsBlock({}, treeWith(0, accountOf(0, 5n)))).toBe(false);
    expect(acceptsBlock({}, smallTree(2))).toBe(true);
  });

  it("takes an owner of more than 160 bits", () => {
    const key = { ...resident(9).key, owner: 2n ** 160n };
    expect(acceptsBlock({ l1Items: [{ ...deposit(9, 5n), key }] }, smallTree(2))).toBe(true);
  });

  it("raises a nonce of r - 1 to 0, which takes r transfers", () => {
    const tree = treeWith(1, accountOf(1, 1000n, SCALAR_FIELD - 1n));
    const last = signed({ nonce: SCALAR_FIELD - 1n });
    expect(acceptsBlock({ transfers: [last], feeIndex: 5 }, tree)).toBe(true);
  });

  function allUsed() {
    return [signed({ from: 4, to: 5, fee: 0n }), signed({ from: 5, to: 4, fee: 0n })];
  }
});

describe("soundness / hashes that could be taken for each other", () => {
  it("refuses an account whose fields are the children of a node", () => {
    // Were a leaf a hash of four elements, or a node of three, the group of accounts 4 to 7 could be spent as one account.
    const tree = smallTree(2);
    const children = [4, 5, 6, 7].map((index) => leafOf(tree.get(index)));
    expect(poseidon(children)).toBe(tree.topNodes(1)[1]);
    for (const three of [children.slice(0, 3), children.slice(1)]) {
      const [pkHash, balance, nonce] = three as [bigint, bigint, bigint];
      expect(leafOf({ pkHash, balance, nonce })).not.toBe(tree.topNodes(1)[1]);
    }
    const claimed = changedAt(inputsOf({ feeIndex: 4 }, tree), ["feeLeaf"], children.slice(0, 3));
    expect(accepts(claimed)).toBe(false);
  });

  it("gives a key that is made of a leaf's fields no claim to that leaf", () => {
    // pkHash and leaf are the same hash of three elements: this key's pkHash is the leaf of account 4.
    const tree = smallTree(2);
    const { pkHash, balance, nonce } = tree.get(4);
    const key = { ax: pkHash, ay: balance, owner: nonce };
    expect(pkHashOf(key)).toBe(leafOf(tree.get(4)));
    const item = { ...deposit(4, 5n), key };
    expect(accepts(circuit.withOwnRoot(inputsOf({ l1Items: [item] }, tree)))).toBe(false);
  });
});

describe("soundness / one account in several slots", () => {
  it("refuses every path against a state other than the one its slot begins with", () => {
    // Deposit, sender, receiver and fee all meet in account 4; each opening is replaced by that of every earlier state.
    const content = {
      l1Items: [deposit(4, 7n)],
      transfers: [signed({ from: 4, to: 4 }), signed({ from: 4, to: 4, nonce: 1n })],
      feeIndex: 4,
    };
    const honest = inputsOf(content);
    expect(accepts(honest)).toBe(true);
    const key = resident(4).pkHash;
    const states: [balance: bigint, nonce: bigint][] = [
      [4000n, 0n], // before
      [4007n, 0n], // after the deposit
      [3996n, 1n], // first debit
      [4006n, 1n], // first credit
      [3995n, 2n],
      [4005n, 2n],
    ];
    const openings: [
      path: (string | number)[],
      row: (state: (typeof states)[number]) => bigint[],
      at: number,
    ][] = [
      [["l1Leaf", 0], ([balance, nonce]) => [key, balance, nonce], 0],
      [["txFrom", 0], (state) => [...state], 1],
      [["txTo", 0], ([balance, nonce]) => [key, balance, nonce], 2],
      [["txFrom", 1], (state) => [...state], 3],
      [["txTo", 1], ([balance, nonce]) => [key, balance, nonce], 4],
      [["feeLeaf"], ([balance, nonce]) => [key, balance, nonce], 5],
    ];
    for (const [path, row, right] of openings) {
      for (const [i, state] of states.entries()) {
        const other = circuit.withOwnRoot(changedAt(honest, path, row(state)));
        expect(accepts(other), `${path.join(".")} in state ${i}`).toBe(i === right);
      }
    }
  });

  it("refuses siblings from before the slot that changed them", () => {
    // 5 and 6 are siblings of 4
    const transfers = [signed({ from: 5, to: 4 }), signed({ from: 4, to: 5 })];
    const honest = inputsOf({ transfers, feeIndex: 4 });
    expect(accepts(honest)).toBe(true);
    const before = smallTree(2);
    for (const [path, index] of [
      [["txToSiblings", 0], 4],
      [["txFromSiblings", 1], 4],
      [["txToSiblings", 1], 5],
      [["feeSiblings"], 4],
    ] as const) {
      const stale = circuit.withOwnRoot(changedAt(honest, path, siblingsOf(before, index)));
      expect(accepts(stale), path.join(".")).toBe(false);
    }
  });
});

describe("soundness / genesis", () => {
  it("accepts an empty block on the empty tree, whose root is the contract's constant", () => {
    const empty = new StateTree(2);
    const inputs = inputsOf({ feeIndex: 0 }, empty);
    expect(inputs.prevRoot).toBe(inputs.newRoot);
    expect(accepts(inputs)).toBe(true);
  });
});
