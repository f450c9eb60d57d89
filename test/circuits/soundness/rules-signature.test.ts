import { describe, expect, it } from "vitest";
import { BASE8, multiplyPoint, type Point, SUBGROUP_ORDER } from "../../../circuits/babyjubjub.ts";
import { SCALAR_FIELD } from "../../../worker/field.ts";
import { failingConstraints } from "../../../worker/r1cs.ts";
import { TORSION, times, WHOLE_GENERATOR } from "../curve-points.ts";
import { changedAt } from "../places.ts";
import { inputsOf } from "./forgery.ts";
import { describeRules, expectAccepted, expectRefused, theCircuit } from "./rule.ts";
import {
  honest,
  paidBy,
  SIGNATURE_RULES,
  theMessage,
  underKey,
  villain,
} from "./rules-signature.ts";
import { Villain } from "./villain.ts";

describeRules(SIGNATURE_RULES);

const pointOf = ([x, y]: readonly [bigint, bigint]): Point => ({ x, y });
/** k T for k = 0 … 7, T of order 8: the identity, [4] of order 2, [2] and [6] of order 4, the rest of order 8. */
const SMALL_ORDER = Array.from({ length: 8 }, (_, k) => pointOf(times(BigInt(k), TORSION)));

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

describe("soundness / signature: keys that are no keys", () => {
  it("refuses each key of small order, signed as it could be were it allowed", () => {
    // 8 A is the identity: then any S with R8 = S B would sign every message.
    for (const [k, point] of SMALL_ORDER.entries()) {
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
    for (const point of SMALL_ORDER) expectAccepted(paidBy(new Villain(0xdecafn, point)));
  });

  it("refuses an R8 with a part of small order", () => {
    for (const [k, point] of SMALL_ORDER.entries()) {
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

describe("soundness / signature: an unused slot", () => {
  it("takes any key that can sign, any S below the order, any R8 on the curve and any validUntil", () => {
    const { x, y } = villain.point;
    const whole = pointOf(times(5n, WHOLE_GENERATOR));
    const r8s = [BASE8, SMALL_ORDER[0], SMALL_ORDER[4], whole] as Point[];
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
    for (const { x, y } of SMALL_ORDER) {
      const inputs = changedAt(inputsOf({}), ["txKey", 0], [x, y, 0n]);
      expect(theCircuit().judge(inputs).broken).not.toEqual([]);
    }
  });
});
