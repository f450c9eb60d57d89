import { leafOf } from "../../../circuits/account.ts";
import { BASE8 } from "../../../circuits/babyjubjub.ts";
import type { InputValue } from "../../../worker/witness.ts";
import { times, toMontgomery } from "../curve-points.ts";
import { DOMAIN, deposit, signed, smallTree } from "../small-rollup.ts";
import { bitsOf, element } from "../template-main.ts";
import { inputsOf } from "./forgery.ts";
import { messageOf } from "./villain.ts";

type Inputs = Readonly<Record<string, InputValue>>;
/** A template as a main component, with inputs that it accepts. */
export interface Subject {
  /** Under circuits/lib, without extension. */
  readonly file: string;
  readonly call: string;
  readonly inputs: () => Inputs;
  /** Bits that the prover may choose, because each choice proves the same. */
  readonly choices?: readonly string[];
}

const elements = (count: number) => Array.from({ length: count }, (_, i) => element(`d ${i}`));
const point = times(77n, [BASE8.x, BASE8.y]);
/** A block in which nothing happens: every path is against the first state. */
const idle = () => inputsOf({});
const full = () => inputsOf({ l1Items: [deposit(8, 77n)] });

export const SUBJECTS: readonly Subject[] = [
  { file: "account", call: "Leaf()", inputs: () => named(["pkHash", "balance", "nonce"]) },
  { file: "account", call: "PkHash()", inputs: () => named(["ax", "ay", "owner"]) },
  {
    file: "at-least-constant",
    call: "AtLeastConstant(6, 37)",
    inputs: () => ({ bits: bitsOf(50n, 6) }),
    choices: ["index[0]"], // six bits are one chunk, which stands in both places
  },
  {
    file: "at-least-constant",
    call: "AtLeastConstant(64, 70000)",
    inputs: () => ({ bits: bitsOf(2n ** 60n, 64) }),
  },
  { file: "challenge-bits", call: "ChallengeBits()", inputs: () => named(["challenge"]) },
  { file: "commitment", call: "Commitment(16, 77)", inputs: () => ({ d: elements(16) }) },
  { file: "demultiplex", call: "Demultiplex(3)", inputs: () => ({ in: 9n, index: bitsOf(5n, 3) }) },
  {
    file: "double-and-add",
    call: "DoubleAndAdd()",
    inputs: () => ({ acc: toMontgomery(times(3n, point)), p: toMontgomery(point), bit: 1n }),
  },
  { file: "eight-times-key", call: "EightTimesKey()", inputs: () => ({ key: point }) },
  {
    file: "evaluation",
    call: "Evaluation(16)",
    inputs: () => ({ d: elements(16), ...named(["z"]) }),
  },
  {
    file: "fee-slot",
    call: "FeeSlot(2, 1)",
    inputs: () => {
      const { feeIndex: index, feeLeaf: leaf, feeSiblings: siblings, topNodes } = idle();
      return { index, total: 2n, leaf, siblings, in: topNodes };
    },
  },
  {
    file: "fixed-base-multiplication",
    call: "FixedBaseMultiplication()",
    inputs: () => ({ bits: bitsOf(element("scalar"), 251) }),
  },
  {
    file: "l1-slot",
    call: "L1Slot(2, 1)",
    inputs: () => {
      const { l1, l1Leaf, l1Siblings, topNodes } = full();
      const at = <T>(rows: T[]) => rows[0] as T;
      return { item: at(l1), oldLeaf: at(l1Leaf), siblings: at(l1Siblings), in: topNodes };
    },
  },
  {
    file: "node-update",
    call: "NodeUpdate()",
    inputs: () => ({
      ...named(["oldChild", "newChild"]),
      siblings: elements(3),
      position: [1n, 0n],
    }),
  },
  {
    file: "node-update",
    call: "PlaceAmongFour()",
    inputs: () => ({ child: 5n, siblings: elements(3), position: [1n, 1n] }),
  },
  { file: "non-zero-if", call: "NonZeroIf()", inputs: () => ({ condition: 5n, value: 7n }) },
  {
    file: "path-update",
    call: "PathUpdate(4, 2)",
    inputs: () => {
      const tree = smallTree(4);
      const siblings = tree.siblings(5, 2).map((three) => [...three]);
      const inputs = { index: bitsOf(5n, 8), siblings, in: tree.topNodes(2) };
      return { ...inputs, oldLeaf: leafOf(tree.get(5)), newLeaf: element("leaf") };
    },
  },
  {
    file: "poseidon-after-first-layer",
    call: "PoseidonAfterFirstLayer(4)",
    inputs: () => ({ layer: elements(5) }),
  },
  { file: "select", call: "Select(3)", inputs: () => ({ in: elements(8), index: bitsOf(5n, 3) }) },
  {
    file: "signature",
    call: "Signature()",
    inputs: () => {
      const { key, signature, recipient, nonce } = signed();
      const message = messageOf(DOMAIN, signed(), recipient, nonce);
      const { s, r8x, r8y } = signature;
      return { enabled: 1n, key: [key.ax, key.ay], s, r8: [r8x, r8y], message };
    },
  },
  { file: "subgroup-scalar", call: "SubgroupScalar()", inputs: () => ({ scalar: 5n }) },
  { file: "top-root", call: "TopRoot(2)", inputs: () => ({ in: elements(16) }) },
  { file: "transfer-slot", call: "TransferSlot(2, 1)", inputs: transferSlot },
  {
    file: "variable-base-multiplication",
    call: "VariableBaseMultiplication()",
    inputs: () => ({
      bits: bitsOf(element("scalar"), 254),
      montgomery: toMontgomery(point),
      edwards: point,
    }),
  },
];

/** A different element for each name. */
function named(names: readonly string[]): Inputs {
  return Object.fromEntries(names.map((name) => [name, element(`d ${name}`)]));
}

function transferSlot(): Inputs {
  const { domain, blockNumber, topNodes, ...rows } = inputsOf({ transfers: [signed()] });
  const at = <T>(all: T[]) => all[0] as T;
  return {
    domain,
    blockNumber,
    tx: at(rows.tx),
    key: at(rows.txKey),
    signature: at(rows.txSignature),
    sender: at(rows.txFrom),
    senderSiblings: at(rows.txFromSiblings),
    receiver: at(rows.txTo),
    receiverSiblings: at(rows.txToSiblings),
    in: topNodes,
  };
}
