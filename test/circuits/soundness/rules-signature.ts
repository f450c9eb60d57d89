import { pkHashOf } from "../../../circuits/account.ts";
import { addPoints, BASE8, type Point, SUBGROUP_ORDER } from "../../../circuits/babyjubjub.ts";
import type { CircuitInputs } from "../../../circuits/inputs.ts";
import type { Signature } from "../../../circuits/transfer.ts";
import { SCALAR_FIELD } from "../../../worker/field.ts";
import { changedAt } from "../places.ts";
import { DOMAIN, resident, signed, smallTree } from "../small-rollup.ts";
import { inputsOf } from "./forgery.ts";
import { type Rule, RuleBook } from "./rule.ts";
import { type Forging, messageOf, Villain, wild } from "./villain.ts";

export const SIGNATURE_RULES = new RuleBook();

// The account that pays belongs to somebody whose secret scalar the test knows.

export const villain = new Villain(0xdecafn);

/** Account 1 has the villain's key, so that only the signature can be wrong. */
export const paidBy = (payer: Villain, forging?: Forging): CircuitInputs => {
  const tree = smallTree(2);
  tree.set(1, { pkHash: payer.pkHash, balance: 1000n, nonce: 0n });
  const transfer = wild({ villain: payer, ...(forging === undefined ? {} : { forging }) });
  return inputsOf({ transfers: [transfer] }, tree);
};
export const honest = () => paidBy(villain);

const withSignature = (change: (signature: Signature) => Signature): CircuitInputs => {
  const [s, r8x, r8y] = honest().txSignature[0] as [bigint, bigint, bigint];
  return changedAt(honest(), ["txSignature", 0], Object.values(change({ s, r8x, r8y })));
};

const forgedSignature = (
  change: (signature: Signature) => Signature,
  at = ["Signature"],
): Rule => ({
  broken: () => withSignature(change),
  at,
  kept: honest,
});

const forgedBy = (forging: Forging): Rule => ({
  broken: () => paidBy(villain, forging),
  at: ["Signature"],
  kept: honest,
});

SIGNATURE_RULES.section("signature: S", {
  "S + 1": forgedSignature((signature) => ({ ...signature, s: signature.s + 1n })),
  "S = 0": forgedSignature((signature) => ({ ...signature, s: 0n })),
  "-S": forgedSignature((signature) => ({ ...signature, s: SUBGROUP_ORDER - signature.s })),
  "S + order, which is the same multiple": forgedSignature(
    (signature) => ({ ...signature, s: signature.s + SUBGROUP_ORDER }),
    ["Signature", "SubgroupScalar"],
  ),
  "S + 2 order": forgedSignature(
    (signature) => ({ ...signature, s: signature.s + 2n * SUBGROUP_ORDER }),
    ["Signature", "SubgroupScalar"],
  ),
  "S = order - 1, the largest that is in range": forgedBy({ s: () => SUBGROUP_ORDER - 1n }),
  "S = r - 1": forgedSignature(
    (signature) => ({ ...signature, s: SCALAR_FIELD - 1n }),
    ["Signature", "SubgroupScalar"],
  ),
});

SIGNATURE_RULES.section("signature: both coordinates", {
  // S B = (x, y) against R8 + h 8A = (x, -y): R8 carries the point of order 2, and S is minus the right one
  "equal abscissas alone": forgedBy({
    r8Offset: { x: 0n, y: SCALAR_FIELD - 1n },
    s: (right) => SUBGROUP_ORDER - right,
  }),
  // S B = (x, y) against (-x, y)
  "equal ordinates alone": forgedBy({ s: (right) => SUBGROUP_ORDER - right }),
});

SIGNATURE_RULES.section("signature: R8", {
  "an R8 off the curve": forgedSignature(
    (signature) => ({ ...signature, r8x: signature.r8x + 1n }),
    ["BabyCheck", "Signature"],
  ),
  "swapped coordinates": forgedSignature(
    ({ s, r8x, r8y }) => ({ s, r8x: r8y, r8y: r8x }),
    ["BabyCheck", "Signature"],
  ),
  "R8 = (0, 0)": forgedSignature(({ s }) => ({ s, r8x: 0n, r8y: 0n }), ["BabyCheck", "Signature"]),
  "S = 0, R8 = (0, 1)": forgedSignature(() => ({ s: 0n, r8x: 0n, r8y: 1n })),
  "S = 1, R8 = B": forgedSignature(() => ({ s: 1n, r8x: BASE8.x, r8y: BASE8.y })),
  "-R8": forgedSignature(({ s, r8x, r8y }) => ({ s, r8x: SCALAR_FIELD - r8x, r8y })),
  "an R8 that was chosen after the challenge": forgedSignature(({ s, r8x, r8y }) => {
    const { x, y } = addPoints({ x: r8x, y: r8y }, BASE8);
    return { s: (s + 1n) % SUBGROUP_ORDER, r8x: x, r8y: y };
  }),
});

/** Account 1 has this key, whatever it is, and the transfer this signature. */
export const underKey = ({ x, y }: Point, { s, r8x, r8y }: Signature): CircuitInputs => {
  const key = { ax: x, ay: y, owner: 0xbadn };
  const tree = smallTree(2);
  tree.set(1, { pkHash: pkHashOf(key), balance: 1000n, nonce: 0n });
  const transfer = { ...signed(), key, signature: { s, r8x, r8y } };
  return inputsOf({ transfers: [transfer] }, tree);
};
export const theMessage = messageOf(DOMAIN, signed(), resident(2).pkHash, 0n);
const negated = { x: SCALAR_FIELD - villain.point.x, y: villain.point.y };

SIGNATURE_RULES.section("signature: key", {
  "the negated key, with a signature for the key": {
    broken: () => underKey(negated, villain.sign(theMessage)),
    at: ["Signature"],
    kept: () => underKey(villain.point, villain.sign(theMessage)),
  },
  "the negated key, with a signature whose challenge names it": {
    broken: () => underKey(negated, villain.sign(theMessage, { key: negated })),
    at: ["Signature"],
    kept: () => underKey(villain.point, villain.sign(theMessage)),
  },
  "a signature of somebody else": {
    broken: () => underKey(villain.point, new Villain(77n).sign(theMessage)),
    at: ["Signature"],
    kept: () => underKey(villain.point, villain.sign(theMessage)),
  },
  "a signature of somebody else whose challenge names the key": {
    broken: () => {
      const forging = { key: villain.point };
      return underKey(villain.point, new Villain(77n).sign(theMessage, forging));
    },
    at: ["Signature"],
    kept: () => underKey(villain.point, villain.sign(theMessage)),
  },
});

/** An empty block with another signature in the first slot. */
const inUnused = (signature: bigint[], at: string[]): Rule => ({
  broken: () => changedAt(inputsOf({}), ["txSignature", 0], signature),
  at,
  kept: () => inputsOf({}),
});

SIGNATURE_RULES.section("signature: an unused slot keeps every check but the equation", {
  "S = order": inUnused([SUBGROUP_ORDER, BASE8.x, BASE8.y], ["SubgroupScalar"]),
  "an R8 off the curve": inUnused([0n, 0n, 0n], ["BabyCheck"]),
});
