import { describe, expect, it } from "vitest";
import { poseidon } from "../../circuits/poseidon.ts";
import { SCALAR_FIELD } from "../../worker/field.ts";
import { poseidonVectors } from "./vectors.ts";

describe("circuits / poseidon", () => {
  it("equals circomlibjs for 1 to 16 inputs", () => {
    const { cases } = poseidonVectors();
    for (const { inputs, hash } of cases) {
      expect(poseidon(inputs.map(BigInt)), `inputs ${inputs}`).toBe(BigInt(hash));
    }
    expect(new Set(cases.map(({ inputs }) => inputs.length)).size).toBe(16);
  });

  it("refuses no inputs and more than 16", () => {
    expect(() => poseidon([])).toThrow("got 0 inputs, expected 1 to 16");
    expect(() => poseidon(Array(17).fill(1n))).toThrow("got 17 inputs, expected 1 to 16");
  });

  it("refuses what is no field element, and says which input without its value", () => {
    for (const value of [SCALAR_FIELD, -1n, 1n << 300n]) {
      expect(() => poseidon([0n, value])).toThrow(
        new RangeError("poseidon: input 1 is not a field element, reduce it mod r first"),
      );
    }
  });
});
