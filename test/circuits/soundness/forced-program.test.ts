import { beforeAll, describe, expect, it } from "vitest";
import { readViewLE } from "../../../worker/field.ts";
import { failingConstraints } from "../../../worker/r1cs.ts";
import { deposit, signed } from "../small-rollup.ts";
import { inputsOf } from "./forgery.ts";
import { TinyCircuit } from "./tiny-circuit.ts";

let circuit: TinyCircuit;
beforeAll(async () => {
  circuit = await TinyCircuit.load();
});

const honest = () =>
  inputsOf({ l1Items: [deposit(6, 77n)], transfers: [signed(), signed({ from: 2, type: 2 })] });

describe("soundness / forced witness program", () => {
  it("finds the checks that it has to disarm", () => {
    // One for each `===` of a template, for each set of its parameters; more if circom unrolled them.
    expect(circuit.forced.sites).toBeGreaterThan(40);
  });

  it("computes the same witness as the original for inputs that keep every rule", () => {
    for (const inputs of [honest(), inputsOf({}), honest()]) {
      const original = elementsOf(circuit.program.calculate({ ...inputs }));
      const { witness, complaints } = circuit.forced.run(inputs);
      expect(witness).toEqual(original);
      expect(complaints).toEqual([]);
    }
  });

  it("computes a whole witness where the original stops, also past divisions by zero", () => {
    const zeros = Object.fromEntries(
      Object.entries(honest()).map(([name, value]) => [name, zeroed(value)]),
    ) as unknown as ReturnType<typeof honest>;
    for (const inputs of [{ ...honest(), h: 1n }, { ...honest(), txKey: zeros.txKey }, zeros]) {
      expect(() => circuit.program.calculate({ ...inputs })).toThrow("break a rule");
      const { witness, complaints } = circuit.forced.run(inputs);
      expect(witness.length).toBe(circuit.r1cs.nWires);
      expect(complaints).not.toEqual([]);
      expect(failingConstraints(circuit.r1cs, witness)).not.toEqual([]);
    }
  });

  it("carries nothing from one run into the next", () => {
    circuit.forced.run({ ...honest(), h: 1n });
    const { witness, complaints } = circuit.forced.run(honest());
    expect(complaints).toEqual([]);
    expect(failingConstraints(circuit.r1cs, witness)).toEqual([]);
  });
});

const zeroed = (value: unknown): unknown => (Array.isArray(value) ? value.map(zeroed) : 0n);

function elementsOf(bytes: Uint8Array): bigint[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 32 }, (_, i) => readViewLE(view, 32 * i));
}
