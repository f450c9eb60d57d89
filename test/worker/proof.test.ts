import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { G1, G2 } from "../../worker/curve.ts";
import { BASE_FIELD, SCALAR_FIELD } from "../../worker/field.ts";
import {
  type Proof,
  proofFromJson,
  proofToJson,
  proofToWords,
  publicSignalsFromJson,
  publicSignalsToJson,
} from "../../worker/proof.ts";
import { outcomeOf } from "./key-file.ts";

const PROOF: Proof = {
  a: G1.multiply(G1.generator, 5n),
  b: G2.multiply(G2.generator, 7n),
  c: G1.multiply(G1.generator, 11n),
};

describe("worker / proof", () => {
  it("survives snarkjs's JSON, with and without infinity", () => {
    for (const proof of [PROOF, { a: G1.infinity, b: G2.infinity, c: G1.infinity }]) {
      expect(proofFromJson(JSON.parse(JSON.stringify(proofToJson(proof))))).toEqual(proof);
    }
  });

  it("puts the imaginary part first for the EVM", () => {
    const { pA, pB, pC } = proofToWords(PROOF);
    expect(pA).toEqual([PROOF.a.x, PROOF.a.y]);
    expect(pB).toEqual([
      [PROOF.b.x[1], PROOF.b.x[0]],
      [PROOF.b.y[1], PROOF.b.y[0]],
    ]);
    expect(pC).toEqual([PROOF.c.x, PROOF.c.y]);
  });

  it("refuses every other form of a proof", () => {
    const good = proofToJson(PROOF);
    const aliased = String(PROOF.a.x + BASE_FIELD);
    const damages: Record<string, unknown> = {
      null: null,
      "a string": "proof",
      "no points": {},
      "another system": { ...good, protocol: "plonk" },
      "another curve": { ...good, curve: "bls12381" },
      "a missing": { ...good, pi_a: undefined },
      "a too short": { ...good, pi_a: good.pi_a.slice(0, 2) },
      "a not normalised": { ...good, pi_a: good.pi_a.with(2, "2") },
      "a of numbers": { ...good, pi_a: [1, 2, 1] },
      "a aliased": { ...good, pi_a: good.pi_a.with(0, aliased) },
      "a in hexadecimal": { ...good, pi_a: good.pi_a.with(0, "0x1") },
      "a the second spelling of infinity": { ...good, pi_a: ["0", "0", "1"] },
      "a infinity in numbers": { ...good, pi_a: [0, 1, 0] },
      "a infinity in nested arrays": { ...good, pi_a: [["0"], [["1"]], "0"] },
      "a of an object that is no text": { ...good, pi_a: [{ toString: 1, valueOf: 1 }, "2", "1"] },
      "a nested deeper than the stack": { ...good, pi_a: [nested(20_000), "2", "1"] },
      "b flat": { ...good, pi_b: good.pi_b.flat() },
      "b too short": { ...good, pi_b: good.pi_b.slice(0, 2) },
      "b not normalised": { ...good, pi_b: good.pi_b.with(2, ["1", "1"]) },
      "b the second spelling of infinity": {
        ...good,
        pi_b: [
          ["0", "0"],
          ["0", "0"],
          ["1", "0"],
        ],
      },
      "c empty": { ...good, pi_c: [] },
    };
    for (const [name, damaged] of Object.entries(damages)) {
      expect(
        outcomeOf(() => proofFromJson(damaged)),
        name,
      ).toBe("PROOF_MALFORMED");
    }
  });
});

/** Arrays in arrays, as JSON may bring them. */
function nested(depth: number): unknown {
  return JSON.parse("[".repeat(depth) + "]".repeat(depth));
}

describe("worker / public signals", () => {
  it("survive snarkjs's JSON", () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: 0n, max: SCALAR_FIELD - 1n })), (signals) => {
        expect(publicSignalsFromJson(publicSignalsToJson(signals))).toEqual(signals);
      }),
    );
  });

  it("are refused if one is not a canonical decimal string, with its index", () => {
    for (const wild of [String(SCALAR_FIELD), "-1", "01", "", 1, null, ["1"]]) {
      const refuse = () => publicSignalsFromJson(["1", wild]);
      expect(outcomeOf(refuse), JSON.stringify(wild)).toBe("PROOF_MALFORMED");
      expect(refuse).toThrow("public signal 1");
    }
    expect(outcomeOf(() => publicSignalsFromJson("1"))).toBe("PROOF_MALFORMED");
  });
});
