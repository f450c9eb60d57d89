import { describe, expect, it } from "vitest";
import { pkHashOf } from "../../../circuits/account.ts";
import {
  addPoints,
  BASE8,
  multiplyPoint,
  type Point,
  SUBGROUP_ORDER,
} from "../../../circuits/babyjubjub.ts";
import type { CircuitInputs } from "../../../circuits/inputs.ts";
import type { Signature } from "../../../circuits/transfer.ts";
import { SCALAR_FIELD } from "../../../worker/field.ts";
import { failingConstraints } from "../../../worker/r1cs.ts";
import { changedAt } from "../places.ts";
import { DOMAIN, resident, signed, smallTree } from "../small-rollup.ts";
import { inputsOf } from "./forgery.ts";
import { describeRules, expectAccepted, expectRefused, type Rule, theCircuit } from "./rule.ts";
import { pointAt, TORSION } from "./torsion.ts";
import { type Forging, messageOf, Villain, wild } from "./villain.ts";

// The account that pays belongs to somebody whose secret scalar the test knows.

const villain = new Villain(0xdecafn);

/** Account 1 has the villain's key, so that only the signature can be wrong. */
const paidBy = (payer: Villain, forging?: Forging): CircuitInputs => {
  const tree = smallTree(2);
  tree.set(1, { pkHash: payer.pkHash, balance: 1000n, nonce: 0n });
  const transfer = wild({ villain: payer, ...(forging === undefined ? {} : { forging }) });
  return inputsOf({ transfers: [transfer] }, tree);
};
const honest = () => paidBy(villain);

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

describeRules("signature: S", {
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

describe("soundness / signature: S + order", () => {
  it("is refused too when all that follows from S is computed from the right S", () => {
    // The program takes the bits of what it is given; a forger takes those that satisfy the equation.
    const circuit = theCircuit();
    const { witness } = circuit.judge(honest());
    const wire = circuit.wire("txSignature[0][0]");
    const forged = witness.with(wire, (witness[wire] as bigint) + SUBGROUP_ORDER);
    expect(failingConstraints(circuit.r1cs, forged)).not.toEqual([]);
  });
});

describeRules("signature: both coordinates", {
  // S B = (x, y) against R8 + h 8A = (x, -y): R8 carries the point of order 2, and S is minus the right one
  "equal abscissas alone": forgedBy({
    r8Offset: { x: 0n, y: SCALAR_FIELD - 1n },
    s: (right) => SUBGROUP_ORDER - right,
  }),
  // S B = (x, y) against (-x, y)
  "equal ordinates alone": forgedBy({ s: (right) => SUBGROUP_ORDER - right }),
});

describeRules("signature: R8", {
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
const underKey = ({ x, y }: Point, { s, r8x, r8y }: Signature): CircuitInputs => {
  const key = { ax: x, ay: y, owner: 0xbadn };
  const tree = smallTree(2);
  tree.set(1, { pkHash: pkHashOf(key), balance: 1000n, nonce: 0n });
  const transfer = { ...signed(), key, signature: { s, r8x, r8y } };
  return inputsOf({ transfers: [transfer] }, tree);
};
const theMessage = messageOf(DOMAIN, signed(), resident(2).pkHash, 0n);
const negated = { x: SCALAR_FIELD - villain.point.x, y: villain.point.y };

describeRules("signature: key", {
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

describe("soundness / signature: keys that are no keys", () => {
  it("refuses each key of small order, signed as it could be were it allowed", () => {
    // 8 A is the identity: then any S with R8 = S B would sign every message.
    for (const [k, point] of TORSION.entries()) {
      for (const s of [0n, 5n]) {
        const r8 = multiplyPoint(s, BASE8);
        const inputs = underKey(point, { s, r8x: r8.x, r8y: r8.y });
        const { broken, complaints } = theCircuit().judge(inputs);
        expect(broken, `${k} times a point of order 8`).not.toEqual([]);
        // x = 0 for the points of order 1 and 2; one of the three doublings for the others
        expect(complaints).toContain(k % 4 === 0 ? "EightTimesKey" : "MontgomeryDouble");
      }
    }
  });

  it("accepts a key with a part of small order: 8 A has none", () => {
    for (const point of TORSION) expectAccepted(paidBy(new Villain(0xdecafn, point)));
  });

  it("refuses an R8 with a part of small order", () => {
    for (const [k, point] of TORSION.entries()) {
      const inputs = paidBy(villain, { r8Offset: point });
      if (k === 0) expectAccepted(inputs);
      else expectRefused(inputs, ["Signature"]);
    }
  });

  it("refuses a key off the curve", () => {
    const { x, y } = villain.point;
    for (const point of [
      { x: x + 1n, y },
      { x: y, y: x },
      { x, y: SCALAR_FIELD - y + 1n },
      { x: 1n, y: 1n },
      { x: 1n, y: 0n },
      { x: 0n, y: 0n },
    ]) {
      const { broken, complaints } = theCircuit().judge(
        underKey(point, villain.sign(theMessage, { key: point })),
      );
      expect(broken).not.toEqual([]);
      expect(complaints).toContain("BabyCheck");
    }
  });
});

/** An empty block with another signature in the first slot. */
const inUnused = (signature: bigint[], at: string[]): Rule => ({
  broken: () => changedAt(inputsOf({}), ["txSignature", 0], signature),
  at,
  kept: () => inputsOf({}),
});

describeRules("signature: an unused slot keeps every check but the equation", {
  "S = order": inUnused([SUBGROUP_ORDER, BASE8.x, BASE8.y], ["SubgroupScalar"]),
  "an R8 off the curve": inUnused([0n, 0n, 0n], ["BabyCheck"]),
});

describe("soundness / signature: an unused slot", () => {
  it("takes any key that can sign, any S below the order, any R8 on the curve and any validUntil", () => {
    const { x, y } = villain.point;
    const r8s = [BASE8, TORSION[0], TORSION[4], pointAt(5n) ?? BASE8] as Point[];
    for (const [k, r8] of r8s.entries()) {
      const s = [0n, 1n, SUBGROUP_ORDER - 1n, 2n ** 250n][k] as bigint;
      const empty = inputsOf({});
      expectAccepted({
        ...empty,
        txSignature: empty.txSignature.with(0, [s, r8.x, r8.y]),
        txKey: empty.txKey.with(0, [x, y, SCALAR_FIELD - 1n]),
        tx: empty.tx.with(0, [0n, 0n, 0n, 0n, 0n, SCALAR_FIELD - 1n - BigInt(k)]),
      });
    }
  });

  it("refuses a key of small order", () => {
    for (const { x, y } of TORSION) {
      const inputs = changedAt(inputsOf({}), ["txKey", 0], [x, y, 0n]);
      expect(theCircuit().judge(inputs).broken).not.toEqual([]);
    }
  });
});
